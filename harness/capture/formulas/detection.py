"""torchvision's ops: deformable convolution, pooling of regions, suppression of overlapping boxes.

A bilinear sample is four products and four sums (8 elementary operations); its gradient scatters as many, and the
gradient of where it was taken is another 8. What depends on the boxes' values (how many samples an adaptive grid takes,
how much of the map a region covers, which boxes are dropped early) is counted at its largest, a box of the whole map.
"""

from math import ceil, log2

from accel_model.types import Kind
from harness.capture.formulas.convolution import gemms, geometry_of
from harness.capture.formulas.matmul import bias_gradient, product
from harness.capture.formulas.parts import Call, Part, read_all
from harness.capture.formulas.vector import whole

SAMPLE = 8
PAIR = 13  # of two boxes: corners of the overlap 4, its sides 2, cut at 0 2, its area 1, union 2, quotient, comparison
ROTATED = 36 + 16 * 14 + 8 * 10 + 24 * 3 + 4
"""Of two rotated boxes: their corners, each pair of edges crossed, each corner tested for being inside the other box,
the area of at most 24 points by cross products, union, quotient."""


def deform_conv2d(call: Call) -> list[Part]:
    """Samples at the offsets, as many as an ordinary convolution's columns have; then its products."""
    x, weight, out = call["input"], call["weight"], call.written[0]
    groups = call["groups"]
    forward, _, _ = _gemms(call, out.shape[2:], groups)
    bias = call["bias"]
    return [
        Part(Kind.GATHER, read_all(x, *_where(call)), (), vector_ops=_samples(call, forward)),
        product(forward, None, weight, out, (bias,) if bias.numel() else ()),
    ]


def deform_conv2d_backward(call: Call) -> list[Part]:
    """All five gradients are made: columns of the input's by a product, scattered; samples again for the weight's."""
    grad, x, weight = call["grad"], call["input"], call["weight"]
    forward, dgrad, wgrad = _gemms(call, grad.shape[2:], call["groups"])
    d_input, d_weight, d_offset, d_mask, d_bias = call.outputs
    samples = _samples(call, forward)
    where = [d_offset] + ([d_mask] if call["use_mask"] else [])
    return [
        product(dgrad, grad, weight, None, gradient_of=x),
        Part(Kind.GATHER, read_all(x, *_where(call)), read_all(d_input, *where), vector_ops=3 * samples, gradient_of=x),
        Part(Kind.GATHER, read_all(x, *_where(call)), (), vector_ops=samples, repeats=True),
        product(wgrad, None, grad, d_weight, gradient_of=weight),
        bias_gradient(grad, d_bias, weight),
    ]


def roi_align(call: Call) -> list[Part]:
    """Bilinear samples of each bin of each region, averaged."""
    x, out = call["input"], call.written[0]
    samples = out.numel() * _samples_per_bin(call, x.shape[2:])
    return whole(call, Kind.GATHER, (SAMPLE + 1) * samples)


def roi_align_backward(call: Call) -> list[Part]:
    samples = call["grad"].numel() * _samples_per_bin(call, (call["height"], call["width"]))
    return whole(call, Kind.GATHER, (SAMPLE + 1) * samples)


def roi_pool(call: Call) -> list[Part]:
    """A comparison, or a sum, for each element of each region."""
    x, rois = call["input"], call["rois"]
    channels = x.shape[1] if call.info.base == "torchvision::roi_pool" else call.written[0].shape[1]
    return whole(call, Kind.GATHER, rois.shape[0] * channels * x.shape[2] * x.shape[3])


def roi_pool_backward(call: Call) -> list[Part]:
    """One gradient goes to the largest element of each bin."""
    return whole(call, Kind.GATHER, call["grad"].numel())


def ps_roi_pool_backward(call: Call) -> list[Part]:
    """Each bin's gradient, divided, goes to all elements of the bin."""
    regions, channels = call["grad"].shape[:2]
    return whole(call, Kind.GATHER, regions * channels * call["height"] * call["width"])


def nms(call: Call) -> list[Part]:
    """The overlap of each pair of boxes, after a sort by score."""
    boxes = call["dets"].shape[0]
    sort = ceil(boxes * log2(max(boxes, 2)))
    return whole(call, Kind.REDUCE, sort + PAIR * (boxes * (boxes - 1) // 2))


def rotated_overlaps(call: Call) -> list[Part]:
    """The overlap of each box of one list with each of the other."""
    return whole(call, Kind.ELEMENTWISE, ROTATED * call.written[0].numel())


def _gemms(call, out_size, groups):
    pairs = [(call[f"{name}_h"], call[f"{name}_w"]) for name in ("stride", "pad")]
    dilation = "dil" if "dil_h" in call.info.arguments else "dilation"
    dilation = call[f"{dilation}_h"], call[f"{dilation}_w"]
    g = geometry_of(call["input"], call["weight"], out_size, *pairs, dilation, False, groups)
    return gemms(g, groups)


def _where(call):
    return [call["offset"]] + ([call["mask"]] if call["use_mask"] else [])


def _samples(call, forward):
    groups, pixels, _, taps = forward
    return (SAMPLE + bool(call["use_mask"])) * groups * pixels * taps


def _samples_per_bin(call, size):
    ratio = call["sampling_ratio"]
    if ratio > 0:
        return ratio * ratio
    return ceil(size[0] / call["pooled_height"]) * ceil(size[1] / call["pooled_width"])


FORMULAS = {
    "torchvision::deform_conv2d": deform_conv2d,
    "torchvision::_deform_conv2d_backward": deform_conv2d_backward,
    "torchvision::roi_align": roi_align,
    "torchvision::_roi_align_backward": roi_align_backward,
    "torchvision::ps_roi_align": roi_align,
    "torchvision::_ps_roi_align_backward": roi_align_backward,
    "torchvision::roi_pool": roi_pool,
    "torchvision::_roi_pool_backward": roi_pool_backward,
    "torchvision::ps_roi_pool": roi_pool,
    "torchvision::_ps_roi_pool_backward": ps_roi_pool_backward,
    "torchvision::nms": nms,
    "torchvision::box_iou_rotated": rotated_overlaps,
}
