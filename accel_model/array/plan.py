"""Every tiling of every distinct op on every distinct array: its cycles, traffic and room, whatever the speeds."""

from dataclasses import dataclass

import numpy as np

from accel_model.array.dataflow import CYCLES, Convention, Dataflow, scalesim_cycles
from accel_model.array.tiling import Order, candidates, cut
from accel_model.array.traffic import array_bytes
from accel_model.arrays import choose, device, namespace, real, smaller

GRID_AXES = 5  # chunk, M, N, array, unit
CLASSES = ((0, 0), (0, 1), (1, 0), (1, 1))  # of tiles: full or edge along M, then along N


@dataclass(frozen=True, eq=False)
class Plan:
    """Tilings of units on arrays; every array is (tilings, arrays, units) float64, and lists go by class of tile.

    A tiling and an Order together are a candidate.
    """

    cycles: list  # of one tile of each of CLASSES
    array_bytes: list  # between buffer and array for one tile of each of CLASSES
    a: list  # missed bytes of A in a tile that is full or edge along M
    b: list  # missed bytes of B in a tile of each of CLASSES
    c: list  # missed bytes of C in a tile of each of CLASSES
    m_count: list  # tiles along M, full and edge
    n_full: object  # full tiles along N; there is one edge tile
    repeats: object
    part: object  # of K in one load
    all_cycles: object  # of all tiles
    all_array_bytes: object
    tiles: object
    read: list  # by Order: DRAM bytes of all tiles
    written: object
    room: list  # by Order: bytes of buffer that the tiling needs, infinite where it makes no sense

    @property
    def shape(self):
        """(tilings, arrays, units)."""
        return self.all_cycles.shape


def gemm_cycles(u, d, m, n, k, groups):
    """float64 cycles of GEMMs on Arrays `d`; see accel_model/dataflow.py."""
    share = {"groups": groups, "cores": d.cores}
    if d.convention == Convention.SCALESIM:
        return scalesim_cycles(d.dataflow, m, n, k, d.rows, d.cols, **share)
    return CYCLES[d.dataflow](m, n, k, d.rows, d.cols, overlap=d.overlap, trim=d.trim, **share)


def make_plan(u, d):
    """The Plan of units `u` (columns (units,), all with MACs, float64) on Arrays `d`."""
    xp = namespace(u.m)
    cells = (d.rows.shape[0], u.m.shape[0])
    parts = []
    for grid in candidates(d.dataflow, bool(xp.any(u.groups > 1))):
        columns = [xp.asarray(levels * 1.0, device=device(u.m)) for levels in vars(grid).values()]
        axes = np.broadcast_shapes(*(levels.shape for levels in vars(grid).values()))[:3]
        columns = _columns(u, d, cut(u, d, type(grid)(*columns)))
        shape, flat = (*axes, *cells), (int(np.prod(axes)), *cells)
        parts.append([xp.reshape(xp.broadcast_to(xp.asarray(column), shape), flat) for column in columns])
    columns = [pieces[0] if len(pieces) == 1 else xp.concat(pieces) for pieces in zip(*parts, strict=True)]
    take = iter(columns).__next__
    return Plan(
        cycles=[take() for _ in CLASSES],
        array_bytes=[take() for _ in CLASSES],
        a=[take() for _ in range(2)],
        b=[take() for _ in CLASSES],
        c=[take() for _ in CLASSES],
        m_count=[take() for _ in range(2)],
        n_full=take(),
        repeats=take(),
        part=take(),
        all_cycles=take(),
        all_array_bytes=take(),
        tiles=take(),
        read=[take() for _ in Order],
        written=take(),
        room=[take() for _ in Order],
    )


def _columns(u, d, t):
    """The columns of a Plan in order, with axes that broadcast."""
    cycles = [_tile_cycles(u, d, t, *each) for each in CLASSES]
    moved = [_tile_array_bytes(u, d, t, *each) for each in CLASSES]
    a = [u.a_missed * share for share in t.a_share]
    b = [u.b_missed * t.b_share[i][j] for i, j in CLASSES]
    c = [u.c_missed * t.c_share[i][j] for i, j in CLASSES]
    m0, m1, n0 = real(t.m_count[0]), real(t.m_count[1]), real(t.n_count[0])
    repeats = real(t.repeats)

    def total(of_class):
        return repeats * (m0 * (n0 * of_class[0] + of_class[1]) + m1 * (n0 * of_class[2] + of_class[3]))

    a_once = repeats * (m0 * a[0] + m1 * a[1])
    b_once = repeats * (n0 * b[2] + b[3])
    read = [a_once * (n0 + 1.0) + total(b), a_once + total(b), a_once * (n0 + 1.0) + b_once]
    tiles = repeats * (m0 + m1) * (n0 + 1.0)
    part = real(t.chunk) / u.k
    return [
        *cycles,
        *moved,
        *a,
        *b,
        *c,
        *(m0, m1, n0, repeats, part),
        *(total(cycles), total(moved), tiles),
        *read,
        total(c),
        *_room(u, d, t, part, tiles > 1),
    ]


def _tile_cycles(u, d, t, i, j):
    """Cycles of a tile of class `i` along M and `j` along N."""
    if d.dataflow != Dataflow.OS:
        return gemm_cycles(u, d, t.m[i], t.n[j], u.k, t.groups[i])
    stretch = choose(t.pieces > 1, t.chunk, u.k)
    last = gemm_cycles(u, d, t.m[i], t.n[j], u.k - (t.pieces - 1) * stretch, t.groups[i])
    return (t.pieces - 1) * gemm_cycles(u, d, t.m[i], t.n[j], stretch, t.groups[i]) + last


def _tile_array_bytes(u, d, t, i, j):
    """Bytes between buffer and array for a tile of class `i` along M and `j` along N."""
    stretch = choose(t.pieces > 1, t.chunk, u.k)
    overlapped = choose(u.halo == 2, 1.0, 0.0)
    sizes = (t.m[i], t.n[j], u.k, d.rows, d.cols, u.element_bytes, d.accumulator_bytes)
    return t.groups[i] * array_bytes(d.dataflow, *sizes, chunk=stretch, overlapped=overlapped)


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


def _room(u, d, t, part, several):
    """By Order, bytes for a tile's operands, the chunks loaded ahead and its accumulators, two sets if `several`.

    Infinite for a candidate that is another one over again: a tile that two multiples are clipped to, or an operand
    kept that no second tile would load.
    """
    double = _same_as_before(t.chunk, 0) | _same_as_before(t.m[0], 1) | _same_as_before(t.n[0], 2)
    if t.m[0].shape[1] == 1:  # the grid in which groups, not M, vary
        double = double | _same_as_before(t.groups[0], 1)
    a = smaller(u.a_bytes * t.a_share[0], t.groups[0] * t.m[0] * u.k * u.element_bytes)
    b = smaller(u.b_bytes * t.b_share[0][0], t.groups[0] * t.n[0] * u.k * u.element_bytes)
    partial = t.groups[0] * t.m[0] * t.n[0] * d.accumulator_bytes * choose(several, 2.0, 1.0)
    a_chunks, b_chunks = 2.0 * part * a, 2.0 * part * b
    alone = smaller(a_chunks, a) + smaller(b_chunks, b)
    one_group = t.groups[0] == 1
    keeps_a, keeps_b = one_group & (t.n_count[0] > 0), one_group & (t.m_count[0] + t.m_count[1] > 1)
    rooms = [
        partial + choose(several, a_chunks + b_chunks, alone),
        choose(keeps_a, partial + a * (1.0 + part) + b_chunks, float("inf")),
        choose(keeps_b, partial + b * (1.0 + part) + a_chunks, float("inf")),
    ]
    return rooms if double is False else [choose(double, float("inf"), room) for room in rooms]
