"""Simulated durations go back into the execution trace that they were simulated from, and nothing else changes."""

import gzip
import json

import numpy as np
import pytest
import torch
from torch import nn

from accel_model import Design, replay
from harness.capture.chakra import export, file
from harness.settings.errors import OutputError
from tests.helpers.execution_traces import changed, classifier, perceptron, record, step_of

DURATIONS = ("inclusive_dur", "exclusive_dur")


def compiled_step():
    model = nn.Sequential(nn.Linear(16, 8), nn.GELU(), nn.Linear(8, 4))
    return step_of(torch.compile(model), torch.randn(4, 16), torch.zeros(4, dtype=torch.long))


STEPS = {
    "convolution": classifier,
    "products": perceptron,
    "autocast": lambda: step_of(nn.Linear(16, 8), torch.randn(4, 16), torch.zeros(4, dtype=torch.long), autocast=True),
    "adam": lambda: step_of(
        model := nn.Linear(16, 8),
        torch.randn(4, 16),
        torch.zeros(4, dtype=torch.long),
        torch.optim.Adam(model.parameters()),
    ),
    "compiled": compiled_step,
}


@pytest.fixture(scope="module", params=STEPS)
def recorded(request, tmp_path_factory):
    try:
        return record(STEPS[request.param](), tmp_path_factory.mktemp("et") / "et.json", [None] * 2)
    except Exception as error:
        if request.param != "compiled":
            raise
        pytest.skip(f"torch.compile does not work here: {error}")


def exported(path, out):
    recording = file.recording(path)
    report = replay(recording.trace, Design.load("seed"))
    return recording, report, export.save(out, recording, report.op_s[0])


def test_every_second_of_the_step_is_in_the_file_and_nothing_else_changed(recorded, tmp_path):
    recording, report, told = exported(recorded, tmp_path / "out.json")
    before, after = json.loads(recorded.read_text()), json.loads((tmp_path / "out.json").read_text())
    times = [node.get("exclusive_dur", 0) * 1e-6 for node in after["nodes"]]
    assert sum(times) == pytest.approx(report.step_s[0] - report.host_s[0], rel=1e-12)
    assert told.total_s == pytest.approx(sum(times))
    assert sum("exclusive_dur" in node for node in after["nodes"]) == told.nodes == len(recording.calls)
    for node in after["nodes"]:
        assert node.get("inclusive_dur") == node.get("exclusive_dur")
        for name in DURATIONS:
            node.pop(name, None)
    assert after == before


def test_a_duration_stands_at_the_call_whose_work_it_is(recorded, tmp_path):
    recording, report, _ = exported(recorded, tmp_path / "out.json")
    nodes = {node["id"]: node for node in json.loads((tmp_path / "out.json").read_text())["nodes"]}
    trace = recording.trace
    for number, node in enumerate(recording.calls):
        rows = np.flatnonzero(trace.ops.call == number)
        schema = next(a["value"] for a in nodes[node]["attrs"] if a["name"] == "op_schema")
        assert {trace.names[trace.ops.name[row]] for row in rows} <= {schema.partition("(")[0].partition(".")[0]}
        assert nodes[node]["exclusive_dur"] == pytest.approx(report.op_s[0, rows].sum() * 1e6)


def test_what_was_written_is_read_again_as_the_same_step(recorded, tmp_path):
    recording, report, _ = exported(recorded, tmp_path / "out.json.gz")
    assert (tmp_path / "out.json.gz").read_bytes().startswith(b"\x1f\x8b")
    again, later, _ = exported(tmp_path / "out.json.gz", tmp_path / "again.json")
    assert again.calls == recording.calls
    assert later.step_s == report.step_s
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(
        gzip.decompress((tmp_path / "out.json.gz").read_bytes())
    )


def test_calls_without_a_simulated_duration_are_listed_and_keep_theirs(recorded, tmp_path):
    def timed(document):
        for node in document["nodes"]:
            node["exclusive_dur"] = node["inclusive_dur"] = 7

    path = changed(recorded, timed, tmp_path / "timed.json")
    recording, _, told = exported(path, tmp_path / "out.json")
    nodes = json.loads((tmp_path / "out.json").read_text())["nodes"]
    first, beyond = recording.step
    for node in nodes:
        if not first <= node["id"] < beyond:
            assert node["exclusive_dur"] == 7
        elif node["id"] in recording.inside:
            assert (node["exclusive_dur"], node["inclusive_dur"]) == (0, 7)
    assert told.outside > 0
    assert told.left
    assert not {"aten::linear", "aten::addmm", "aten::mm"} & set(told.left)
    assert str(told.outside) in told.text


def test_kernels_of_a_linked_trace_give_their_time_to_the_call(tmp_path):
    path = record(perceptron(), tmp_path / "et.json")

    def link(document):
        for node in list(document["nodes"]):
            if node["name"] == "aten::mm":
                more = {"id": 10**6 + node["id"], "ctrl_deps": node["id"], "cat": "kernel", "exclusive_dur": 5}
                document["nodes"].append(node | more)

    _, report, _ = exported(changed(path, link, tmp_path / "linked.json"), tmp_path / "out.json")
    nodes = json.loads((tmp_path / "out.json").read_text())["nodes"]
    assert sum(node.get("exclusive_dur", 0) for node in nodes) * 1e-6 == pytest.approx(
        report.step_s[0] - report.host_s[0]
    )


def test_an_output_that_cannot_be_written_is_one_error_and_leaves_nothing(tmp_path):
    recording = file.recording(record(perceptron(), tmp_path / "et.json"))
    (tmp_path / "a file").write_text("")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match="cannot write the execution trace to"):
        export.save(tmp_path / "a file" / "out.json", recording, np.zeros(len(recording.trace)))
    assert sorted(tmp_path.iterdir()) == before
