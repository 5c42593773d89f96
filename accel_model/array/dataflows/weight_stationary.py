"""ws: a fold holds m x n weights, m <= R of K and n <= C of N, and A streams through.

Weights are shifted in over m cycles, A streams for S = M cycles, and the last result passes R rows and n columns:
R + n - 2 later. The shifts hidden behind a pipelined fold's streaming are the m rows being loaded for the next.
"""

from __future__ import annotations

from accel_model.array.folds import Folds, longest_share, padded_cycles
from accel_model.array.record import Arrays, Gemm, Overlap, TiledDataflow
from accel_model.arrays import Array, ceil_div, choose, larger


def cycles(gemm: Gemm, arrays: Arrays) -> Array:
    """Cycles of a weight-stationary array: docs/model.md, (10), (11) and (12).

    gemm: Gemm; arrays: Arrays. Returns int64 (or float64, as given) of the broadcast shape. Source: derived there;
    proven against RTL.
    """
    folds = Folds(gemm.k, gemm.n, arrays.rows, arrays.cols, gemm.groups)
    share = ceil_div(folds.total, arrays.cores)
    if not arrays.trim:
        return padded_cycles(share, gemm.m, arrays)
    if arrays.overlap == Overlap.NONE:
        return share * (gemm.m + arrays.rows - 2) + folds.sum_m(share) + folds.sum_n(share)
    if arrays.overlap == Overlap.BUFFERED:
        return folds.m_at(0) + share * (gemm.m + arrays.rows - 2) + folds.sum_n(share)
    sizes = (gemm.k, gemm.n, gemm.m, arrays.rows, arrays.cols, gemm.groups)
    return longest_share(_pipelined, sizes, folds, share, arrays.cores)


def _pipelined(folds, stream, start, end):
    """Cycles of the trimmed, pipelined folds from `start` up to `end`."""
    wide = folds.last_wide(end - 1)
    streamed = folds.phases(stream, end)
    ahead = choose(wide >= start, folds.cols - (streamed - folds.phases(stream, wide + 1)), 0)
    tail = larger(folds.n_at(end - 1), ahead)
    return folds.m_at(start) + streamed - folds.phases(stream, start + 1) + stream + folds.rows - 2 + tail


def operands(gemm: Gemm, arrays: Arrays) -> Array:
    """Weights once, A once for every fold across N: docs/model.md, (18)."""
    return gemm.k * (gemm.m * ceil_div(gemm.n, arrays.cols) + gemm.n)


def spills(gemm: Gemm, arrays: Arrays, chunk: Array) -> Array:
    """Between the folds along K: docs/model.md, (18)."""
    return ceil_div(gemm.k, arrays.rows) - 1


def scalesim(gemm: Gemm, arrays: Arrays) -> tuple[Array, Array]:
    """2 R + C + M - 2 cycles a fold: docs/model.md, (13)."""
    return ceil_div(gemm.k, arrays.rows) * ceil_div(gemm.n, arrays.cols), 2 * arrays.rows + arrays.cols + gemm.m - 2


RECORD = TiledDataflow(
    name="ws",
    number=1,
    cycles=cycles,
    operands=operands,
    spills=spills,
    along_n="cols",
    along_k="rows",
    scalesim=scalesim,
    in_best=True,
)
