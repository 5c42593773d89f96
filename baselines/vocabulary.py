"""The words that measurements are told in; each list stands here and nowhere else."""

UNSTATED = "unstated"

KINDS = ("live", "recorded", "published", "placed")
"""Where a time comes from: a device here, a file, print, or a replay of an array that was placed and routed."""

LOADED_KINDS = ("recorded", "published")
"""Those that are read rather than made."""

DEVICE_KINDS = ("gpu", "cpu", "fpga", "other")

MODES = ("eager", "graphs", "compiled", "compiled_graphs")
"""Ways to run a step here; a time that others took may have been taken in an unstated one. eager: op by op; graphs: the
whole step as one CUDA graph; compiled: the model by torch.compile; compiled_graphs: both."""

CUDA_MODES = ("graphs", "compiled_graphs")
COMPILED_MODES = ("compiled", "compiled_graphs")
"""Those that need CUDA, and those that compile, which takes minutes."""

SCOPES = {
    "step": "step",
    "step_and_copy": "step+copy",
    "step_and_loading": "step+loading",
    "forward_backward": "fwd+bwd",
    UNSTATED: UNSTATED,
}
"""What a time covers, and how tables write it: the step on the device alone; with the batch's host-to-device copy (the
judged scope); with the loading of the data; the forward and backward passes without an optimiser; unstated (rates of
operations)."""

RECORDED_SCOPES = ("step", "step_and_copy")
"""Those that a recording covers: without the loading of data, which is the machine's and not the device's."""

LIVE_SCOPES = (*RECORDED_SCOPES, "step_and_loading")
"""Those that can be timed here."""

JUDGED_SCOPE = "step_and_copy"

LIVE_CLOCKS = ("cuda_event", "perf_counter")
CLOCKS = (*LIVE_CLOCKS, "published", "modelled")

CITED = ("verified", "recalled")
CONFIDENCES = ("measured", *CITED, "modelled")
"""How sure a figure is: measured here, seen in a document, quoted from memory, or computed."""

PRECISION_CLASSES = (
    *("fp32", "tf32", "fp32_or_tf32", "bf16", "fp16", "fp16_pure", "fp16_storage", "fp8", "int8", "int16"),
    UNSTATED,
)
"""Precisions of baselines. fp16 and bf16: 16-bit operands, fp32 master weights; fp16_pure: weights too; fp16_storage:
fp32 arithmetic; fp32_or_tf32: the source says fp32, but its GPU rounds operands to TF32 unless told otherwise."""

PARITY = {
    "fp32": ("fp32", "tf32", "fp32_or_tf32"),
    "tf32": ("fp32", "tf32", "fp32_or_tf32"),
    "bf16": ("bf16", "fp16"),
    "fp16": ("bf16", "fp16"),
    "fp8": ("fp8",),
    "int8": ("int8",),
}
"""Precisions of a baseline that are of equal quality to what the accelerator computes in: fp32 with fp32 or TF32, mixed
precision with mixed precision, and nothing else with less."""
