"""The model is looked at after the warm-up: what its first step made, rebound or filled has its role."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from accel_model.types import Role
from harness.capture import capture, capture_model

EITHER = pytest.mark.parametrize("make", [capture_model, lambda build: capture(build())], ids=["fake", "real"])


def bytes_of(trace, role):
    return int(trace.tensors.bytes[trace.tensors.role == role].sum())


def step_with(model, x, late=False):
    """A step that trains `model`; late: whose optimiser is made in its first call, when all parameters are there."""
    made = [] if late else [torch.optim.SGD(model.parameters(), lr=0.1)]

    def step():
        if made:
            made[0].zero_grad()
        model(x).mean().backward()
        if not made:
            made.append(torch.optim.SGD(model.parameters(), lr=0.1))
        made[0].step()

    step.model, step.inputs = model, x
    return step


class Rebinds(nn.Module):
    """Subtracts a moving average of its weight, or of its data, that every step binds anew."""

    def __init__(self, of_data):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(16, 8))
        self.register_buffer("mean", torch.zeros(16) if of_data else torch.zeros(16, 8))
        self.of_data = of_data

    def forward(self, x):
        with torch.no_grad():
            self.mean = 0.9 * self.mean + 0.1 * (x.mean(0) if self.of_data else self.weight)
        return (x - self.mean) @ self.weight if self.of_data else x @ (self.weight - self.mean)


@EITHER
@pytest.mark.parametrize("of_data", [False, True])
def test_a_rebound_buffer_is_a_buffer(make, of_data):
    trace = make(lambda: step_with(nn.Sequential(nn.Linear(20, 16), Rebinds(of_data)), torch.randn(4, 20)))
    macs = trace.macs_by_phase()
    assert (macs["wgrad"], macs["dgrad"]) == (4 * 20 * 16 + 4 * 16 * 8, 4 * 16 * 8)
    assert bytes_of(trace, Role.INPUT) == 4 * 20 * 4
    size = 4 * (16 if of_data else 16 * 8)
    assert bytes_of(trace, Role.BUFFER) == 2 * size  # what the step before left, and what this one leaves


class Grows(nn.Module):
    """Makes its layer, its buffer and a tied weight when it first sees data."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 6)

    def forward(self, x):
        if not hasattr(self, "second"):
            self.second = nn.Linear(6, 3)
            self.register_buffer("scale", torch.ones(3))
            self.first.weight = nn.Parameter(torch.eye(6))
            self.third = nn.Linear(6, 6)
            self.third.weight = self.first.weight
        return self.second(self.third(self.first(x))) * self.scale


@EITHER
def test_parameters_that_the_first_step_makes_are_parameters(make):
    trace = make(lambda: step_with(Grows(), torch.randn(4, 6), late=True))
    assert bytes_of(trace, Role.PARAMETER) == 4 * (36 + 6 + 6 + 18 + 3)
    assert bytes_of(trace, Role.BUFFER) == 4 * 3
    assert bytes_of(trace, Role.INPUT) == 4 * 24
    assert trace.macs_by_phase()["wgrad"] == 4 * (36 + 36 + 18)
    assert {"first", "second", "third"} <= set(trace.layers)


LAZY = {
    "linear": (lambda: nn.Sequential(nn.LazyLinear(8), nn.LazyLinear(2)), (3, 4), 3 * 4 * 8 + 3 * 8 * 2),
    "convolution": (lambda: nn.Sequential(nn.LazyConv2d(5, 3), nn.LazyBatchNorm2d()), (2, 3, 6, 6), 2 * 16 * 5 * 27),
}


@EITHER
@pytest.mark.parametrize("kind", LAZY)
def test_lazy_modules_are_what_they_become(make, kind):
    model, size, macs = LAZY[kind]
    trace = make(lambda: step_with(model(), torch.randn(size), late=True))
    assert trace.macs_by_phase()["forward"] == trace.macs_by_phase()["wgrad"] == macs
    assert trace.meta["parameters"] == bytes_of(trace, Role.PARAMETER) // 4 > 0


def test_a_lazy_module_without_warmup_is_captured():
    trace = capture(step_with(nn.LazyLinear(8), torch.randn(3, 4), late=True), warmup=0)
    assert trace.macs_by_phase()["forward"] == 3 * 4 * 8


def test_a_lazy_module_that_the_step_never_calls_has_no_size():
    model = nn.ModuleList([nn.Linear(4, 2), nn.LazyLinear(3)])
    trace = capture(lambda: model[0](torch.ones(3, 4)).sum().backward(), model)
    assert trace.meta["parameters"] == 10


@EITHER
def test_observers_of_quantisation_aware_training_are_buffers(make):
    quantization = pytest.importorskip("torch.ao.quantization")

    def build():
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
        model.qconfig = quantization.get_default_qat_qconfig("x86")
        quantization.prepare_qat(model.train(), inplace=True)
        return step_with(model, torch.randn(2, 3, 10, 10))

    trace = make(build)
    macs = trace.macs_by_phase()
    assert (macs["dgrad"], macs["wgrad"]) == (2 * 512 * 10, 2 * 64 * 8 * 27 + 2 * 512 * 10)
    assert bytes_of(trace, Role.INPUT) == 4 * 2 * 300


@EITHER
def test_parametrised_weights_are_their_originals(make):
    def build():
        model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 5)), nn.Linear(5, 2))
        return step_with(model, torch.randn(3, 6))

    macs = make(build).macs_by_phase()
    assert (macs["wgrad"], macs["dgrad"]) == (3 * 30 + 3 * 10, 3 * 10)


def test_data_that_a_module_binds_is_no_buffer_of_it():
    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x):
            self.last = functional.relu(x)
            return self.layer(self.last)

    trace = capture(step_with(Remembers(), torch.randn(3, 4)))
    assert bytes_of(trace, Role.BUFFER) == 0
