"""ideal: no dataflow but the bound of all: every MAC unit busy in every cycle, every operand moved once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accel_model.array.record import Arrays, Gemm, WholeDataflow
from accel_model.array.traffic import array_bytes
from accel_model.arrays import Array, ceil_div

if TYPE_CHECKING:
    from accel_model.work.units import Units


def cycles(gemm: Gemm, arrays: Arrays) -> Array:
    """MACs over PEs, rounded up: docs/model.md, (16). gemm: Gemm; arrays: Arrays."""
    return ceil_div(gemm.groups * gemm.m * gemm.n * gemm.k, arrays.rows * arrays.cols * arrays.cores)


def run(units: Units, arrays: Arrays) -> tuple[Array, Array]:
    """(cycles, buffer bytes) of Units on Arrays: docs/model.md, (16)."""
    moved = array_bytes(units.k * (units.m + units.n), 0, units, arrays, units.element_bytes, overlapped=0.0)
    return cycles(units, arrays), units.groups * moved


RECORD = WholeDataflow(name="ideal", number=5, run=run)
