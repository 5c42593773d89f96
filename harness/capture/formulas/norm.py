"""Normalisation: a reduce row (statistics) and an elementwise row, forward and backward.

Elementary operations per element: statistics 3 (square, two sums), scale and shift 2; backward sums 4 (normalise,
multiply, two sums), input gradient 5.
"""

from accel_model.types import Kind
from harness.capture.formulas.parts import Call, Part, Touch, read_all

STATISTICS, SCALE, SUMS, INPUT_GRADIENT = 3, 2, 4, 5


def batch_norm(call: Call) -> list[Part]:
    x, weight, bias = call["input"], call["weight"], call["bias"]
    names = [name for name in ("running_mean", "running_var") if name in call.info.arguments]
    running = [call[name] for name in names if call[name] is not None]
    out, *statistics = (t for t in call.outputs if t is not None)
    training = call["training"] if "training" in call.info.arguments else "no_training" not in call.info.base
    apply = Part(
        Kind.ELEMENTWISE,
        read_all(x, weight, bias, *(statistics if training else running)),
        (Touch(out),),
        vector_ops=SCALE * x.numel(),
    )
    if not training:
        return [apply]
    writes = read_all(*statistics, *running)
    return [Part(Kind.REDUCE, read_all(x, *running), writes, vector_ops=STATISTICS * x.numel()), apply]


def forward(call: Call) -> list[Part]:
    """layer, group and RMS norm: out, then statistics."""
    x, weight = call["input"], call["weight"]
    bias = call["bias"] if "bias" in call.info.arguments else None
    out, *statistics = (t for t in call.outputs if t is not None)
    return [
        Part(Kind.REDUCE, read_all(x), read_all(*statistics), vector_ops=STATISTICS * x.numel()),
        Part(Kind.ELEMENTWISE, read_all(x, weight, bias, *statistics), (Touch(out),), vector_ops=SCALE * x.numel()),
    ]


def backward(call: Call) -> list[Part]:
    """Any norm's backward: outputs are the gradients of input, weight and bias, by the mask where there is one."""
    names = call.info.arguments
    x = call["input"]
    grad = next(call[name] for name in ("grad_out", "grad_output") if name in names)
    weight = call["weight"] if "weight" in names else None
    statistics = [call[name] for name in ("save_mean", "save_invstd", "save_var", "mean", "rstd") if name in names]
    d_input, *d_parameters = call.masked() if "output_mask" in names else call.outputs
    d_parameters = [d for d in d_parameters if d is not None]
    reads = read_all(grad, x, *statistics)
    sums = Part(
        Kind.REDUCE,
        reads,
        read_all(*d_parameters),
        vector_ops=SUMS * x.numel(),
        gradient_of=weight if d_parameters and weight is not None else x,
    )
    if d_input is None:
        return [sums]
    apply = Part(
        Kind.ELEMENTWISE,
        reads + read_all(weight, *d_parameters),
        (Touch(d_input),),
        vector_ops=INPUT_GRADIENT * x.numel(),
        gradient_of=x,
    )
    return [sums, apply]


FORMULAS = {
    "native_batch_norm": batch_norm,
    "_native_batch_norm_legit": batch_norm,
    "_native_batch_norm_legit_no_training": batch_norm,
    "_batch_norm_with_update": batch_norm,
    "cudnn_batch_norm": batch_norm,
    "miopen_batch_norm": batch_norm,
    "native_layer_norm": forward,
    "native_group_norm": forward,
    "_fused_rms_norm": forward,
    "native_batch_norm_backward": backward,
    "batch_norm_backward": backward,
    "cudnn_batch_norm_backward": backward,
    "miopen_batch_norm_backward": backward,
    "native_layer_norm_backward": backward,
    "native_group_norm_backward": backward,
    "_fused_rms_norm_backward": backward,
}
