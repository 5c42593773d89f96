"""Complex numbers in real ones, and float64 as what it is, against counts by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from accel_model import Design, replay
from accel_model.errors import TraceError
from accel_model.types import DType, Kind, Phase
from harness.capture import capture, capture_model, defaults_restored
from harness.capture.formulas.numbers import OPERATIONS

C64, C128 = torch.complex64, torch.complex128


def trained(act, *sizes, dtype=C64):
    """A build of a step whose first tensor is a parameter and whose loss is the sum of |act|."""

    def build():
        first, *others = (torch.randn(size, dtype=dtype) for size in sizes)
        weight = nn.Parameter(first)
        return lambda: act(weight, *others).abs().sum().backward()

    return build


PRODUCTS = {  # what is done, the sizes, multiplications of two numbers in it
    "matmul": (lambda a, b: a @ b, ((3, 4), (4, 5)), 60),
    "batches": (torch.bmm, ((2, 3, 4), (2, 4, 5)), 120),
    "addmm": (lambda a, b, c: torch.addmm(c, a, b), ((3, 4), (4, 5), (3, 5)), 60),
    "vector": (torch.mv, ((3, 4), (4,)), 12),
    "inner": (torch.vdot, ((7,), (7,)), 7),
    "conjugated": (lambda a, b: a.conj() @ b.mH, ((3, 4), (5, 4)), 60),
    "linear": (lambda w, x, b: functional.linear(x, w, b), ((5, 4), (3, 4), (5,)), 60),
    "einsum": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), ((2, 3, 4), (2, 4, 5)), 120),
    "tensordot": (lambda a, b: torch.tensordot(a, b, 2), ((2, 3, 4), (3, 4, 5)), 120),
}


@pytest.mark.parametrize("fake", [False, True])
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_complex_product_is_four_real_ones(name, fake):
    act, sizes, pairs = PRODUCTS[name]
    build = trained(act, *sizes)
    trace = capture_model(build) if fake else capture(build())
    macs = trace.macs_by_phase()
    assert macs["forward"] == 4 * pairs
    assert macs["wgrad"] == (0 if name in ("vector", "inner") else 4 * pairs)  # torch's are outer products, by mul
    products = trace.ops.macs > 0
    assert set(trace.ops.dtype[products]) == {DType.FP32}
    assert trace.meta["precision"] == "fp32"


@pytest.mark.parametrize("axes", [1, 2])
def test_a_complex_convolution_is_the_three_real_ones_that_torch_makes_of_it(axes, rows):
    conv = (functional.conv1d, functional.conv2d)[axes - 1]
    act = lambda w, x: conv(x, w)  # noqa: E731
    trace = capture(trained(act, (5, 3, *(3,) * axes), (2, 3, *(9,) * axes))())
    real = capture(trained(act, (5, 3, *(3,) * axes), (2, 3, *(9,) * axes), dtype=torch.float32)())
    assert trace.macs_by_phase()["forward"] == 3 * real.macs_by_phase()["forward"]
    assert sum(row["name"] == "aten::convolution" for row in rows(trace)) == 3


def test_the_operands_of_a_complex_product_have_two_numbers_an_element(uses):
    trace = capture(trained(lambda weight, x: x @ weight, (4, 5), (3, 4))())
    assert uses(trace, 0) == {("A", "read"): 12 * 8, ("B", "read"): 20 * 8, ("C", "write"): 15 * 8}


def test_a_design_takes_at_least_four_times_as_long_for_a_complex_product():
    design = Design.grid(rows=32, cols=32, dram_bytes_per_s=1e15, vector_lanes=1024)
    act, sizes = (lambda a, b: a @ b), ((256, 256), (256, 256))
    real, two = (capture_model(trained(act, *sizes, dtype=d)) for d in (torch.float32, C64))
    cycles = [replay(t, design).compute_cycles[0][t.ops.macs > 0].sum() for t in (real, two)]
    assert cycles[1] >= 3.9 * cycles[0]


ELEMENTWISE = {  # operations of a real multiply-add machine per complex element
    "add": (lambda z, y: z + y, 2),
    "mul": (lambda z, y: z * y, 6),
    "div": (lambda z, y: z / y, 11),
    "abs": (lambda z, y: z.abs(), 4),
    "exp": (lambda z, y: z.exp(), 5),
    "sum": (lambda z, y: z.sum(), 2),
    "neg": (lambda z, y: -z, 2),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_complex_vector_work_counts_real_operations(name, rows):
    act, each = ELEMENTWISE[name]
    found = rows(capture(trained(act, (6, 7), (6, 7))()))
    row = next(row for row in found if row["name"].startswith(f"aten::{name}") and row["phase"] is Phase.FORWARD)
    assert row["vector_ops"] == each * 42 == OPERATIONS[name] * 42


def test_a_fourier_transform_counts_real_operations_already(rows):
    """5 N log2 N of a complex transform of N = 64 points, 8 of them."""
    found = rows(capture(trained(torch.fft.fft, (8, 64))()))
    assert [row["vector_ops"] for row in found if row["name"] == "aten::_fft_c2c"] == [5 * 8 * 64 * 6] * 2


def test_an_optimiser_updates_both_parts_of_a_complex_parameter():
    def update(dtype):
        weight = nn.Parameter(torch.randn(3, 4, dtype=dtype))
        optimizer = torch.optim.Adam([weight])

        def step():
            optimizer.zero_grad()
            weight.abs().sum().backward()
            optimizer.step()

        trace = capture(step)
        return trace.ops.vector_ops[trace.ops.kind == Kind.OPTIMIZER].tolist()

    assert update(C64) == [2 * n for n in update(torch.float32)]


@pytest.mark.parametrize("dtype", [torch.float64, C128])
def test_float64_is_float64_and_no_design_runs_it(dtype):
    trace = capture_model(trained(lambda a, b: a @ b, (3, 4), (4, 5), dtype=dtype))
    assert set(trace.ops.dtype[trace.ops.macs > 0]) == {DType.FP64}
    assert trace.meta["precision"] == "fp64"
    with pytest.raises(TraceError, match=r"MACs of the trace are fp64.*build the model in float32"):
        replay(trace, Design.grid())
    assert np.isfinite(replay(trace.at("fp32"), Design.grid()).step_s).all()


@pytest.mark.parametrize("make", [capture_model, lambda build: capture(build())])
def test_a_default_dtype_that_a_model_sets_is_seen_and_does_not_outlive_the_capture(make):
    def build():
        torch.set_default_dtype(torch.float64)
        model, x = nn.Linear(4, 5), torch.randn(3, 4)
        return lambda: model(x).sum().backward()

    before = torch.get_default_dtype()
    with defaults_restored():
        trace = make(build)
        assert trace.meta["precision"] == "fp64"
        if make is capture_model:
            assert torch.get_default_dtype() is before
    assert torch.get_default_dtype() is before


def test_a_default_device_does_not_outlive_a_capture():
    def build():
        torch.set_default_device("meta")
        raise ValueError("no")

    before = torch.get_default_device()
    with pytest.raises(Exception, match="no"):
        capture_model(build)
    assert torch.get_default_device() == before
