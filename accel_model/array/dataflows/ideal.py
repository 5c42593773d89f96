"""ideal: no dataflow but the bound of all: every MAC unit busy in every cycle, every operand moved once."""

from accel_model.array.record import WholeDataflow
from accel_model.array.traffic import array_bytes
from accel_model.arrays import ceil_div


def cycles(gemm, arrays):
    """MACs over PEs, rounded up: docs/model.md, (16). gemm: Gemm; arrays: Arrays."""
    return ceil_div(gemm.groups * gemm.m * gemm.n * gemm.k, arrays.rows * arrays.cols * arrays.cores)


def run(units, arrays):
    """(cycles, buffer bytes) of Units on Arrays: docs/model.md, (16)."""
    moved = array_bytes(units.k * (units.m + units.n), 0, units, arrays, units.element_bytes, overlapped=0.0)
    return cycles(units, arrays), units.groups * moved


RECORD = WholeDataflow(name="ideal", number=5, run=run)
