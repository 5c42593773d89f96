"""No op that the tables call vector work multiplies matrices inside; torch's profiler is the witness."""

import re
import warnings
from functools import cache

import pytest
import torch

from harness.capture import capture, every_op
from harness.capture.formulas import distances, norm, vector
from harness.capture.formulas.parts import Call, info_of
from harness.capture.formulas.table import formula_of
from tests.helpers.op_samples import ops_named, samples
from tests.helpers.op_samples_by_hand import BY_HAND

PRODUCT = re.compile(
    r"aten::_?((add|badd|addb)?b?mm|addmm\w*|addmv|mv|v?dot|gemm|matmul|linear\w*|einsum|bilinear|trilinear|multi_dot|"
    r"\w*conv(olution|\dd|_transpose)\w*|\w*attention\w*|\w*rnn\w*|lstm|gru|grouped_mm|scaled_mm|"
    r"linalg_(?!vector_norm|cross|powsum|_powsum)\w*|triangular_solve|cholesky\w*)_?$"
)
DEVICES = {  # kernels that this build has for a GPU alone
    *("_fused_dropout", "_masked_scale", "_thnn_fused_gru_cell", "_thnn_fused_gru_cell_backward"),
    *("_thnn_fused_lstm_cell", "_thnn_fused_lstm_cell_backward_impl", "batch_norm_backward", "cudnn_batch_norm"),
    *("cudnn_batch_norm_backward", "miopen_batch_norm", "miopen_batch_norm_backward", "cudnn_grid_sampler"),
    *("cudnn_grid_sampler_backward", "_to_cpu", "_pin_memory", "pin_memory", "_fused_rms_norm_backward"),
}

WITHOUT_STORAGE = {  # ops on sparse and nested tensors
    torch.ops.aten._to_dense.default,
    torch.ops.aten._nested_from_padded.default,
    torch.ops.aten.mkldnn_max_pool2d.default,
}


def is_vector(op):
    """Whether an operator's formula is one of the vector tables'."""
    formula = formula_of(info_of(op))
    return formula is not None and formula.__module__ in (vector.__name__, norm.__name__)


def call(op, args, kwargs, seen):
    """Forward, and backward where there is one, every op that the tables call vector work under a label of its own.

    seen: a set, to which the operators that have one are added.
    """
    labelled = torch.profiler.record_function

    def run(inner, arguments, named):
        if not is_vector(inner):
            return inner(*arguments, **named)
        seen.add(inner)
        with labelled(f"vector {inner}"):
            return inner(*arguments, **named)

    with every_op(run):
        with labelled(f"vector {op}"):
            outputs = op(*args, **kwargs)
        backward(outputs)


def backward(outputs):
    """Run the backward pass of what an op returned, if it has one."""
    listed = outputs if isinstance(outputs, tuple | list) else (outputs,)
    grown = [out for out in listed if isinstance(out, torch.Tensor) and out.requires_grad and out.grad_fn]
    if grown:
        torch.autograd.backward([out.abs().sum() for out in grown])


def follow(value, grown):
    """The value with gradients wanted of its floating tensors, in copies."""
    if isinstance(value, list):
        return [follow(one, grown) for one in value]
    if not isinstance(value, torch.Tensor):
        return value
    value = value.clone()
    return value.requires_grad_() if grown and (value.is_floating_point() or value.is_complex()) else value


def tried(op, seen):
    """(args, kwargs, whether gradients are followed) with which an operator runs, or None.

    Backward ops run after their forward ones; only those that have none are called by themselves.
    """
    by_hand = BY_HAND.get(str(op), BY_HAND.get(info_of(op).base))
    if by_hand is None and "backward" in str(op):
        return None
    for args, kwargs in samples(op, by_hand):
        for grown in (True, False):
            given = follow(list(args), grown), {k: follow(v, grown) for k, v in kwargs.items()}
            try:
                call(op, *given, now := {op})
            except Exception:  # a sample of the wrong shape or type: the next one
                continue
            seen |= now
            return args, kwargs, grown
    return None


@cache
def under_the_law():
    """({operator: (args, kwargs, followed)} of those that run here, all operators of the tables that ran then)."""
    torch.manual_seed(0)
    seen = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {op: tried(op, seen) for op in ops_named(is_vector)}
    return {op: one for op, one in found.items() if one}, seen


def hidden_products(run):
    """{label: names of products} that the profiler saw inside of labelled calls."""
    with torch.autograd.profiler.profile() as profile:
        run()
    found = {}
    for event in profile.function_events:
        if not PRODUCT.match(event.name):
            continue
        above = event.cpu_parent
        while above is not None:
            if above.name.startswith("vector "):
                found.setdefault(above.name, set()).add(event.name)
            above = above.cpu_parent
    return found


def test_the_profiler_sees_the_products_of_a_composite_kernel():
    x = torch.rand(30, 4, requires_grad=True)
    theta, size = torch.rand(2, 2, 3), [2, 3, 4, 4]

    def run():
        with torch.profiler.record_function("vector distance"):
            torch.ops.aten._euclidean_dist(x, x)
        with torch.profiler.record_function("vector grid"):
            torch.ops.aten.affine_grid_generator(theta, size, False)

    assert hidden_products(run).keys() == {"vector distance", "vector grid"}


def test_no_op_that_the_tables_call_vector_work_multiplies_matrices_inside():
    ops, _ = under_the_law()

    def run():
        torch.manual_seed(0)
        for op, (args, kwargs, grown) in ops.items():
            call(op, follow(list(args), grown), {k: follow(v, grown) for k, v in kwargs.items()}, set())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert hidden_products(run) == {}


def test_every_op_of_the_tables_is_captured():
    """Its formula takes whatever overload and optional arguments there are, forward and backward."""
    ops, _ = under_the_law()
    trained = torch.zeros(1, requires_grad=True)

    def step():
        for op, (args, kwargs, grown) in ops.items():
            if op not in WITHOUT_STORAGE:
                backward(op(*follow(list(args), grown), **{k: follow(v, grown) for k, v in kwargs.items()}))
        trained.sum().backward()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace = capture(step, warmup=0)
    assert trace.uncounted == {}
    assert len(trace) > len(ops)


def test_the_law_covers_every_entry_of_the_tables():
    """Every name has at least one overload that ran, but for those whose kernels another device has."""
    _, seen = under_the_law()
    names = {*vector.FORMULAS, *norm.FORMULAS}
    covered = {info_of(op).base for op in seen}
    missing = sorted(names - covered - DEVICES)
    assert missing == []


@pytest.mark.parametrize("p, mode, rows, multiplied", [(2, None, 30, True), (2, 1, 5, True), (2, 2, 30, False)])
def test_distances_are_a_product_where_torch_makes_one(p, mode, rows, multiplied):
    x, y = torch.rand(3, rows, 4), torch.rand(3, 6, 4)

    def run():
        with torch.profiler.record_function("vector distance"):
            torch.ops.aten._cdist_forward(x, y, p, mode)

    assert bool(hidden_products(run)) is multiplied
    op = torch.ops.aten._cdist_forward.default
    made = Call(info_of(op), {"x1": x, "x2": y, "p": p, "compute_mode": mode}, [x, y], [], [], [torch.rand(3, rows, 6)])
    gemms = [part.gemm for part in distances.forward(made) if part.gemm[0]]
    assert gemms == ([(3, rows, 6, 6)] if multiplied else [])
