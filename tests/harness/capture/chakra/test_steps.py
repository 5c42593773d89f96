"""Of the steps that an execution trace holds one is taken, which is told; never their sum."""

import json
from collections import Counter

import pytest
import torch
from torch import nn

from harness.capture.chakra import file
from harness.settings.errors import CaptureError
from tests.helpers.execution_traces import changed, perceptron, record

FORWARD = 4 * (16 * 8 + 8 * 3)  # MACs of a step of `perceptron`


def forward_macs(trace):
    return trace.macs_by_phase()["forward"]


def test_the_last_profiler_step_is_taken_and_any_can_be(tmp_path):
    path = record(perceptron(), tmp_path / "et.json", [f"ProfilerStep#{n}" for n in (4, 5, 6)])
    trace = file.load(path)
    assert (forward_macs(trace), trace.meta["step"], trace.meta["steps"]) == (FORWARD, "ProfilerStep#6", 3)
    for number in (4, 5, 6):
        one = file.load(path, number)
        assert (len(one), one.macs_by_phase(), one.meta["step"]) == (
            len(trace),
            trace.macs_by_phase(),
            f"ProfilerStep#{number}",
        )


def test_a_step_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    path = record(perceptron(), tmp_path / "et.json", [f"ProfilerStep#{n}" for n in (4, 5)])
    with pytest.raises(CaptureError, match=r"no step 1: it has 4 \(ProfilerStep#4\), 5 \(ProfilerStep#5\)"):
        file.load(path, 1)


def test_without_marks_a_step_ends_with_its_optimiser(tmp_path):
    path = record(perceptron(), tmp_path / "et.json", [None] * 3)
    one = file.load(record(perceptron(), tmp_path / "one.json"))
    traces = [file.load(path, number) for number in (None, 0, 1, 2)]
    assert {forward_macs(trace) for trace in traces} == {FORWARD}
    assert len(traces[0]) == len(one)
    assert traces[0].meta["step"].startswith("Optimizer.step#SGD")
    assert (traces[0].meta["steps"], one.meta["steps"]) == (3, 1)


@pytest.mark.parametrize("alike", [True, False])
def test_optimisers_that_take_turns_are_one_step(alike, tmp_path):
    left, right = nn.Linear(6, 5, bias=False), nn.Linear(5, 4, bias=False)
    kinds = (torch.optim.Adam, torch.optim.Adam if alike else torch.optim.SGD)
    optimizers = [kind(layer.parameters(), lr=0.1) for kind, layer in zip(kinds, (left, right), strict=True)]
    x = torch.randn(2, 6)

    def step():
        for optimizer in optimizers:
            optimizer.zero_grad()
        right(left(x)).mean().backward()
        for optimizer in optimizers:
            optimizer.step()

    trace = file.load(record(step, tmp_path / "et.json", [None] * 3))
    assert (forward_macs(trace), trace.meta["steps"]) == (2 * (6 * 5 + 5 * 4), 3)


def test_gradients_gathered_over_several_passes_are_one_step(tmp_path):
    layer, x = nn.Linear(6, 5, bias=False), torch.randn(2, 6)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        for _ in range(4):
            layer(x).mean().backward()
        optimizer.step()

    trace = file.load(record(step, tmp_path / "et.json", [None] * 2))
    assert forward_macs(trace) == 4 * 2 * 6 * 5


def test_one_mark_around_several_steps_is_not_one_step(tmp_path):
    step = perceptron()

    def three():
        for _ in range(3):
            step()

    trace = file.load(record(three, tmp_path / "et.json", ["ProfilerStep#0"]))
    assert (forward_macs(trace), trace.meta["steps"]) == (FORWARD, 3)


def test_a_step_that_was_cut_off_is_passed_over(tmp_path):
    path = record(perceptron(), tmp_path / "et.json", [f"ProfilerStep#{n}" for n in range(3)])

    def cut(document):
        mark = next(node["id"] for node in document["nodes"] if node["name"] == "ProfilerStep#2")
        kept = [node for node in document["nodes"] if node["id"] < mark + 20]
        document["nodes"] = kept

    assert file.load(changed(path, cut, tmp_path / "cut.json")).meta["step"] == "ProfilerStep#1"


def test_a_second_step_without_its_end_is_not_added(tmp_path):
    path = record(perceptron(), tmp_path / "et.json", [None] * 2)

    def cut(document):
        ends = [node["id"] for node in document["nodes"] if node["name"].startswith("Optimizer.step#")]
        document["nodes"] = [node for node in document["nodes"] if node["id"] < max(ends)]

    trace = file.load(changed(path, cut, tmp_path / "cut.json"))
    assert (forward_macs(trace), trace.meta["steps"]) == (FORWARD, 1)


def test_backward_calls_of_another_thread_belong_to_their_step(tmp_path):
    """A GPU's backward pass runs in a thread of its own, below that thread's root and no mark."""
    path = record(perceptron(), tmp_path / "et.json", [f"ProfilerStep#{n}" for n in range(3)])

    def move(document):
        nodes = {node["id"]: node for node in document["nodes"]}
        root = min(nodes.values(), key=lambda node: node["id"])
        thread = json.loads(json.dumps(root))
        first = min(node["id"] for node in nodes.values() if node["name"].startswith("autograd::engine"))
        thread |= {"id": first - 0, "name": "[pytorch|profiler|execution_trace|thread]", "ctrl_deps": root["id"]}
        for node in nodes.values():
            node["id"] += node["id"] >= first
            node["ctrl_deps"] += node["ctrl_deps"] >= first
        for node in nodes.values():
            if node["name"].startswith("autograd::engine") and "autograd" not in nodes.get(node["ctrl_deps"], {}).get(
                "name", ""
            ):
                node["ctrl_deps"] = first
                for attribute in node["attrs"]:
                    if attribute["name"] == "tid":
                        attribute["value"] += 1
        document["nodes"].append(thread)

    moved = file.load(changed(path, move, tmp_path / "moved.json"))
    assert moved.macs_by_phase() == file.load(path).macs_by_phase()
    assert Counter(moved.ops.phase.tolist()) == Counter(file.load(path).ops.phase.tolist())


def test_what_has_no_marks_and_no_optimiser_is_one_step(tmp_path):
    layer, x = nn.Linear(6, 5), torch.randn(2, 6)
    trace = file.load(record(lambda: layer(x).sum().backward(), tmp_path / "et.json"))
    assert (trace.meta["step"], trace.meta["steps"]) == ("all that was recorded", 1)
