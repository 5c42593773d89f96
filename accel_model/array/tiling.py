"""How an op is cut into tiles: a fixed grid of sizes, and what each tile holds and touches.

C is cut into tiles of tm x tn. The grid is in multiples of the array's sides, or the whole dimension, and does not know
the buffer: a larger one only adds candidates. Tiles of a convolution take pixels of one output row, whole rows of one
image, or whole images; what two tiles share is loaded twice (halo). A tile of all of M and N can take several groups.
All whole numbers here are float64 below 2^53.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from accel_model.array.record import Arrays, TiledDataflow
from accel_model.arrays import ceil_div, choose, floor_div, larger, real, smaller

if TYPE_CHECKING:
    from accel_model.work.units import Units

WHOLE = 0  # a multiple that stands for the whole dimension
SIDE = (WHOLE, 16, 4, 1)  # multiples of the array's side
STREAMED = (WHOLE, 512, 64, 8)  # elements of the dimension that no side of the array holds
GROUPS_AT_ONCE = (WHOLE, 16)
CHUNK = 16  # least K that is loaded at a time


class Order(IntEnum):
    """Which operand stays while the tiles go on."""

    STREAM = 0
    KEEP_A = 1
    KEEP_B = 2


@dataclass(frozen=True)
class Candidates:
    """Tile sizes before they meet a dimension: whole numbers in arrays of one rank, WHOLE where nothing is cut."""

    m: object
    n: object
    groups: object
    stretch: object  # K that is summed up at a time where a tile is several folds and sums stay in the array

    def map(self, function: Callable) -> Candidates:
        """The same with `function` done to every array."""
        return Candidates(**{name: function(values) for name, values in vars(self).items()})


def candidates(record: TiledDataflow, several_groups: bool) -> list[Candidates]:
    """[Candidates] of a TiledDataflow, int64 with axes (stretch, m, n, 1, 1).

    The second, if several_groups, takes groups together and has them on the axis of m.
    """
    m_levels, n_levels = (SIDE if side else STREAMED for side in (record.along_m, record.along_n))
    axes = np.ix_(np.array(record.stretches or (CHUNK,)), np.array(m_levels), np.array(n_levels))
    stretch, m, n = (levels[..., None, None] for levels in axes)
    grids = [Candidates(m, n, np.ones((1,) * 5, dtype=np.int64), stretch)]
    if several_groups:
        whole = np.zeros((1,) * 5, dtype=np.int64)
        grids.append(Candidates(whole, whole, np.array(GROUPS_AT_ONCE)[None, :, None, None, None], stretch))
    return grids


@dataclass(frozen=True)
class Tiling:
    """An op cut into tiles. Pairs hold the full tile (or its count) and the edge one, which is the last of its row.

    The whole sequence of `m_count` x `n_count` tiles is done `repeats` times, once per group, or once if tiles take
    several groups. Shares are of all groups' bytes. docs/model.md, (24) and (25).
    """

    m: tuple  # elements of M in a tile
    n: tuple
    groups: tuple  # groups in a tile, by class of M
    m_count: tuple
    n_count: tuple
    repeats: object
    chunk: object  # elements of K loaded at a time
    stretches: object  # of K, after each of which partial sums leave an array that they could stay in
    a_share: tuple  # of A's bytes (all K) in a tile, by class of M, halo included
    b_share: tuple  # of B's bytes (all K), by class of M and then of N
    c_share: tuple  # of C's bytes, by class of M and then of N


def cut(record: TiledDataflow, units: Units, arrays: Arrays, grid: Candidates) -> Tiling:
    """The Tiling of Units (units,) by a TiledDataflow on Arrays (arrays, 1), for Candidates `grid`; all broadcast."""
    m_side, n_side = (_side(arrays, side) for side in (record.along_m, record.along_n))
    tile_m = choose(grid.m == WHOLE, units.m, smaller(units.m, grid.m * m_side))
    tile_n = choose(grid.n == WHOLE, units.n, smaller(units.n, grid.n * n_side))
    wanted = choose(grid.groups == WHOLE, units.groups, smaller(units.groups, grid.groups))
    at_once = choose((grid.m == WHOLE) & (grid.n == WHOLE), wanted, 1)
    several = at_once > 1
    batches = ceil_div(units.groups, at_once)

    per_image = units.image_rows * units.row_pixels
    in_image, in_row = tile_m < per_image, tile_m < units.row_pixels  # else whole images; else whole rows
    step = choose(in_image, choose(in_row, 1, units.row_pixels), per_image)  # elements of M in what is counted
    span = choose(in_image, choose(in_row, units.row_pixels, units.image_rows), units.images)
    blocks = choose(in_image, units.images * choose(in_row, units.image_rows, 1), 1)
    taken = floor_div(tile_m, step)
    steps = ceil_div(span, taken)
    sizes = (taken, span - (steps - 1) * taken)
    n_steps = ceil_div(units.n, tile_n)
    n = (tile_n, units.n - (n_steps - 1) * tile_n)
    groups = (at_once, choose(several, units.groups - (batches - 1) * at_once, 1))
    one_fold = (tile_m <= m_side) & (tile_n <= n_side)
    chunk, stretches = _stretches(record, units, arrays, grid, one_fold)

    of_groups = [real(g) / real(units.groups) for g in groups]
    of_n = [real(size) / real(units.n) for size in n]
    shares = [_m_shares(units, size, in_image, in_row, size * step) for size in sizes]
    return Tiling(
        m=tuple(size * step for size in sizes),
        n=n,
        groups=groups,
        m_count=(choose(several, batches - 1, blocks * (steps - 1)), choose(several, 1, blocks)),
        n_count=(n_steps - 1, 1),
        repeats=choose(several, 1, units.groups),
        chunk=chunk,
        stretches=stretches,
        a_share=tuple(share[0] * g for share, g in zip(shares, of_groups, strict=True)),
        b_share=tuple(tuple(g * size for size in of_n) for g in of_groups),
        c_share=tuple(tuple(share[1] * g * size for size in of_n) for share, g in zip(shares, of_groups, strict=True)),
    )


def _side(arrays, side):
    """PEs along a dimension that a side of the array holds; 1 where none does."""
    return getattr(arrays, side) if side else 1


def _stretches(record, units, arrays, grid, one_fold):
    """(elements of K in a load, stretches of K after which partial sums leave an array that they could stay in)."""
    if record.stretches:
        chunk = smaller(units.k, choose(one_fold, CHUNK, grid.stretch))
        return chunk, choose(one_fold, 1, ceil_div(units.k, chunk))
    side = _side(arrays, record.along_k)
    return smaller(units.k, side * ceil_div(CHUNK, side)), 1


def _m_shares(units, taken, in_image, in_row, tile_m):
    """Shares of A and C of one group that a tile of `taken` pixels, rows or images, `tile_m` of M, touches."""
    even = real(tile_m) / real(units.m)
    reach = larger(units.reach, units.stride)
    rows = smaller(units.input_rows, choose(in_row, 0, taken - 1) * units.stride + reach)
    all_rows = smaller(units.input_rows, (units.image_rows - 1) * units.stride + reach)
    of_row = choose(in_row, real(smaller(units.row_pixels, taken - 1 + reach)) / real(units.row_pixels), 1.0)
    halo = choose(in_image, real(rows) / real(all_rows * units.images) * of_row, even)
    whole_channels = floor_div(tile_m, units.area) * units.area == tile_m
    channels = choose(whole_channels, tile_m, smaller(units.m, (ceil_div(tile_m, units.area) + 1) * units.area))
    a_share = choose(units.halo == 1, halo, choose(units.area > 1, real(channels) / real(units.m), even))
    return a_share, choose(units.halo == 2, halo, even)
