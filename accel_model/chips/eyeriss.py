"""Eyeriss v1, a row-stationary chip: AlexNet's five convolutions, layer by layer."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from accel_model.array.dataflows.row_stationary import active_pes
from accel_model.chips.convolutions import Convolution, from_convolutions
from accel_model.design import Design
from accel_model.engine import replay
from accel_model.trace import Trace

CHIP, BATCH = "Eyeriss v1", 4
ALEXNET = (  # Krizhevsky, Sutskever, Hinton, NIPS 2012: five convolutions, two of them in two groups of channels
    Convolution("CONV1", 3, 227, 96, 11, stride=4),
    Convolution("CONV2", 96, 27, 256, 5, padding=2, groups=2),
    Convolution("CONV3", 256, 13, 384, 3, padding=1),
    Convolution("CONV4", 384, 13, 384, 3, padding=1, groups=2),
    Convolution("CONV5", 384, 13, 256, 3, padding=1, groups=2),
)
TIMES = {CHIP: "total_latency"}
REMARKS = {"dram_access": "the chip compresses, the model does not", "power": "energies scaled from 45 nm"}


def figures(rows: list[dict[str, str]], resnet50: Callable[[int], Trace] | None) -> dict[tuple, tuple[float, str]]:
    """{(chip, workload, layer, batch, metric): (simulated, remark)}; see accel_model/chips/validation.py."""
    layers = [replace(layer, batch=BATCH) for layer in ALEXNET]
    design = Design.load("eyeriss")
    trace = from_convolutions(layers, "fp16")  # two bytes a word, as int16
    report = replay(trace, design)
    rows_out = np.array([layer.out_size for layer in layers])
    filter_rows = np.array([layer.filter_size for layer in layers])
    active = active_pes(rows_out, filter_rows, int(design.rows[0]), int(design.cols[0]))
    compute_s = report.compute_s[0]
    columns = {
        "processing_latency": (compute_s * 1e3, sum),
        "total_latency": (report.op_s[0] * 1e3, sum),
        "active_pes": (active, lambda pes: (np.asarray(pes) * compute_s).sum() / compute_s.sum()),
        "global_buffer_access": ((report.buffer_traffic_bytes - report.dram_bytes)[0] / 1e6, sum),
        "dram_access": (report.dram_bytes[0] / 1e6, sum),
        "macs_in_layer": (trace.ops.macs / 1e9, sum),
        "power": (report.op_energy_j[0] / report.op_s[0] * 1e3, None),
    }
    found = {}
    for metric, (values, total) in columns.items():
        names = [layer.name for layer in layers] + (["Total"] if total else [])
        for name, value in zip(names, [*values, total(values)] if total else values, strict=True):
            found[CHIP, "AlexNet", name, str(BATCH), metric] = (value, REMARKS.get(metric, ""))
    return found
