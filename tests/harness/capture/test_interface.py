"""The public interface: cheap to import, takes what a step carries, adds metadata."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from accel_model.types import Phase, Role
from harness.capture import capture, capture_model
from harness.settings.errors import CaptureError


def test_importing_the_package_loads_no_torch():
    code = "import sys; from harness.capture import capture, capture_model; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


class Step:
    """A step with the attributes that the capture looks for."""

    def __init__(self):
        self.model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.inputs = {"x": [torch.zeros(5, 4)], "note": "a nest"}

    def __call__(self):
        self.optimizer.zero_grad()
        self.model(self.inputs["x"][0]).sum().backward()
        self.optimizer.step()


def test_a_step_brings_its_model_optimiser_and_inputs():
    trace = capture(Step(), meta={"workload": "mine"})
    assert (trace.tensors.role == Role.INPUT).sum() == 1
    known = {"source": "capture", "workload": "mine", "model": "Sequential", "batch": 5, "parameters": 15}
    assert known.items() <= trace.meta.items()
    assert trace.meta["optimizers"] == [{"class": "Adam", "implementation": []}]
    assert json.loads(json.dumps(trace.meta)) == trace.meta


def test_fake_and_real_differ_in_metadata_alone(assert_same):
    real, fake = capture(Step()), capture_model(Step)
    assert_same(real, fake)
    assert (real.meta["fake"], fake.meta["fake"]) == (False, True)


def test_state_that_the_first_step_makes_is_there_before_the_captured_one():
    trace = capture(Step(), warmup=1)
    state = trace.tensors.role == Role.OPTIMIZER_STATE
    assert (trace.tensors.born[state] == 0).all()
    again = capture(Step(), warmup=3)
    assert np.array_equal(again.ops.name, trace.ops.name)


def test_metadata_that_is_no_dict_is_refused():
    with pytest.raises(CaptureError, match="meta is a list"):
        capture(Step(), meta=["workload"])


def test_sparse_gradients_are_traced_as_executed():
    embedding, tokens = nn.Embedding(100, 4, sparse=True), torch.arange(3)
    optimizer = torch.optim.SparseAdam(embedding.parameters())

    def step():
        optimizer.zero_grad()
        embedding(tokens).sum().backward()
        optimizer.step()

    trace = capture(step, embedding)
    updates = trace.ops.phase == Phase.UPDATE
    assert updates.sum() > 3
