"""is: weight-stationary on the transposed problem, M and N swapped: A stays, B streams through."""

from __future__ import annotations

from accel_model.array.dataflows import weight_stationary
from accel_model.array.record import Arrays, Gemm, TiledDataflow
from accel_model.arrays import Array


def cycles(gemm: Gemm, arrays: Arrays) -> Array:
    """Cycles of an input-stationary array; see `weight_stationary.cycles`."""
    return weight_stationary.cycles(_transposed(gemm), arrays)


def operands(gemm: Gemm, arrays: Arrays) -> Array:
    """A once, B once for every fold across M: docs/model.md, (18)."""
    return weight_stationary.operands(_transposed(gemm), arrays)


def scalesim(gemm: Gemm, arrays: Arrays) -> tuple[Array, Array]:
    """2 R + C + N - 2 cycles a fold: docs/model.md, (13)."""
    return weight_stationary.scalesim(_transposed(gemm), arrays)


def _transposed(gemm):
    return Gemm(gemm.n, gemm.m, gemm.k, gemm.groups)


RECORD = TiledDataflow(
    name="is",
    number=2,
    cycles=cycles,
    operands=operands,
    spills=weight_stationary.spills,
    along_m="cols",
    along_k="rows",
    scalesim=scalesim,
    in_best=True,
)
