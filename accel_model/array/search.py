"""The tiles in which an op passes through the on-chip memory: the fastest of a TilePlan, for each design.

K is innermost: a tile's operands stream in, double-buffered, in chunks of K while it computes; a finished tile is
stored while the next one computes. A tile lasts as long as the slowest of its MACs, its buffer traffic and its DRAM
traffic (what it loads and what it stores). Nothing hides the first chunk of the first tile and the store of the last.
Orders: STREAM loads both operands of every tile; KEEP_A goes along N inside and loads a panel of A (tile's M x K) once;
KEEP_B goes along M inside and loads a panel of B once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accel_model.array.plan import CLASSES, TilePlan
from accel_model.array.tiling import Order
from accel_model.arrays import Array, choose, device, larger, namespace, real

if TYPE_CHECKING:
    from accel_model.work.units import Units


@dataclass(frozen=True)
class Speeds:
    """What of a design turns a TilePlan into seconds; columns (designs, 1), or (designs, units) where said."""

    cycle_s: object  # (designs, units) seconds per cycle at the unit's precision
    buffer_bytes: object
    buffer_bytes_per_s: object  # None where no design has a limit
    read_bytes_per_s: object
    write_cost: object
    whole: object = None  # bool (designs, 1), where nothing cuts an op into tiles; None: nowhere


@dataclass(frozen=True)
class Chosen:
    """The fastest tiling of each unit on each design; every array is (designs, units) float64."""

    time_s: object  # infinite where nothing fits
    cycles: object
    array_bytes: object
    read: object
    written: object


def search(plan: TilePlan, array_of: Array, speeds: Speeds, units: Units) -> Chosen:
    """The fastest candidate of `plan` for each unit on each design; of equally fast ones, the one of fewest tiles.

    array_of: int64 (designs,), the array in the plan that each design has. units: the plan's Units: what joined an op
    adds its bytes to the op's, and neither DRAM nor buffer moves them all in less than their sum takes. Every candidate
    has a lower bound, the largest of its sums; only those whose bound is below the time of the most promising one are
    timed in full, so the result is that of timing all. Returns Chosen.
    """
    xp = namespace(plan.cycles)
    tilings, _, count = plan.shape
    designs = speeds.cycle_s.shape[0]
    bounds = xp.reshape(_lower_bounds(plan, array_of, speeds, units), (len(Order) * tilings, designs * count))

    cell = xp.arange(designs * count, device=device(bounds))
    promising = xp.argmin(bounds, axis=0)
    at_most = _time_s(plan, speeds, array_of, promising, cell)
    least = xp.min(bounds, axis=0)
    at_most = choose(xp.isfinite(least), larger(at_most, least), 0.0)
    open_ = bounds <= at_most * (1.0 + 1e-9)
    candidate, cell_of = xp.nonzero(open_)
    times = xp.full(bounds.shape, float("inf"), dtype=xp.float64, device=device(bounds))
    times[open_] = larger(_time_s(plan, speeds, array_of, candidate, cell_of), bounds[open_])
    fastest = xp.min(times, axis=0)
    tiles = xp.full(bounds.shape, float("inf"), dtype=xp.float64, device=device(bounds))
    tiles[open_] = _entries(plan, array_of, candidate, cell_of)(plan.tiles)
    picked = xp.argmin(choose(times == fastest, tiles, float("inf")), axis=0)
    entry = _entries(plan, array_of, picked, cell)
    order = picked // tilings
    read = choose(order == int(Order.KEEP_A), entry(plan.read[Order.KEEP_A]), entry(plan.read[Order.STREAM]))
    read = choose(order == int(Order.KEEP_B), entry(plan.read[Order.KEEP_B]), read)
    found = Chosen(
        time_s=fastest,
        cycles=entry(plan.cycles),
        array_bytes=entry(plan.array_bytes),
        read=read,
        written=entry(plan.written),
    )
    return Chosen(**{name: xp.reshape(column, (designs, count)) for name, column in vars(found).items()})


def _lower_bounds(plan, array_of, speeds, units):
    """Seconds (orders x tilings, designs, units) below which no candidate ends: docs/model.md, (33).

    Infinite where a candidate does not fit the buffer.
    """
    xp = namespace(plan.cycles)

    def spread(column):
        return column if plan.shape[1] == 1 else xp.take(column, array_of, axis=1)

    work_s = spread(plan.cycles) * speeds.cycle_s
    if speeds.buffer_bytes_per_s is not None:
        work_s = larger(work_s, (spread(plan.array_bytes) + units.touched) / speeds.buffer_bytes_per_s)
    stored = (spread(plan.written) + units.other_written) * speeds.write_cost + units.other_read
    bounds = []
    for order in Order:
        moved_s = (spread(plan.read[order]) + stored) / speeds.read_bytes_per_s
        fits = spread(plan.room[order]) <= speeds.buffer_bytes
        bounds.append(choose(fits, larger(work_s, moved_s), float("inf")))
    return xp.concat(bounds)


def _entries(plan, array_of, candidate, cell):
    """A function from a column of `plan` to its entries for pairs of candidate and (design, unit) cell, int64 (n,)."""
    xp = namespace(candidate)
    tilings, arrays, units = plan.shape
    place = xp.take(array_of, cell // units) * units + cell % units + candidate % tilings * (arrays * units)
    return lambda column: xp.take(xp.reshape(column, (-1,)), place)


def _time_s(plan, speeds, array_of, candidate, cell):
    """Seconds of the tile sequence of each pair of candidate and (design, unit) cell, int64 (n,); float64 (n,).

    A tile's place is first, later and full, or later and edge, along M and along N; all tiles of one pair of places are
    equal. What is kept is loaded by the first tile of its row only. docs/model.md, (29), (30), (31) and (32).
    """
    xp = namespace(candidate)
    tilings, _, units = plan.shape
    entry = _entries(plan, array_of, candidate, cell)
    order, design = candidate // tilings, cell // units
    load_s_per_byte = 1.0 / xp.take(speeds.read_bytes_per_s[:, 0], design)
    store_s_per_byte = load_s_per_byte * xp.take(speeds.write_cost[:, 0], design)
    cycle_s = xp.take(xp.reshape(speeds.cycle_s, (-1,)), cell)
    m_full, m_edge, n_full = entry(plan.m_count[0]), entry(plan.m_count[1]), entry(plan.n_full)
    repeats = entry(plan.repeats)
    some_m, some_n = m_full > 0, n_full > 0
    several = some_m | some_n | (m_edge * repeats > 1)

    busy = [entry(column) * cycle_s for column in plan.tile_cycles]
    if speeds.buffer_bytes_per_s is not None:
        buffer_s_per_byte = 1.0 / xp.take(speeds.buffer_bytes_per_s[:, 0], design)
        moved = [entry(column) * buffer_s_per_byte for column in plan.tile_array_bytes]
        busy = [larger(*pair) for pair in zip(busy, moved, strict=True)]
    a_full, a_edge = (entry(column) * load_s_per_byte for column in plan.a_missed)
    a = (choose(some_m, a_full, a_edge), a_full, a_edge)
    b = _by_place([entry(column) * load_s_per_byte for column in plan.b_missed], some_m, some_n)
    c = _by_place([entry(column) * store_s_per_byte for column in plan.c_missed], some_m, some_n)
    busy = _by_place(busy, some_m, some_n)
    m_places = (None, larger(m_full - 1.0, 0.0), m_edge - choose(some_m, 0.0, 1.0))
    n_places = (None, larger(n_full - 1.0, 0.0), 1.0 - choose(some_n, 0.0, 1.0))
    load_a, load_b = real(order != int(Order.KEEP_A)), real(order != int(Order.KEEP_B))

    total = 0.0
    for i, along_m in enumerate(m_places):
        for j, along_n in enumerate(n_places):
            load = (a[i] if j == 0 else a[i] * load_a) + (b[i][j] if i == 0 else b[i][j] * load_b)
            time = larger(busy[i][j], load + c[i][j])
            time = time if along_m is None else time * along_m
            total = total + (time if along_n is None else time * along_n)
    load, store, work = a[0] + b[0][0], c[0][0], busy[0][0]
    ahead = load * entry(plan.part)
    prologue = ahead + larger(work, load - ahead + choose(several, store, 0.0)) - larger(work, load + store)
    load = a[2] * choose(some_n, load_a, 1.0) + b[2][2] * choose(m_full + m_edge > 1, load_b, 1.0)
    epilogue = larger(busy[2][2], load) - larger(busy[2][2], load + c[2][2])
    return repeats * total + prologue + choose(several, epilogue, 0.0) + c[2][2]


def _by_place(values, some_m, some_n):
    """3 x 3 values by place along M and N, given those of CLASSES: a first tile is full if there are full ones."""
    of = dict(zip(CLASSES, values, strict=True))
    rows = [(choose(some_n, of[i, 0], of[i, 1]), of[i, 0], of[i, 1]) for i in (0, 1)]
    return (tuple(choose(some_m, full, edge) for full, edge in zip(*rows, strict=True)), *rows)
