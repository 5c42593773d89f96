"""Every tiling of every distinct op on every distinct array: its cycles, traffic and room, whatever the speeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from accel_model.array.dataflow import gemm_cycles
from accel_model.array.record import Arrays, Gemm, TiledDataflow
from accel_model.array.tiling import Order, candidates, cut
from accel_model.array.traffic import array_bytes
from accel_model.arrays import as_array, choose, device, namespace, real, smaller

if TYPE_CHECKING:
    from accel_model.work.units import Units

GRID_AXES = 5  # stretch, M, N, array, unit
CLASSES = ((0, 0), (0, 1), (1, 0), (1, 1))  # of tiles: full or edge along M, then along N


@dataclass(frozen=True, eq=False)
class TilePlan:
    """Tilings of units on arrays; every array is (tilings, arrays, units) float64, and lists go by class of tile.

    A tiling and an Order together are a candidate. docs/model.md, (26), (27) and (28).
    """

    tile_cycles: list  # of one tile of each of CLASSES
    tile_array_bytes: list  # between buffer and array for one tile of each of CLASSES
    a_missed: list  # bytes of A not on chip, in a tile that is full or edge along M
    b_missed: list  # of B, in a tile of each of CLASSES
    c_missed: list  # of C, in a tile of each of CLASSES
    m_count: list  # tiles along M, full and edge
    n_full: object  # full tiles along N; there is one edge tile
    repeats: object
    part: object  # of K in one load
    cycles: object  # of all tiles
    array_bytes: object  # of all tiles
    tiles: object  # how many
    read: list  # by Order: DRAM bytes of all tiles
    written: object
    room: list  # by Order: bytes of buffer that the tiling needs, infinite where it makes no sense

    @property
    def shape(self) -> tuple[int, int, int]:
        """(tilings, arrays, units)."""
        return self.cycles.shape

    def map(self, function: Callable) -> TilePlan:
        """The TilePlan with `function` done to every array."""
        return TilePlan(
            **{
                name: [function(column) for column in values] if isinstance(values, list) else function(values)
                for name, values in vars(self).items()
            }
        )


def make_plan(record: TiledDataflow, units: Units, arrays: Arrays) -> TilePlan:
    """The TilePlan of Units (units,), all with MACs, float64, by a TiledDataflow on Arrays (arrays, 1), float64."""
    xp = namespace(units.m)
    cells = (arrays.rows.shape[0], units.m.shape[0])
    plans = []
    for levels in candidates(record, bool(xp.any(units.groups > 1))):
        axes = np.broadcast_shapes(*(values.shape for values in vars(levels).values()))[:3]
        grid = levels.map(lambda values: xp.asarray(values * 1.0, device=device(units.m)))
        plans.append(_flat(_plan_of(record, units, arrays, cut(record, units, arrays, grid)), axes, cells))
    return plans[0] if len(plans) == 1 else _joined(xp, plans)


def _flat(plan, axes, cells):
    """`plan`, whose arrays broadcast to (*axes, *cells), with one axis in place of `axes`."""
    xp, shape, flat = namespace(plan.cycles), (*axes, *cells), (int(np.prod(axes)), *cells)
    return plan.map(lambda column: xp.reshape(xp.broadcast_to(as_array(xp, column, (plan.cycles,)), shape), flat))


def _joined(xp, plans):
    """One TilePlan with the tilings of all `plans`."""
    columns = {}
    for name in (f.name for f in fields(TilePlan)):
        parts = [getattr(plan, name) for plan in plans]
        together = [xp.concat(pieces) for pieces in zip(*parts, strict=True)] if isinstance(parts[0], list) else None
        columns[name] = xp.concat(parts) if together is None else together
    return TilePlan(**columns)


def _plan_of(record, units, arrays, tiling):
    """The TilePlan of one Tiling, with arrays that broadcast: docs/model.md, (26) and (27)."""
    cycles = [_tile_cycles(record, units, arrays, tiling, *each) for each in CLASSES]
    moved = [_tile_array_bytes(record, units, arrays, tiling, *each) for each in CLASSES]
    a = [units.a_missed * share for share in tiling.a_share]
    b = [units.b_missed * tiling.b_share[i][j] for i, j in CLASSES]
    c = [units.c_missed * tiling.c_share[i][j] for i, j in CLASSES]
    m_full, m_edge, n_full = real(tiling.m_count[0]), real(tiling.m_count[1]), real(tiling.n_count[0])
    repeats = real(tiling.repeats)

    def total(of_class):
        full_edge, edge_edge = n_full * of_class[0] + of_class[1], n_full * of_class[2] + of_class[3]
        return repeats * (m_full * full_edge + m_edge * edge_edge)

    a_once = repeats * (m_full * a[0] + m_edge * a[1])
    b_once = repeats * (n_full * b[2] + b[3])
    tiles = repeats * (m_full + m_edge) * (n_full + 1.0)
    part = real(tiling.chunk) / units.k
    return TilePlan(
        tile_cycles=cycles,
        tile_array_bytes=moved,
        a_missed=a,
        b_missed=b,
        c_missed=c,
        m_count=[m_full, m_edge],
        n_full=n_full,
        repeats=repeats,
        part=part,
        cycles=total(cycles),
        array_bytes=total(moved),
        tiles=tiles,
        read=[a_once * (n_full + 1.0) + total(b), a_once + total(b), a_once * (n_full + 1.0) + b_once],
        written=total(c),
        room=_room(units, arrays, tiling, part, tiles > 1),
    )


def _tile_cycles(record, units, arrays, tiling, i, j):
    """Cycles of a tile of class `i` along M and `j` along N."""

    def cycles(depth):
        return gemm_cycles(record, Gemm(tiling.m[i], tiling.n[j], depth, tiling.groups[i]), arrays)

    if not record.stretches:
        return cycles(units.k)
    stretch = choose(tiling.stretches > 1, tiling.chunk, units.k)
    last = cycles(units.k - (tiling.stretches - 1) * stretch)
    return (tiling.stretches - 1) * cycles(stretch) + last


def _tile_array_bytes(record, units, arrays, tiling, i, j):
    """Bytes between buffer and array for a tile of class `i` along M and `j` along N."""
    gemm = Gemm(tiling.m[i], tiling.n[j], units.k)
    stretch = choose(tiling.stretches > 1, tiling.chunk, units.k)
    operands, spills = record.operands(gemm, arrays), record.spills(gemm, arrays, stretch)
    overlapped = choose(units.halo == 2, 1.0, 0.0)
    return tiling.groups[i] * array_bytes(operands, spills, gemm, arrays, units.element_bytes, overlapped)


def _room(units, arrays, tiling, part, several):
    """By Order, bytes for a tile's operands, the chunks loaded ahead and its accumulators, two sets if `several`.

    Infinite for a candidate that is another one over again: a tile that two multiples are clipped to, or an operand
    kept that no second tile would load. docs/model.md, (28).
    """
    again = _same_as_before(tiling.chunk, 0) | _same_as_before(tiling.m[0], 1) | _same_as_before(tiling.n[0], 2)
    if tiling.m[0].shape[1] == 1:  # the grid in which groups, not M, vary
        again = again | _same_as_before(tiling.groups[0], 1)
    groups, element_bytes = tiling.groups[0], units.element_bytes
    a = smaller(units.a_bytes * tiling.a_share[0], groups * tiling.m[0] * units.k * element_bytes)
    b = smaller(units.b_bytes * tiling.b_share[0][0], groups * tiling.n[0] * units.k * element_bytes)
    sums = groups * tiling.m[0] * tiling.n[0] * arrays.accumulator_bytes * choose(several, 2.0, 1.0)
    a_chunks, b_chunks = 2.0 * part * a, 2.0 * part * b
    alone = smaller(a_chunks, a) + smaller(b_chunks, b)
    one_group = groups == 1
    keeps_a = one_group & (tiling.n_count[0] > 0)
    keeps_b = one_group & (tiling.m_count[0] + tiling.m_count[1] > 1)
    rooms = [
        sums + choose(several, a_chunks + b_chunks, alone),
        choose(keeps_a, sums + a * (1.0 + part) + b_chunks, float("inf")),
        choose(keeps_b, sums + b * (1.0 + part) + a_chunks, float("inf")),
    ]
    assert len(rooms) == len(Order)
    return rooms if again is False else [choose(again, float("inf"), room) for room in rooms]


def _same_as_before(sizes, axis):
    """Where `sizes` equal those one step earlier along `axis` of the grid; False where they do not vary along it."""
    if getattr(sizes, "ndim", 0) < GRID_AXES or sizes.shape[axis] < 2:
        return False
    xp, count = namespace(sizes), sizes.shape[axis]
    before = xp.take(sizes, xp.arange(count - 1, device=device(sizes)), axis=axis)
    after = xp.take(sizes, xp.arange(1, count, device=device(sizes)), axis=axis)
    same = after == before
    first = xp.zeros((*same.shape[:axis], 1, *same.shape[axis + 1 :]), dtype=xp.bool, device=device(sizes))
    return xp.concat([first, same], axis=axis)
