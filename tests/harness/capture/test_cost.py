"""What a capture costs beside a dispatch mode that does nothing, and what its file takes."""

import time

import pytest
import torch
import torchvision
from torch.utils._python_dispatch import TorchDispatchMode

from accel_model import Trace
from harness.capture import capture, capture_model, torch_private

MOST = 2.5  # times the empty mode


class Empty(TorchDispatchMode):
    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        return op(*args, **(kwargs or {}))


def cpu_seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def resnet50_step():
    model, x = torchvision.models.resnet50(), torch.zeros(64, 3, 224, 224)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step():
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()

    return step


def test_a_fake_capture_costs_little_more_than_an_empty_mode():
    with torch_private.fake_mode():
        with torch_private.initialisation_does_nothing():
            step = resnet50_step()
        step()
        empty, captured = [], []
        for _ in range(3):
            with Empty():
                empty.append(cpu_seconds(step))
            captured.append(cpu_seconds(lambda: capture(step, warmup=0)))
    assert min(captured) <= MOST * min(empty)


def test_a_file_of_a_trace_is_small(tmp_path):
    """At most 1 MB for 7,000 ops: 150 bytes an op."""
    trace = capture_model(resnet50_step, warmup=0)
    trace.save(tmp_path / "step.trace")
    assert (tmp_path / "step.trace").stat().st_size <= 150 * len(trace)
    assert len(Trace.load(tmp_path / "step.trace")) == len(trace)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_peak_memory_is_that_of_the_device():
    """Within 10 % of torch.cuda.max_memory_allocated, library workspaces excluded."""
    torch.backends.cudnn.benchmark = False
    model = torchvision.models.resnet50().cuda()
    x = torch.zeros(64, 3, 224, 224, device="cuda")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step():
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()

    step()
    torch.cuda.reset_peak_memory_stats()
    step()
    measured = torch.cuda.max_memory_allocated()
    real = capture(step, model, optimizer, warmup=0).live_bytes().max()
    fake = capture_model(resnet50_step).live_bytes().max()
    assert abs(real / measured - 1) <= 0.1
    assert abs(fake / measured - 1) <= 0.1
