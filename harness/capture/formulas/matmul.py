"""Matrix products: C[M,N] = A[M,K] B[K,N], once or once per group."""

from collections.abc import Sequence

from accel_model.types import Kind, Operand
from harness.capture.formulas.parts import Call, Geometry, Part, Touch, area


def product(
    gemm: tuple[int, int, int, int],
    a: object,
    b: object,
    c: object,
    extra: Sequence[object] = (),
    kind: Kind = Kind.GEMM,
    geometry: Geometry | None = None,
    gradient_of: object = None,
) -> Part:
    """The row of the products C[M,N] = A[M,K] B[K,N], one in each group.

    gemm: (groups, m, n, k) in elements. a, b, c: tensors, or None where an operand never lies in memory. extra: what
    else is read, such as a bias. geometry, gradient_of: as in Part.
    """
    reads = tuple(Touch(t, o) for t, o in ((a, Operand.A), (b, Operand.B)) if t is not None)
    writes = tuple(Touch(t, Operand.C) for t in (c,) if t is not None)
    others = tuple(Touch(t) for t in extra)
    return Part(kind, reads + others, writes, gemm, geometry=geometry, gradient_of=gradient_of)


def _mm(a, b, call, extra=()):
    (m, k), n = a.shape, b.shape[1]
    return [product((1, m, n, k), a, b, call.written[0], extra)]


def _bmm(a, b, call, extra=()):
    groups, m, k = a.shape
    return [product((groups, m, b.shape[2], k), a, b, call.written[0], extra)]


def mm(call: Call) -> list[Part]:
    return _mm(call["self"], call["mat2"], call)


def addmm(call: Call) -> list[Part]:
    return _mm(call["mat1"], call["mat2"], call, _addend(call))


def bmm(call: Call) -> list[Part]:
    return _bmm(call["self"], call["mat2"], call)


def baddbmm(call: Call) -> list[Part]:
    return _bmm(call["batch1"], call["batch2"], call, _addend(call))


def addbmm(call: Call) -> list[Part]:
    groups, m, k = call["batch1"].shape
    n = call["batch2"].shape[2]
    return [product((1, m, n, k * groups), call["batch1"], call["batch2"], call.written[0], _addend(call))]


def mv(call: Call) -> list[Part]:
    m, k = call["self"].shape
    return [product((1, m, 1, k), call["self"], call["vec"], call.written[0])]


def addmv(call: Call) -> list[Part]:
    m, k = call["mat"].shape
    return [product((1, m, 1, k), call["mat"], call["vec"], call.written[0], _addend(call))]


def dot(call: Call) -> list[Part]:
    other = call["tensor"] if "tensor" in call.info.arguments else call["other"]
    return [product((1, 1, 1, call["self"].numel()), call["self"], other, call.written[0])]


def addr(call: Call) -> list[Part]:
    a, b = call["vec1"], call["vec2"]
    return [product((1, a.numel(), b.numel(), 1), a, b, call.written[0], _addend(call))]


def linear(call: Call) -> list[Part]:
    a, b = call["input"], call["weight"]
    n, k = b.shape if b.dim() == 2 else (1, b.shape[0])
    bias = () if call["bias"] is None else (call["bias"],)
    return [product((1, area(a.shape[:-1]), n, k), a, b, call.written[0], bias)]


def linear_backward(call: Call) -> list[Part]:
    """`self` is the input; masks say which of input, weight and bias get a gradient."""
    return linear_gradients(call, area(call["self"].shape[:-1]))


def linear_gradients(call: Call, rows: int) -> list[Part]:
    """The rows of a call of linear_backward whose input has `rows` vectors."""
    x, grad, weight = call["self"], call["grad_output"], call["weight"]
    n, k = weight.shape
    d_input, d_weight, d_bias = call.masked()
    parts = []
    if d_input is not None:
        parts.append(product((1, rows, k, n), grad, weight, d_input, gradient_of=x))
    if d_weight is not None:
        parts.append(product((1, k, n, rows), x, grad, d_weight, gradient_of=weight))
    if d_bias is not None:
        parts.append(bias_gradient(grad, d_bias, weight))
    return parts


def bias_gradient(grad: object, d_bias: object, weight: object) -> Part:
    """The sum of the output's gradient over everything but channels; it is a parameter's where `weight` is one."""
    return Part(Kind.REDUCE, (Touch(grad),), (Touch(d_bias),), vector_ops=grad.numel(), gradient_of=weight)


def trilinear(call: Call) -> list[Part]:
    """sum over `sumdim` of i1 * i2 * i3, each missing the axes of its `expand` (torch's Bilinear and its gradients).

    As torch does it: i1 with i2 over the summed axes that i3 lacks, then with i3 over the others.
    """
    rank = call["i1"].dim() + len(call["expand1"])
    have = [set(range(rank)) - set(call[name]) for name in ("expand1", "expand2", "expand3")]
    size = {}
    for tensor, axes in zip((call["i1"], call["i2"], call["i3"]), have, strict=True):
        size |= zip(sorted(axes), tensor.shape, strict=True)
    first = set(call["sumdim"]) - have[2]
    left = (have[0] | have[1]) - first
    both = _pair(size, have[0], have[1], first)
    last = _pair(size, left, have[2], set(call["sumdim"]) - first)
    return [
        product(both, call["i1"], call["i2"], None),
        product(last, None, call["i3"], call.written[0]),
    ]


def _pair(size, left, right, summed):
    """(groups, m, n, k) of a product of two operands that have the axes `left` and `right`."""
    kept = (left | right) - summed
    parts = (kept & left & right, kept - right, kept - left, summed)
    return tuple(area(size[axis] for axis in axes) for axes in parts)


def grouped_mm(call: Call) -> list[Part]:
    """Products of ragged groups that share one of the three sizes; only the sum of the ragged one counts."""
    a, b = call["self"], call["mat2"]
    groups = a.shape[0] if a.dim() == b.dim() == 3 else 1
    extra = [call[name] for name in ("offs", "bias") if call[name] is not None]
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    return [product((groups, m, n, k), a, b, call.written[0], extra)]


def scaled_mm(call: Call) -> list[Part]:
    (m, k), n = call["self"].shape, call["mat2"].shape[1]
    scales = [call.arguments.get(name) for name in ("scale_a", "scale_b", "bias")]
    return [product((1, m, n, k), call["self"], call["mat2"], call.written[0], [s for s in scales if s is not None])]


def _addend(call):
    return () if call["beta"] == 0 else (call["self"],)


FORMULAS = {
    "mm": mm,
    "_int_mm": mm,
    "addmm": addmm,
    "_addmm_activation": addmm,
    "bmm": bmm,
    "baddbmm": baddbmm,
    "addbmm": addbmm,
    "mv": mv,
    "addmv": addmv,
    "dot": dot,
    "vdot": dot,
    "addr": addr,
    "linear": linear,
    "mkldnn_linear": linear,
    "linear_backward": linear_backward,
    "_trilinear": trilinear,
    "_grouped_mm": grouped_mm,
    "_scaled_mm": scaled_mm,
}
