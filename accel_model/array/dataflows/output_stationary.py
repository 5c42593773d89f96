"""os: a fold computes m x n results that stay in their PEs, m <= R of M and n <= C of N.

Operands stream for S = K cycles, the last of the m n PEs ends m + n - 2 later, and results shift down R rows to the
bottom. The shifts hidden behind a pipelined fold's streaming are the m rows being drained of it.
"""

from __future__ import annotations

from accel_model.array.folds import Folds, longest_share, padded_cycles
from accel_model.array.record import Arrays, Gemm, Overlap, TiledDataflow
from accel_model.arrays import Array, ceil_div, choose, larger


def cycles(gemm: Gemm, arrays: Arrays) -> Array:
    """Cycles of an output-stationary array: docs/model.md, (7), (8) and (9).

    gemm: Gemm; arrays: Arrays. Returns int64 (or float64, as given) of the broadcast shape. Source: derived there;
    proven against RTL.
    """
    folds = Folds(gemm.m, gemm.n, arrays.rows, arrays.cols, gemm.groups)
    share = ceil_div(folds.total, arrays.cores)
    if not arrays.trim:
        return padded_cycles(share, gemm.k, arrays)
    if arrays.overlap == Overlap.NONE:
        return share * (gemm.k + arrays.rows - 2) + folds.sum_m(share) + folds.sum_n(share)
    if arrays.overlap == Overlap.BUFFERED:
        return share * (gemm.k - 2) + folds.sum_m(share) + folds.sum_n(share) + arrays.rows
    sizes = (gemm.m, gemm.n, gemm.k, arrays.rows, arrays.cols, gemm.groups)
    return longest_share(_pipelined, sizes, folds, share, arrays.cores)


def _pipelined(folds, stream, start, end):
    """Cycles of the trimmed, pipelined folds from `start` up to `end`."""
    last, wide = end - 1, folds.last_wide(end - 1)
    streamed = folds.phases(stream, last)
    behind = streamed - folds.phases(stream, wide)
    ahead = choose(wide >= start, folds.m_at(wide) + folds.cols - behind, 0)
    tail = larger(folds.m_at(last) + folds.n_at(last), ahead)
    return streamed - folds.phases(stream, start) + stream + tail - 2 + folds.rows


def operands(gemm: Gemm, arrays: Arrays) -> Array:
    """A once for every fold across N, B once for every fold across M: docs/model.md, (17)."""
    return gemm.k * (gemm.m * ceil_div(gemm.n, arrays.cols) + gemm.n * ceil_div(gemm.m, arrays.rows))


def spills(gemm: Gemm, arrays: Arrays, chunk: Array) -> Array:
    """Between the stretches of K: docs/model.md, (17)."""
    return ceil_div(gemm.k, chunk) - 1


def scalesim(gemm: Gemm, arrays: Arrays) -> tuple[Array, Array]:
    """R + C + K - 2 cycles a fold: docs/model.md, (13)."""
    return ceil_div(gemm.m, arrays.rows) * ceil_div(gemm.n, arrays.cols), arrays.rows + arrays.cols + gemm.k - 2


RECORD = TiledDataflow(
    name="os",
    number=0,
    cycles=cycles,
    operands=operands,
    spills=spills,
    along_m="rows",
    along_n="cols",
    stretches=(4096, 256),
    scalesim=scalesim,
    in_best=True,
)
