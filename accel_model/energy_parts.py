"""What the energy of a training step goes to, part by part."""

import numpy as np

from accel_model.types import DTYPE_BYTES, PRECISIONS
from accel_model.work.units import PRECISION_OF

PARTS = ("macs", "registers", "buffer", "dram", "vector", "static")


def energy_by_part(trace, design, report):
    """{one of PARTS: float64 (designs,) joules}, which add up to report.energy_j.

    report: that of `trace` on `design` (numpy arrays), with its columns per op.
    """
    ops = trace.ops
    macs, element_bytes = ops.macs, DTYPE_BYTES[ops.dtype]
    by_precision = np.bincount(PRECISION_OF[ops.dtype], macs, len(PRECISIONS))
    operand_bytes, sums = float((2 * macs * element_bytes).sum()), 2.0 * float(macs.sum())
    return {
        "macs": design.mac_j @ by_precision,
        "registers": (operand_bytes + sums * design.accumulator_bytes) * design.register_j_per_byte,
        "buffer": report.buffer_traffic_bytes.sum(axis=1) * design.buffer_j_per_byte,
        "dram": report.dram_bytes.sum(axis=1) * design.dram_j_per_byte,
        "vector": float(ops.vector_ops.sum()) * design.mac_j[:, 0] / 2,  # as in cost.py: half an fp32 MAC
        "static": report.step_s * design.static_w,
    }
