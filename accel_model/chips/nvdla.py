"""NVDLA beside its vendor's estimator: cycles of each layer, frames of each network, and its other sizes."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from accel_model.chips.convolutions import Convolution, from_convolutions
from accel_model.design import Design
from accel_model.engine import replay
from accel_model.trace import Trace

ESTIMATED = "NVDLA 2048 MAC (xlsx default)"
SIZES = {  # input x output channels of an atomic operation (the middle ones assumed), buffer KiB, GB/s
    2048: (64, 32, 512, 20.0),
    1024: (32, 32, 256, 15.0),
    512: (32, 16, 256, 10.0),
    256: (32, 8, 256, 5.0),
    128: (16, 8, 256, 2.0),
    64: (8, 8, 128, 1.0),
    32: (8, 4, 128, 0.5),
}


def figures(rows: list[dict[str, str]], resnet50: Callable[[int], Trace] | None) -> dict[tuple, tuple[float, str]]:
    """{key: (simulated, remark)}; see accel_model/chips/validation.py."""
    design, found = Design.load("nvdla"), {}
    for workload in sorted({row["workload"] for row in rows if row["chip"] == ESTIMATED}):
        if layers := estimated_layers(rows, workload):
            found |= _of_layers(rows, workload, layers, design)
    return found | _of_sizes([layer for _, layer in estimated_layers(rows, "ResNet50 inference")], design)


def estimated_layers(rows: list[dict[str, str]], workload: str) -> list[tuple[int, Convolution]]:
    """[(row number, Convolution)] of the estimator's layers of one network, one for each of its mac_cycles rows."""
    result = []
    for number, row in enumerate(rows):
        if "xlsx" in row["chip"] and row["workload"] == workload and row["metric"] == "mac_cycles":
            layer = _layer(row["notes"], row["layer"], int(row["batch"]))
            if layer:
                result.append((number, layer))
    return result


def _layer(notes, name, batch):
    """The Convolution that a row of the estimator describes: 'C512 28x28 K128 1x1 s1 out 28x28'."""
    found = re.match(r"C(\d+) (\d+)x\d+ K(\d+) (\d+)x\d+ s(\d+) out (\d+)x", notes)
    if not found:
        return None
    channels, size, filters, kernel, stride, out = map(int, found.groups())
    padding = max(0, -(-((out - 1) * stride + kernel - size) // 2))
    return Convolution(name, channels, size, filters, kernel, stride=stride, padding=padding, batch=batch)


def _of_layers(rows, workload, numbered, design):
    """Figures of each layer of one network and of the whole. numbered: as `estimated_layers` returns."""
    found, layers = {}, [layer for _, layer in numbered]
    trace = from_convolutions(layers, "int8")
    report = replay(trace, design)
    clock = float(design.clock_hz[0])
    per_image = np.array([1 / layer.batch for layer in layers])
    for index, (number, layer) in enumerate(numbered):
        share = per_image[index]  # the estimator's fully connected layers are of a batch, its cycles of one image
        values = {
            "dram_cycles": report.dram_s[0, index] * clock,
            "mac_cycles": report.compute_cycles[0, index],
            "max_cycles": report.op_s[0, index] * clock,
        }
        remark = "the estimator counts Winograd" if layer.filter_size == 3 and layer.stride == 1 else ""
        for offset, (metric, value) in enumerate(values.items()):
            row = number - 1 + offset  # the three stand one after another
            found[ESTIMATED, workload, layer.name, rows[row]["batch"], metric, row] = (value * share, remark)
    frame_s = float((report.op_s[0] * per_image).sum())
    whole = (ESTIMATED, workload, "whole", "1")
    found[*whole, "frame_time"] = (frame_s * 1e3, "sum over the layers listed")
    found[*whole, "throughput"] = (1 / frame_s, "sum over the layers listed")
    used = float((trace.ops.macs * per_image).sum())
    found[*whole, "hw_mac_utilisation"] = (used / (frame_s * float(design.macs_per_s[0, 0])), "")
    return found


def _of_sizes(network, design):
    """Throughput of ResNet-50 on every size that the vendor offers."""
    found, trace = {}, from_convolutions(network, "int8")
    per_image = np.array([1 / layer.batch for layer in network])
    for macs, (rows, cols, kib, gb_per_s) in SIZES.items():
        given = {"rows": rows, "cols": cols, "buffer_bytes": kib * 1024, "dram_bytes_per_s": gb_per_s * 1e9}
        changed = {name: np.full(1, value, dtype=getattr(design, name).dtype) for name, value in given.items()}
        report = replay(trace, replace(design, **changed))
        key = (f"NVDLA {macs} MAC", "ResNet-50 inference", "whole", "1", "throughput")
        throughput = 1 / float((report.op_s[0] * per_image).sum())
        found[key] = (throughput, "convolutions and fc of the estimator's list")
    return found
