"""Complex numbers in real ones: two numbers each, four real multiply-accumulates a product.

torch multiplies complex matrices by routines of four real products (cgemm, zgemm); the three products of Gauss stand in
its complex convolutions alone, which it runs as three real ones.
"""

from collections.abc import Sequence
from dataclasses import replace

from accel_model.types import DType, Kind
from harness.capture.formulas.parts import Call, OpInfo, Part
from harness.capture.formulas.vector_tables import ELEMENTWISE, FFT, REDUCE

REAL_OF = {DType.COMPLEX32: DType.FP16, DType.COMPLEX64: DType.FP32, DType.COMPLEX128: DType.FP64}
"""The format that the parts of a complex number have."""

BY_GAUSS = {f"conv{kind}{axes}d" for kind in ("", "_transpose") for axes in (1, 2, 3)}
"""Ops that torch makes three real products of; they arrive whole where nothing decomposes them."""

OPERATIONS = {  # real operations per complex element; of a reduction, per element read
    **dict.fromkeys(("add", "sub", "rsub", "neg", "sum", "mean", "cumsum", "trace", "nansum", "index_add"), 2),
    **dict.fromkeys(("scatter_add", "where", "masked_fill", "normal", "randn", "rand", "uniform", "angle"), 2),
    **dict.fromkeys(("eq", "ne", "isfinite", "isinf", "isnan"), 3),  # of both parts, and one of the two results
    **dict.fromkeys(("mul", "square", "prod", "cumprod"), 6),  # four products, two sums
    "div": 11,  # a product with the conjugate (6), its square (3), two quotients
    "reciprocal": 6,  # the square (3), two quotients, a sign
    **dict.fromkeys(("abs", "linalg_vector_norm", "norm"), 4),  # two squares, a sum, a root (of a norm: the sum's)
    "sgn": 6,  # abs (4), two quotients
    "exp": 5,  # an exponential, a cosine, a sine, two products
    "log": 6,  # abs (4), a logarithm, an arc tangent
    "pow": 17,  # exp(y log x): 6 + 6 + 5
    **dict.fromkeys(("sin", "cos", "sinh", "cosh"), 6),  # four functions, two products
    **dict.fromkeys(("tan", "tanh"), 23),  # sine, cosine, quotient
    "sqrt": 8,  # abs (4), two sums, two roots
    "rsqrt": 14,
    "sigmoid": 14,  # a sign (2), exp (5), a sum (1), a reciprocal (6)
    "silu": 20,
    **dict.fromkeys(("sigmoid_backward", "tanh_backward"), 14),  # two products, a difference
    "addcmul": 10,  # a product (6), a real factor (2), a sum (2)
    "addcdiv": 15,
    "lerp": 10,  # a difference (2), a product (6), a sum (2)
    **dict.fromkeys(("var", "std", "var_mean", "std_mean"), 6),
    "polar": 4,  # a cosine, a sine, two products
    "complex": 0,  # two numbers side by side
}
UNLISTED = {Kind.ELEMENTWISE: 6, Kind.REDUCE: 2, Kind.POOL: 2}
"""Times the real operations for an op that OPERATIONS lacks: those of a product, or of a sum."""


def in_reals(parts: Sequence[Part], call: Call) -> list[Part]:
    """The rows of a call, those of complex numbers counted in real products and operations."""
    if not any(_is_complex(t) for t in (*call.inputs, *call.written)):
        return list(parts)
    return [_in_reals(part, call.info) for part in parts]


def reals(tensor: object) -> int:
    """Real numbers that a tensor shows."""
    return tensor.numel() * (2 if _is_complex(tensor) else 1)


def _in_reals(part: Part, info: OpInfo) -> Part:
    if not any(_is_complex(touch.tensor) for touch in (*part.reads, *part.writes)):
        return part
    if not part.gemm[0]:
        return replace(part, vector_ops=_operations(part, info))
    groups, m, n, k = part.gemm
    if info.base in BY_GAUSS:
        return replace(part, gemm=(3 * groups, m, n, k), geometry=_scaled(part.geometry, 3))
    # [Re C, Im C] = [Re A, Im A] [[Re B, Im B], [-Im B, Re B]]: one real product of twice the width and depth
    return replace(part, gemm=(groups, m, 2 * n, 2 * k), geometry=_scaled(part.geometry, 2))


def _scaled(geometry, factor):
    if geometry is None:
        return None
    channels = {name: factor * getattr(geometry, name) for name in ("in_channels", "out_channels")}
    return replace(geometry, **channels)


def _operations(part, info):
    """Real operations of a row without products; a Fourier transform's are counted so already."""
    if info.base in FFT:
        return part.vector_ops
    each = (REDUCE if part.kind is Kind.REDUCE else ELEMENTWISE).get(info.base, 1)
    if info.base in OPERATIONS:
        return part.vector_ops // each * OPERATIONS[info.base]
    return part.vector_ops * UNLISTED.get(part.kind, 1)


def _is_complex(tensor):
    return tensor.dtype.is_complex
