"""Labels find their ops in torch's profiler: on this CPU for real, and on a GPU's time line made by hand."""

import ast
from enum import Enum
from functools import reduce
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness.training.profiler import LABEL, label, labelled_seconds, profiled
from tests.helpers.program import ROOT

CPU, CUDA = (int(getattr(torch.autograd.DeviceType, name)) for name in ("CPU", "CUDA"))


class Numbered(TorchDispatchMode):
    """Runs every op under a label of its own and keeps the ops' names."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        self.names.append(op.name())
        with label(len(self.names) - 1):
            return op(*args, **(kwargs or {}))


def seen(run):
    """({op's name: seconds}, seconds without a label) of what `run()` does on the CPU."""
    with profiled("cpu") as events, Numbered() as ops:
        run()
    found, spare_s = labelled_seconds(events, on_cpu=True)
    sums = dict.fromkeys(ops.names, 0.0)
    for number, seconds in found.items():
        sums[ops.names[number]] += seconds
    return sums, spare_s


def test_the_time_of_ops_is_found_under_their_labels_in_forward_and_backward():
    a, b = torch.randn(1500, 1500, requires_grad=True), torch.randn(1500, 1500)
    found, spare_s = seen(lambda: (a @ b).relu().sum().backward())
    assert found["aten::mm"] > 0.5 * sum(found.values())  # two products of 3.4 GMAC beside passes over 2.25 M numbers
    assert found["aten::relu"] > 0 and found["aten::threshold_backward"] > 0
    assert spare_s < 0.01 * sum(found.values())


def test_ops_without_a_label_are_counted_apart():
    a = torch.randn(800, 800)
    with profiled("cpu") as events:
        with label(7):
            a @ a
        for _ in range(3):
            a @ a
    found, spare_s = labelled_seconds(events, on_cpu=True)
    assert list(found) == [7] and spare_s > found[7] > 0


def test_a_device_that_the_profiler_does_not_know_gives_no_events():
    with profiled("meta") as events:
        torch.ones(3)
    assert events == [] and labelled_seconds(events, on_cpu=False) == ({}, 0)


def event(name, parent=None, kernels=(), device=CPU, micros=0.0, annotation=False):
    """What FunctionEvent tells, as far as it is read here."""
    return SimpleNamespace(
        name=name,
        cpu_parent=parent,
        kernels=[SimpleNamespace(name=kernel, duration=duration) for kernel, duration in kernels],
        device_type=torch.autograd.DeviceType(device),  # an object of its own, as each event of the profiler has
        time_range=SimpleNamespace(elapsed_us=lambda: micros),
        is_user_annotation=annotation,
    )


def test_device_types_are_equal_without_being_the_same():
    assert event("op").device_type == torch.autograd.DeviceType.CPU
    assert event("op").device_type is not torch.autograd.DeviceType.CPU


SINGLETONS = (torch.dtype, torch.layout, torch.memory_format, Enum, type(None), type)


def compared_by_identity():
    """(file, expression, object) of every attribute of torch that the program compares by `is` or `is not`."""
    for package in ("accel_model", "baselines", "harness"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            names = {"torch": torch}
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
                    module = import_module(node.module)
                    names |= {one.asname or one.name: getattr(module, one.name, None) for one in node.names}
            for node in ast.walk(tree):
                sides = (node.left, *node.comparators) if isinstance(node, ast.Compare) else ()
                with_constant = any(isinstance(side, ast.Constant) for side in sides)  # None above all
                if sides and not with_constant and {type(op) for op in node.ops} & {ast.Is, ast.IsNot}:
                    for side in sides:
                        text = ast.unparse(side)
                        parts = text.split(".")
                        if parts[0] in names and all(part.isidentifier() for part in parts):
                            yield f"{path}: {ast.unparse(node)}", reduce(getattr, parts[1:], names[parts[0]])


def test_nothing_of_torch_is_compared_by_identity_but_what_there_is_one_of():
    found = list(compared_by_identity())
    assert any(isinstance(one, torch.dtype) for _, one in found)  # or nothing would be looked at
    assert [text for text, one in found if not isinstance(one, SINGLETONS)] == []


def test_kernels_count_for_the_label_around_the_op_that_launched_them():
    first = event(f"{LABEL}0", annotation=True)
    op = event("aten::conv2d", parent=first)
    inner = event("aten::cudnn_convolution", parent=op, kernels=[("implicit_gemm", 30.0), (f"{LABEL}0", 55.0)])
    second = event(f"{LABEL}1", annotation=True)
    copy = event("aten::copy_", parent=second, kernels=[("Memcpy HtoD", 5.0)])
    stray = event("aten::fill_", kernels=[("fill", 1.0)])
    device = [
        event(f"{LABEL}0", device=CUDA, micros=55.0, annotation=True),  # the label again, on the GPU's time line
        event("Optimizer.step#SGD.step", device=CUDA, micros=500.0, annotation=True),
        event("implicit_gemm", device=CUDA, micros=30.0),
        event("Memcpy HtoD", device=CUDA, micros=5.0),
        event("fill", device=CUDA, micros=1.0),
        event("unlinked", device=CUDA, micros=4.0),
    ]
    found, spare_s = labelled_seconds([first, op, inner, second, copy, stray, *device], on_cpu=False)
    assert found == pytest.approx({0: 30e-6, 1: 5e-6})
    assert spare_s == pytest.approx(5e-6)  # of the fill outside labels and of the kernel that nothing launched


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_gpu_kernels_are_found_under_the_labels_of_their_ops():
    a, b = torch.randn(4096, 4096, device="cuda", requires_grad=True), torch.randn(4096, 4096, device="cuda")
    (a @ b).relu().sum().backward()
    torch.cuda.synchronize()
    with profiled("cuda") as events, Numbered() as ops:
        (a @ b).relu().sum().backward()
    found, spare_s = labelled_seconds(events, on_cpu=False)
    products = sum(seconds for number, seconds in found.items() if ops.names[number] == "aten::mm")
    assert products > 0.5 * sum(found.values()) and spare_s < 0.05 * sum(found.values())
