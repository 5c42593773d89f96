"""How an op is cut into tiles: a fixed grid of sizes, and what each tile holds and touches.

C is cut into tiles of tm x tn. The grid is in multiples of the array's sides, or the whole dimension, and does not know
the buffer: a larger one only adds candidates. Tiles of a convolution take pixels of one output row, whole rows of one
image, or whole images; what two tiles share is loaded twice (halo). A tile of all of M and N can take several groups.
All whole numbers here are float64 below 2^53.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from accel_model.array.dataflow import Convention, Dataflow, Overlap
from accel_model.arrays import ceil_div, choose, floor_div, larger, real, smaller

WHOLE = 0  # a multiple that stands for the whole dimension
SIDE = (WHOLE, 16, 4, 1)  # multiples of the array's side
STREAMED = (WHOLE, 512, 64, 8)  # elements of the dimension that no side of the array holds
GROUPS_AT_ONCE = (WHOLE, 16)
CHUNK = 16  # least K that is loaded at a time
LONG_CHUNKS = (4096, 256)  # K that an os array sums up at a time where a tile is more than one fold


class Order(IntEnum):
    """Which operand stays while the tiles go on."""

    STREAM = 0
    KEEP_A = 1
    KEEP_B = 2


@dataclass(frozen=True)
class Candidates:
    """Tile sizes before they meet a dimension: int64 arrays of one shape, WHOLE where a dimension is not cut."""

    m: object
    n: object
    groups: object
    chunk: object  # K per load of an os array where a tile is several folds


@dataclass(frozen=True)
class Arrays:
    """Distinct arrays, each column (arrays, 1) float64, and the class that they share."""

    dataflow: Dataflow
    overlap: Overlap
    trim: bool
    convention: Convention
    rows: object
    cols: object
    cores: object
    accumulator_bytes: object


def candidates(dataflow, several_groups):
    """[Candidates], numpy with axes (chunk, m, n, 1, 1); the second, if several_groups, takes groups together."""
    m_levels = STREAMED if dataflow == Dataflow.WS else SIDE
    n_levels = STREAMED if dataflow == Dataflow.IS else SIDE
    chunks = LONG_CHUNKS if dataflow == Dataflow.OS else (CHUNK,)
    axes = np.ix_(np.array(chunks), np.array(m_levels), np.array(n_levels))
    chunk, m, n = (levels[..., None, None] for levels in axes)
    grids = [Candidates(m, n, np.ones((1,) * 5, dtype=np.int64), chunk)]
    if several_groups:
        whole = np.zeros((1,) * 5, dtype=np.int64)
        grids.append(Candidates(whole, whole, np.array(GROUPS_AT_ONCE)[None, :, None, None, None], chunk))
    return grids


@dataclass(frozen=True)
class Tiling:
    """An op cut into tiles. Pairs hold the full tile (or its count) and the edge one, which is the last of its row.

    The whole sequence of `m_count` x `n_count` tiles is done `repeats` times, once per group, or once if tiles take
    several groups. Shares are of all groups' bytes.
    """

    m: tuple  # elements of M in a tile
    n: tuple
    groups: tuple  # groups in a tile, by class of M
    m_count: tuple
    n_count: tuple
    repeats: object
    chunk: object  # elements of K loaded at a time
    pieces: object  # stretches of K after each of which an os array puts its partial sums away
    a_share: tuple  # of A's bytes (all K) in a tile, by class of M, halo included
    b_share: tuple  # of B's bytes (all K), by class of M and then of N
    c_share: tuple  # of C's bytes, by class of M and then of N


def cut(u, d, c):
    """The Tiling of units `u` (columns (units,)) for Candidates `c` on Arrays `d`; shapes broadcast."""
    m_side, n_side = _sides(d)
    tm = choose(c.m == WHOLE, u.m, smaller(u.m, c.m * m_side))
    tn = choose(c.n == WHOLE, u.n, smaller(u.n, c.n * n_side))
    wanted = choose(c.groups == WHOLE, u.groups, smaller(u.groups, c.groups))
    at_once = choose((c.m == WHOLE) & (c.n == WHOLE), wanted, 1)
    several = at_once > 1
    batches = ceil_div(u.groups, at_once)

    per_image = u.image_rows * u.row_pixels
    in_image, in_row = tm < per_image, tm < u.row_pixels  # else whole images; else whole rows
    unit = choose(in_image, choose(in_row, 1, u.row_pixels), per_image)
    span = choose(in_image, choose(in_row, u.row_pixels, u.image_rows), u.images)
    blocks = choose(in_image, u.images * choose(in_row, u.image_rows, 1), 1)
    taken = floor_div(tm, unit)
    steps = ceil_div(span, taken)
    sizes = (taken, span - (steps - 1) * taken)
    n_steps = ceil_div(u.n, tn)
    n = (tn, u.n - (n_steps - 1) * tn)
    groups = (at_once, choose(several, u.groups - (batches - 1) * at_once, 1))
    chunk, pieces = _stretches(u, d, c, (tm <= m_side) & (tn <= n_side))

    of_groups = [real(g) / real(u.groups) for g in groups]
    of_n = [real(size) / real(u.n) for size in n]
    shares = [_m_shares(u, size, in_image, in_row, size * unit) for size in sizes]
    return Tiling(
        m=tuple(size * unit for size in sizes),
        n=n,
        groups=groups,
        m_count=(choose(several, batches - 1, blocks * (steps - 1)), choose(several, 1, blocks)),
        n_count=(n_steps - 1, 1),
        repeats=choose(several, 1, u.groups),
        chunk=chunk,
        pieces=pieces,
        a_share=tuple(share[0] * g for share, g in zip(shares, of_groups, strict=True)),
        b_share=tuple(tuple(g * size for size in of_n) for g in of_groups),
        c_share=tuple(tuple(share[1] * g * size for size in of_n) for share, g in zip(shares, of_groups, strict=True)),
    )


def _sides(d):
    """PEs along M and along N; 1 where the array holds no side of that dimension."""
    along_m = {Dataflow.OS: d.rows, Dataflow.IS: d.cols}.get(d.dataflow, 1)
    along_n = {Dataflow.OS: d.cols, Dataflow.WS: d.cols}.get(d.dataflow, 1)
    return along_m, along_n


def _stretches(u, d, c, one_fold):
    """(elements of K in a load, stretches of K after which partial sums leave the array)."""
    if d.dataflow == Dataflow.OS:
        chunk = smaller(u.k, choose(one_fold, CHUNK, c.chunk))
        return chunk, choose(one_fold, 1, ceil_div(u.k, chunk))
    return smaller(u.k, d.rows * ceil_div(CHUNK, d.rows)), 1


def _m_shares(u, taken, in_image, in_row, tm):
    """Shares of A's and C's bytes of one group that a tile of `taken` pixels, rows or images, `tm` of M, touches."""
    even = real(tm) / real(u.m)
    reach = larger(u.reach, u.stride)
    rows = smaller(u.input_rows, choose(in_row, 0, taken - 1) * u.stride + reach)
    all_rows = smaller(u.input_rows, (u.image_rows - 1) * u.stride + reach)
    of_row = choose(in_row, real(smaller(u.row_pixels, taken - 1 + reach)) / real(u.row_pixels), 1.0)
    halo = choose(in_image, real(rows) / real(all_rows * u.images) * of_row, even)
    channels = choose(floor_div(tm, u.area) * u.area == tm, tm, smaller(u.m, (ceil_div(tm, u.area) + 1) * u.area))
    a_share = choose(u.halo == 1, halo, choose(u.area > 1, real(channels) / real(u.m), even))
    return a_share, choose(u.halo == 2, halo, even)
