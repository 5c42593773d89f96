"""Convolutions of one to three axes: grouped, depthwise, dilated, strided, transposed; forward and backward."""

from collections.abc import Sequence

from accel_model.types import Kind
from harness.capture.formulas.matmul import bias_gradient, product
from harness.capture.formulas.parts import Call, Geometry, Part, area


def geometry_of(
    x: object,
    weight: object,
    out_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    groups: int,
) -> Geometry:
    """The Geometry of a convolution of the tensor x (batch, channels, ...) with the tensor `weight`.

    A transposed convolution's weight is (in_channels, out_channels / groups, ...), a plain one's
    (out_channels, in_channels / groups, ...).
    """
    axes = x.dim() - 2
    out_channels = weight.shape[1] * groups if transposed else weight.shape[0]
    return Geometry(
        batch=x.shape[0],
        in_channels=x.shape[1],
        out_channels=out_channels,
        input_size=tuple(x.shape[2:]),
        filter_size=tuple(weight.shape[2:]),
        output_size=tuple(out_size),
        stride=_per_axis(stride, axes),
        padding=_per_axis(padding, axes),
        dilation=_per_axis(dilation, axes),
        transposed=bool(transposed),
    )


def gemms(g: Geometry, groups: int) -> tuple[tuple[int, int, int, int], ...]:
    """(forward, dgrad, wgrad) as (groups, m, n, k).

    A plain convolution gathers: M = batch x output pixels, N = output channels, K = input channels x filter area. A
    transposed one scatters, which is a plain one's dgrad: M = batch x input pixels, N = output channels x filter area.
    """
    inputs, outputs, taps = g.in_channels // groups, g.out_channels // groups, area(g.filter_size)
    if g.transposed:
        pixels = g.batch * area(g.input_size)
        forward = (groups, pixels, outputs * taps, inputs)
        return forward, (groups, pixels, inputs, outputs * taps), (groups, inputs, outputs * taps, pixels)
    pixels = g.batch * area(g.output_size)
    forward = (groups, pixels, outputs, inputs * taps)
    return forward, (groups, pixels, inputs * taps, outputs), (groups, inputs * taps, outputs, pixels)


def convolution(call: Call) -> list[Part]:
    x, weight, bias = call["input"], call["weight"], call["bias"]
    groups, out = call["groups"], call.written[0]
    g = geometry_of(
        x, weight, out.shape[2:], call["stride"], call["padding"], call["dilation"], call["transposed"], groups
    )
    forward, _, _ = gemms(g, groups)
    extra = () if bias is None else (bias,)
    return [product(forward, x, weight, out, extra, Kind.CONV, geometry=g)]


def onednn_convolution(call: Call) -> list[Part]:
    """The form that frozen models call by its name."""
    x, weight, bias, groups, out = call["self"], call["weight"], call["bias"], call["groups"], call.written[0]
    g = geometry_of(x, weight, out.shape[2:], call["stride"], call["padding"], call["dilation"], False, groups)
    extra = () if bias is None else (bias,)
    return [product(gemms(g, groups)[0], x, weight, out, extra, Kind.CONV, geometry=g)]


def convolution_backward(call: Call) -> list[Part]:
    grad, x, weight, groups = call["grad_output"], call["input"], call["weight"], call["groups"]
    g = geometry_of(
        x, weight, grad.shape[2:], call["stride"], call["padding"], call["dilation"], call["transposed"], groups
    )
    _, dgrad, wgrad = gemms(g, groups)
    d_input, d_weight, d_bias = call.masked()
    parts = []
    if d_input is not None:
        parts.append(product(dgrad, grad, weight, d_input, (), Kind.CONV, geometry=g, gradient_of=x))
    if d_weight is not None:
        parts.append(product(wgrad, x, grad, d_weight, (), Kind.CONV, geometry=g, gradient_of=weight))
    if d_bias is not None:
        parts.append(bias_gradient(grad, d_bias, weight))
    return parts


def conv_tbc(call: Call) -> list[Part]:
    """x (time, batch, channels), weight (taps, in_channels, out_channels)."""
    x, weight, out = call["self"], call["weight"], call.written[0]
    taps, inputs, outputs = weight.shape
    time, batch, _ = out.shape
    g = Geometry(batch, inputs, outputs, (x.shape[0],), (taps,), (time,), (1,), (int(call["pad"]),), (1,), False)
    return [product((1, batch * time, outputs, inputs * taps), x, weight, out, (call["bias"],), Kind.CONV, geometry=g)]


def conv_tbc_backward(call: Call) -> list[Part]:
    """`self` is the output's gradient; all three gradients are made."""
    grad, x, weight = call["self"], call["input"], call["weight"]
    taps, inputs, outputs = weight.shape
    time, batch, _ = grad.shape
    g = Geometry(batch, inputs, outputs, (x.shape[0],), (taps,), (time,), (1,), (int(call["pad"]),), (1,), False)
    _, dgrad, wgrad = gemms(g, 1)
    d_input, d_weight, d_bias = call.outputs
    return [
        product(dgrad, grad, weight, d_input, (), Kind.CONV, geometry=g, gradient_of=x),
        product(wgrad, x, grad, d_weight, (), Kind.CONV, geometry=g, gradient_of=weight),
        bias_gradient(grad, d_bias, weight),
    ]


def _per_axis(value, axes):
    value = tuple(int(v) for v in value)
    return value * axes if len(value) == 1 else value


FORMULAS = {
    "convolution": convolution,
    "mkldnn_convolution": onednn_convolution,
    "convolution_backward": convolution_backward,
    "conv_tbc": conv_tbc,
    "conv_tbc_backward": conv_tbc_backward,
}
