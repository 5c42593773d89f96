"""task=replay takes one step of an execution trace, says which, and writes durations back; what is wrong is told."""

import json

import pytest

from tests.helpers.execution_traces import perceptron, record
from tests.helpers.program import halfstep, refused


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    record(perceptron(), folder / "et.json", [f"ProfilerStep#{number}" for number in range(3)])
    return folder


def test_the_step_taken_is_told_and_its_durations_are_written(folder):
    done = halfstep("task=replay", "task.trace=et.json", "task.step=1", "task.chakra=out.json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "Step taken: ProfilerStep#1, one of 3; task.step=N takes another." in done.stdout
    assert "Execution trace: out.json" in done.stdout and "outside of the step" in done.stdout
    nodes = json.loads((folder / "out.json").read_text())["nodes"]
    assert any("exclusive_dur" in node for node in nodes if node["name"] == "aten::mm")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["task.trace=et.json", "task.step=9"], "it has 0 (ProfilerStep#0)"),
        (["task.trace=et.json", "task.memory_mb=0"], "task.memory_mb is 0"),
        (["task.trace=none.halfstep", "task.chakra=out.json"], "is no execution trace"),
        (["task.trace=none.json"], "no execution trace at none.json"),
    ],
)
def test_what_does_not_fit_is_told(folder, overrides, says):
    refused(halfstep("task=replay", *overrides, folder=folder), says)
