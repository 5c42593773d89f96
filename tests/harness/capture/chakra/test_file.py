"""Execution traces of torch.profiler become the trace that the capture makes, or one clear error."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from accel_model.types import Phase, Role
from harness.capture import capture
from harness.capture.chakra import file
from harness.settings.errors import CaptureError
from tests.helpers.execution_traces import classifier, record


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return record(classifier(), tmp_path_factory.mktemp("chakra") / "step.json")


@pytest.fixture
def changed(recorded, tmp_path):
    """changed(change): the path of the recorded file after `change(document)`."""

    def write(change):
        document = json.loads(recorded.read_text())
        document = change(document) or document
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(document))
        return path

    return write


def products(trace):
    ops = trace.ops
    found = np.flatnonzero(ops.macs)
    return [(int(ops.phase[i]), *(int(x[i]) for x in (ops.groups, ops.m, ops.n, ops.k))) for i in found]


def test_a_recorded_step_has_the_products_and_phases_of_a_captured_one(recorded):
    trace, reference = file.load(recorded), capture(classifier())
    assert products(trace) == products(reference)
    assert trace.uncounted == {}
    assert trace.meta["schema"].startswith("1.1.")


def test_a_recorded_step_has_parameters_state_and_gradients(recorded):
    trace = file.load(recorded)
    parameters = list(classifier().model.parameters())
    for role in (Role.PARAMETER, Role.OPTIMIZER_STATE, Role.GRADIENT):
        sizes = sorted(trace.tensors.bytes[trace.tensors.role == role])
        assert sizes == sorted(4 * p.numel() for p in parameters)
    assert (trace.ops.phase[-1], trace.ops.phase[0]) == (Phase.UPDATE, Phase.FORWARD)


def test_attention_and_recurrent_layers_are_read_too(tmp_path):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.qkv = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 24)

        def forward(self, x):
            q, k, v = self.qkv(self.lstm(x)[0]).view(2, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
            return functional.scaled_dot_product_attention(q, k, v).flatten(1)

    model, x = Model(), torch.randn(2, 5, 8)

    def step():
        model(x).sum().backward()

    trace, reference = file.load(record(step, tmp_path / "step.json")), capture(step, model)
    assert trace.macs_by_phase()["forward"] == reference.macs_by_phase()["forward"]
    assert trace.macs_by_phase()["recompute"] == reference.macs_by_phase()["recompute"]
    assert sum(trace.macs_by_phase().values()) == sum(reference.macs_by_phase().values())


@pytest.mark.parametrize("schema", ["1.0.3-chakra.0.0.4", "2.0.0", None, 3])
def test_another_schema_is_refused(schema, changed):
    with pytest.raises(CaptureError, match=r"schema .*reads 1\.1\.x"):
        file.load(changed(lambda d: d.update(schema=schema)))


DAMAGE = {
    "no nodes": lambda d: d.update(nodes=[]),
    "nodes that are no list": lambda d: d.update(nodes={"a": 1}),
    "a node that is no mapping": lambda d: d["nodes"].append(3),
    "a node without inputs": lambda d: d["nodes"][20].pop("inputs"),
    "a node without attributes": lambda d: d["nodes"][20].pop("attrs"),
    "a number that is a text": lambda d: d["nodes"][20].update(id="x"),
    "shapes that are missing": lambda d: convolution(d)["inputs"]["shapes"].pop(),
    "a shape below zero": lambda d: convolution(d)["inputs"]["shapes"].__setitem__(0, [2, -3, 8, 8]),
    "a shape that is endless": lambda d: convolution(d)["inputs"]["shapes"].__setitem__(0, [2, 10**30, 8, 8]),
    "a shape of another rank": lambda d: convolution(d)["inputs"]["shapes"].__setitem__(1, [8]),
    "strides of another rank": lambda d: convolution(d)["inputs"]["strides"].__setitem__(0, [1]),
    "a tensor that is a number": lambda d: convolution(d)["inputs"]["values"].__setitem__(0, 7),
    "elements without a size": lambda d: convolution(d)["inputs"]["values"][0].__setitem__(4, 0),
    "an argument of another kind": lambda d: convolution(d)["inputs"]["values"].__setitem__(8, "many"),
    "groups of none": lambda d: convolution(d)["inputs"]["values"].__setitem__(8, 0),
    "no framework calls": lambda d: d.update(nodes=d["nodes"][:2]),
    "a list": lambda d: [d],
}


def convolution(document):
    return next(node for node in document["nodes"] if node["name"] == "aten::convolution")


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_refused_in_one_error(name, changed):
    with pytest.raises(CaptureError, match=r"changed\.json"):
        file.load(changed(DAMAGE[name]))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"\x1f\x8b\x08"])
def test_what_is_no_json_is_refused(content, tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match="no JSON file"):
        file.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CaptureError, match="no execution trace at"):
        file.load(tmp_path / "none.json")


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as out:
        out.truncate(file.LARGEST_FILE + 1)
    with pytest.raises(CaptureError, match="record fewer steps"):
        file.load(path)


def test_an_unknown_op_is_listed_as_uncounted(changed):
    def rename(document):
        for node in document["nodes"]:
            if node["name"] == "aten::gelu":
                for attribute in node["attrs"]:
                    if attribute["name"] == "op_schema":
                        attribute["value"] = "my_ops::gelu(Tensor self) -> Tensor"

    assert set(file.load(changed(rename)).uncounted) == {"my_ops::gelu"}
