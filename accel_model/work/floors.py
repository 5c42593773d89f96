"""What no schedule beats: the step's MACs at peak rate, and the bytes that must come from DRAM or go there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accel_model.arrays import to_numpy
from accel_model.trace import check_rates
from accel_model.types import PERSISTENT_ROLES, PRECISION_OF, PRECISIONS, Role

if TYPE_CHECKING:
    from accel_model.design import Design
    from accel_model.trace import Trace


def compute_floor_s(trace: Trace, design: Design) -> np.ndarray:
    """float64 (designs,), seconds that the step's MACs take with every MAC unit busy in every cycle.

    MACs of whole numbers that are not int8 count at the rate of fp32: docs/model.md, (39). Raises TraceError for those
    of fp64 and of complex numbers, which no design has a rate for.
    """
    check_rates(trace)
    macs = np.bincount(PRECISION_OF[trace.ops.dtype], trace.ops.macs, len(PRECISIONS))
    rows, cols, cores, clock_hz = (to_numpy(getattr(design, name)) for name in ("rows", "cols", "cores", "clock_hz"))
    return (macs / to_numpy(design.mac_rate)).sum(axis=1) / (rows * cols * cores * clock_hz)


def memory_floor_s(trace: Trace, design: Design) -> np.ndarray:
    """float64 (designs,), seconds of the unavoidable bytes at the bandwidth of the pins: docs/model.md, (40)."""
    read, written = unavoidable_bytes(trace)
    from_dram = np.maximum(read - to_numpy(design.buffer_bytes), 0) + written
    return from_dram / to_numpy(design.dram_bytes_per_s)


def unavoidable_bytes(trace: Trace) -> tuple[int, int]:
    """(read, written): DRAM bytes of a step that no schedule avoids but by what its buffer holds from the step before.

    Every input and persistent tensor that is read comes from DRAM once, every persistent one written goes there.
    """
    uses, role = trace.uses, trace.tensors.role[trace.uses.tensor]
    persistent = np.isin(role, PERSISTENT_ROLES)
    first_read = _most_per_tensor(trace, ~uses.write & (persistent | (role == Role.INPUT)))
    return int(first_read.sum()), int(_most_per_tensor(trace, uses.write & persistent).sum())


def _most_per_tensor(trace, rows):
    most = np.zeros(len(trace.tensors.bytes), dtype=np.int64)
    np.maximum.at(most, trace.uses.tensor[rows], trace.uses.bytes[rows])
    return most
