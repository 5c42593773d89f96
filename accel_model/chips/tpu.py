"""TPU v1 on stand-ins for its six applications; TPU v2 and v3 on training steps of ResNet-50."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from accel_model.chips.convolutions import from_convolutions
from accel_model.chips.nvdla import estimated_layers
from accel_model.design import Design
from accel_model.engine import replay
from accel_model.trace import Trace
from accel_model.types import Phase

APPLICATIONS = {  # weights, layers of MACs: Jouppi et al., ISCA 2017, Table 1 (recalled)
    "MLP0": (20e6, 5),
    "MLP1": (5e6, 4),
    "LSTM0": (52e6, 24),
    "LSTM1": (34e6, 37),
    "CNN0": (8e6, 16),
    "CNN1": (100e6, 72),
}
TRAINING = "training_throughput_per_chip"
TRAINED = {"TPU v2": "tpu_v2", "TPU v3": "tpu_v3"}  # how a chip's name starts, and its design
TRAINED_BATCH = 256  # images per chip
TIMES = dict.fromkeys(TRAINED, TRAINING)


def figures(rows: list[dict[str, str]], resnet50: Callable[[int], Trace] | None) -> dict[tuple, tuple[float, str]]:
    """{key: (simulated, remark)}; see accel_model/chips/validation.py."""
    return _of_applications(rows) | _of_training(rows, resnet50)


def _of_applications(rows):
    """Rates of the six applications, from GEMMs with their number of weights, layers and MACs per weight byte."""
    found, design = {}, Design.load("tpu_v1")
    for row in rows:
        if row["chip"] != "TPU v1" or row["metric"] != "operational_intensity":
            continue
        weights, layers = APPLICATIONS[row["workload"]]
        side = round((weights / layers) ** 0.5)
        intensity = int(float(row["value"]))
        trace = _chain(intensity, side, layers)
        report = replay(trace, design)
        step_s = float(report.op_s.sum())
        remark = f"{layers} square layers of the published weights and intensity"
        key = ("TPU v1", row["workload"], "whole", row["batch"])
        found[*key, "achieved_tops"] = (2 * trace.ops.macs.sum() / step_s / 1e12, remark)
        found[*key, "operational_intensity"] = (intensity, "given")
        found[*key, "useful_macs"] = (100 * float(report.utilisation[0]), remark)
        if row["workload"] == "MLP0":
            found[*key, "throughput"] = (intensity / step_s, remark)
    return found


def _chain(m, side, layers):
    """A Trace of `layers` GEMMs of m x side x side in int8, each working on the output of the one before."""
    trace = Trace.from_gemms([m] * layers, [side] * layers, [side] * layers, dtype="int8")
    a, c = np.arange(layers) * 3, np.arange(layers) * 3 + 2  # rows of tensors
    tensor, freed = trace.uses.tensor.copy(), trace.tensors.freed.copy()
    tensor[a[1:]] = c[:-1]
    freed[c[:-1]] += 1
    return replace(trace, uses=replace(trace.uses, tensor=tensor), tensors=replace(trace.tensors, freed=freed))


def _of_training(rows, resnet50):
    """Images per second and chip of ResNet-50 training; every published row of it is a figure of its own."""
    if resnet50:
        trace, remark = resnet50(TRAINED_BATCH), getattr(resnet50, "remark", "batch 256 per chip")
    else:
        layers = [replace(layer, batch=TRAINED_BATCH) for _, layer in estimated_layers(rows, "ResNet50 inference")]
        trace = from_convolutions(layers, "bf16", (Phase.FORWARD, Phase.DGRAD, Phase.WGRAD))
        remark = "convolutions only, batch 256 per chip"
    found = {}
    for start, design in TRAINED.items():
        report = replay(trace, Design.load(design), per_op=False)
        throughput = TRAINED_BATCH / float(report.step_s[0] - report.host_s[0])
        for row in rows:
            if row["chip"].startswith(start) and row["metric"] == TRAINING:
                key = tuple(row[name] for name in ("chip", "workload", "layer", "batch", "metric"))
                found[key] = (throughput, remark)
    return found
