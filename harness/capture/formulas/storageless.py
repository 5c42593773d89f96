"""Ops on tensors without storage of their own: sparse ones by what they store, nested ones by their pieces.

A sparse product does one multiply-accumulate for each stored element and column of the dense operand; a block that is
stored is dense.
"""

from collections import Counter
from collections.abc import Sequence

import torch

from accel_model.types import Kind, Operand
from harness.capture import torch_private
from harness.capture.formulas import norm
from harness.capture.formulas.matmul import linear_gradients, product
from harness.capture.formulas.parts import Call, Part, Touch, area
from harness.capture.formulas.table import formula_of
from harness.capture.formulas.vector import whole
from harness.capture.formulas.vector_tables import COPIES, ELEMENTWISE, REDUCE, WHOLE_GATHERS
from harness.settings.errors import CaptureError


def _names(text):
    return set(text.split())


NONE = (0, 0, 0, 0)
OPERANDS = {  # the arguments that an op multiplies
    "mm": ("self", "mat2"),
    "bmm": ("self", "mat2"),
    "addmm": ("mat1", "mat2"),
    "_sparse_mm": ("sparse", "dense"),
    "_sparse_addmm": ("mat1", "mat2"),
    "_sparse_sparse_matmul": ("self", "other"),
    "_sparse_mm_reduce_impl": ("self", "other"),
    "hspmm": ("mat1", "mat2"),
    "sspaddmm": ("mat1", "mat2"),
    "mv": ("self", "vec"),
    "addmv": ("mat", "vec"),
    "baddbmm": ("batch1", "batch2"),
    "matmul": ("self", "other"),
}
ADDENDS = ("addmm", "_sparse_addmm", "sspaddmm", "addmv", "baddbmm")  # what also adds `self`
SAMPLED = ("sparse_sampled_addmm", "sampled_addmm")
MOVES = _names(
    "_coalesce _sparse_sum_backward _to_sparse _to_sparse_bsc _to_sparse_bsr _to_sparse_csc _to_sparse_csr "
    "_to_sparse_semi_structured coalesce _nested_from_padded _nested_from_padded_and_nested_example "
    "_nested_select_backward _nested_tensor_from_mask nested_to_padded_tensor _nested_tensor_from_tensor_list "
    "copy_sparse_to_sparse expand index_select narrow permute reshape _sparse_mask_projection select slice "
    "sparse_mask squeeze t transpose unsqueeze to_padded_tensor _transpose_copy values indices view "
    "_values_copy _indices_copy values_copy indices_copy crow_indices_copy col_indices_copy"
)
SUMS = {"_sparse_sum": 1, "_nested_sum_backward": 1, "_sparse_softmax": 5, "_sparse_log_softmax": 5} | {
    "_sparse_softmax_backward_data": 4,
    "_sparse_log_softmax_backward_data": 4,
}
MARKS = _names(
    "_coalesced sparse_resize sparse_resize_and_clear _sparse_coo_tensor_with_dims detach alias _nested_tensor_size "
    "_nested_tensor_strides _nested_tensor_storage_offsets"
)
"""Ops that change or tell what a tensor says of itself, or make an empty one."""
UNREADABLE = (RuntimeError, TypeError, AttributeError, ValueError, LookupError)
"""What such tensors raise where they are asked for a shape or for values that they do not have."""


def parts_of(call: Call) -> list[Part] | None:
    """The rows of a call on tensors without storage of their own, or None where no formula knows them."""
    if torch_private.fake_mode_is_active() and any(_is_sparse(t) and not _stored(t) for t in call.special):
        raise CaptureError(
            f"{call.info.name} is given a sparse tensor, and how many elements it stores depends on values, which fake "
            "tensors do not have: capture it with real tensors, harness.capture.capture"
        )
    if "::" in call.info.base:  # an op of one's own
        formula = formula_of(call.info)
        return None if formula is None else formula(call)
    if call.info.base in MARKS:
        return []
    if any(not torch_private.components(t) for t in call.special):
        return None  # opaque: what it touches cannot be told
    try:
        return _parts(call)
    except UNREADABLE:
        return None


def _parts(call):
    base, nested = call.info.base, any(t.is_nested for t in call.special)
    if base in SAMPLED:
        return _sampled(call)
    if base == "_sparse_mm_reduce_impl_backward":
        return _reduced_backward(call)
    if nested and base in NESTED:
        return NESTED[base](call)
    if base in OPERANDS:
        return _sparse_product(call)
    if nested and base in norm.FORMULAS:
        return norm.FORMULAS[base](call)
    if base in ("add", "sub") and call.changed and not any(call["self"] is t for t in call.special):
        return _added_in_place(call)
    if base in COPIES or base in MOVES:
        return whole(call, Kind.COPY)
    if base in WHOLE_GATHERS:
        return whole(call, Kind.GATHER, max(map(_stored, _tensors(call))))
    if base in SUMS or base in REDUCE:
        return whole(call, Kind.REDUCE, (SUMS | REDUCE).get(base, 1) * max(map(_stored, _tensors(call))))
    if call.info.pointwise or base in ELEMENTWISE:
        outs = [t for t in call.outputs if t is not None]
        return whole(call, Kind.ELEMENTWISE, ELEMENTWISE.get(base, 1) * max(map(_stored, outs)))
    return None


def _sparse_product(call):
    a, b = (call[name] for name in OPERANDS[call.info.base])
    gemm = _sparse_gemm(a, b)
    adds = call.info.base in ADDENDS and call["beta"] != 0
    return [product(gemm, a, b, call.outputs[0], (call["self"],) if adds else ())]


def _sparse_gemm(a, b):
    """(groups, m, n, k) of a product whose stored elements alone count."""
    if not _is_sparse(b):
        stored, (rows, cols) = _blocks(a)
        gemm = (1, stored, _columns(b), 1) if rows * cols == 1 else (stored, rows, _columns(b), cols)
    elif not _is_sparse(a):
        stored, (rows, cols) = _blocks(b)
        gemm = (1, a.shape[-2], stored, 1) if rows * cols == 1 else (stored, a.shape[-2], cols, rows)
    else:  # each element of column i of A meets each one of row i of B
        met = int((_per_line(a, 1).double() * _per_line(b, 0).double()).sum())
        gemm = (1, met, 1, 1)
    return gemm if all(gemm) else NONE


def _columns(b):
    return b.shape[-1] if b.dim() > 1 else 1


def _blocks(tensor):
    """(blocks that are stored, (rows, columns) of each)."""
    values = torch_private.components(tensor)[-1]
    if tensor.layout in (torch.sparse_bsr, torch.sparse_bsc):
        return area(values.shape[:-2]), tuple(values.shape[-2:])
    return values.numel(), (1, 1)


def _per_line(tensor, axis):
    """Stored elements in each row (axis 0) or column (axis 1) of a sparse matrix."""
    first, *middle, _ = torch_private.components(tensor)
    if tensor.layout is torch.sparse_coo:
        return torch.bincount(first[axis], minlength=tensor.shape[axis])
    rows_first = tensor.layout is torch.sparse_csr
    if tensor.layout not in (torch.sparse_csr, torch.sparse_csc):
        raise ValueError("blocks meet in ways that are not counted")
    return first.diff() if rows_first == (axis == 0) else torch.bincount(middle[0], minlength=tensor.shape[axis])


def _sampled(call):
    """Inner products at the stored places of `self` alone."""
    stored, depth = _stored(call["self"]), call["mat1"].shape[-1]
    gemm = (1, stored, 1, depth) if stored and depth else NONE
    return [product(gemm, call["mat1"], call["mat2"], call.outputs[0], (call["self"],))]


def _reduced_backward(call):
    """Of a product whose rows are reduced: inner products at the stored places, and the transposed product."""
    sparse, grad, dense = call["self"], call["grad_out"], call["weight"]
    stored, columns = _stored(sparse), grad.shape[-1]
    d_sparse, d_dense = call.masked()
    parts = []
    if d_sparse is not None:
        parts.append(product((1, stored, 1, columns), grad, dense, d_sparse, (sparse,), gradient_of=sparse))
    if d_dense is not None:
        parts.append(product((1, stored, columns, 1), sparse, grad, d_dense, gradient_of=dense))
    return parts


def _added_in_place(call):
    """What is added to a dense tensor changes the elements that are stored."""
    stored = _stored(call["other"])
    touched = Touch(call["self"], elements=stored)
    return [Part(Kind.GATHER, (touched, Touch(call["other"])), (touched,), vector_ops=stored)]


def _nested_linear(call):
    x, weight, bias = call["input"], call["weight"], call["bias"]
    n, k = weight.shape
    return [product((1, x.numel() // k, n, k), x, weight, call.outputs[0], () if bias is None else (bias,))]


def _nested_linear_backward(call):
    return linear_gradients(call, call["self"].numel() // call["weight"].shape[1])


def _nested_matmul(call):
    a, b = (call[name] for name in OPERANDS[call.info.base])
    return _piecewise(a, b, call.outputs[0], (False, False))


def _nested_matmul_backward(call):
    grad, a, b = call["grad"], call["self"], call["other"]
    d_a, d_b = ([*call.outputs, None, None])[:2]
    wanted = call["mask"]
    parts = _piecewise(grad, b, d_a, (False, True), a) if wanted[0] and d_a is not None else []
    return parts + (_piecewise(a, grad, d_b, (True, False), b) if wanted[1] and d_b is not None else [])


def _piecewise(a, b, c, turned, gradient_of=None):
    """Rows of a product of nested tensors, one for each shape among the pieces; turned: which operand is transposed."""
    count = max(a.size(0), b.size(0))
    found = Counter()
    for left, right in zip(_sizes(a, count), _sizes(b, count), strict=True):
        (*heads, m, k), n = (_swapped(left) if turned[0] else left), (right[-2] if turned[1] else right[-1])
        found[m, n, k] += area(heads)
    parts = []
    for (m, n, k), groups in found.items():
        touches = (Touch(a, Operand.A, groups * m * k), Touch(b, Operand.B, groups * k * n))
        out = Touch(c, Operand.C, groups * m * n)
        parts.append(Part(Kind.GEMM, touches, (out,), (groups, m, n, k), gradient_of=gradient_of))
    return parts


def _sizes(tensor, count):
    """The shape of each piece."""
    return torch_private.nested_sizes(tensor) if tensor.is_nested else [list(tensor.shape[1:])] * count


def _swapped(size: Sequence[int]) -> list[int]:
    return [*size[:-2], size[-1], size[-2]]


def _stored(tensor):
    """Elements that a tensor keeps."""
    held = torch_private.components(tensor)
    return held[-1].numel() if held else 0


def _is_sparse(tensor):
    return tensor.layout is not torch.strided


def _tensors(call):
    return [t for t in call.arguments.values() if isinstance(t, torch.Tensor)]


NESTED = {
    "linear": _nested_linear,
    "linear_backward": _nested_linear_backward,
    "bmm": _nested_matmul,
    "matmul": _nested_matmul,
    "matmul_backward": _nested_matmul_backward,
}
