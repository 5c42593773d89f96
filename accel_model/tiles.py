"""The tiles in which an op passes through the on-chip memory: the fastest of a fixed grid, all of it in closed form.

C is cut into tiles of tm x tn. K is innermost: a tile's operands stream in, double-buffered, in chunks of K while it
computes; a finished tile is stored while the next one computes. A tile lasts as long as the slowest of its MACs, its
buffer traffic and its DRAM traffic (what it loads and what it stores). Nothing hides the first chunk of the first tile
and the store of the last. Orders: STREAM loads both operands of every tile; KEEP_A goes along N inside and loads a
panel of A (tm x K) once; KEEP_B goes along M inside and loads a panel of B once.

The grid is in multiples of the array's sides, or the whole dimension, and does not know the buffer: a larger one only
adds candidates. Tiles of a convolution take whole rows of output pixels of one image, or whole images; rows that two
tiles share are loaded twice (halo). A tile of all of M and N can take several groups.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from accel_model.arrays import ceil_div, choose, device, larger, namespace, real, smaller
from accel_model.buffer_traffic import array_bytes
from accel_model.dataflow import CYCLES, Convention, Dataflow, Overlap, scalesim_cycles

WHOLE = 0  # a multiple that stands for the whole dimension
SIDE = (WHOLE, 16, 4, 1)  # multiples of the array's side
STREAMED = (WHOLE, 512, 64, 8)  # elements of the dimension that no side of the array holds
GROUPS_AT_ONCE = (WHOLE, 16, 1)
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
    chunk: object  # K per load of an os array that sums up several folds


@dataclass(frozen=True)
class Machine:
    """The columns of a Design that tiles need, each (designs, 1), and the class that its designs share."""

    dataflow: Dataflow
    overlap: Overlap
    trim: bool
    convention: Convention
    rows: object
    cols: object
    cores: object
    cycle_s: object  # (designs, units) seconds per cycle at the unit's precision
    accumulator_bytes: object
    buffer_bytes: object
    buffer_bytes_per_s: object  # None where no design has a limit
    read_bytes_per_s: object
    write_cost: object

    def cycles(self, m, n, k, groups):
        """int64 cycles of a GEMM on this class of array; see accel_model/dataflow.py."""
        share = {"groups": groups, "cores": self.cores}
        if self.convention == Convention.SCALESIM:
            return scalesim_cycles(self.dataflow, m, n, k, self.rows, self.cols, **share)
        return CYCLES[self.dataflow](m, n, k, self.rows, self.cols, overlap=self.overlap, trim=self.trim, **share)


def candidates(dataflow):
    """The Candidates of a dataflow, numpy (candidates,), largest tiles first."""
    m_levels = STREAMED if dataflow == Dataflow.WS else SIDE
    n_levels = STREAMED if dataflow == Dataflow.IS else SIDE
    chunks = LONG_CHUNKS if dataflow == Dataflow.OS else (CHUNK,)
    grid = [
        (m, n, groups, chunk)
        for m in range(4)
        for n in range(4)
        for groups in (GROUPS_AT_ONCE if m == n == 0 else (1,))
        for chunk in chunks
        if not (m == n == 3 and chunk != chunks[0])
    ]
    grid.sort(key=lambda c: (c[0] + c[1], -c[3]))
    return Candidates(
        m=np.array([m_levels[c[0]] for c in grid]),
        n=np.array([n_levels[c[1]] for c in grid]),
        groups=np.array([c[2] for c in grid]),
        chunk=np.array([c[3] for c in grid]),
    )


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
    """The Tiling of units `u` (columns (units,)) for Candidates `c` on Machine `d`; shapes broadcast."""
    m_side, n_side = _sides(d)
    tm = choose(c.m == WHOLE, u.m, smaller(u.m, c.m * m_side))
    tn = choose(c.n == WHOLE, u.n, smaller(u.n, c.n * n_side))
    wanted = choose(c.groups == WHOLE, u.groups, smaller(u.groups, c.groups))
    at_once = choose((c.m == WHOLE) & (c.n == WHOLE), wanted, 1)
    several = at_once > 1
    batches = ceil_div(u.groups, at_once)

    per_image = u.image_rows * u.row_pixels
    within = tm < per_image  # part of one image, else whole images
    unit = choose(within, u.row_pixels, per_image)
    span = choose(within, u.image_rows, u.images)
    blocks = choose(within, u.images, 1)
    taken = ceil_div(tm, unit)
    steps = ceil_div(span, taken)
    sizes = (taken, span - (steps - 1) * taken)
    n_steps = ceil_div(u.n, tn)
    n = (tn, u.n - (n_steps - 1) * tn)
    groups = (at_once, choose(several, u.groups - (batches - 1) * at_once, 1))
    chunk, pieces = _stretches(u, d, c, (tm <= m_side) & (tn <= n_side))

    of_groups = [real(g) / real(u.groups) for g in groups]
    of_n = [real(size) / real(u.n) for size in n]
    shares = [_m_shares(u, size, within, size * unit) for size in sizes]
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


def _m_shares(u, taken, within, tm):
    """Shares of A's and C's bytes of one group that a tile of `taken` rows or images, `tm` elements of M, touches."""
    even = real(tm) / real(u.m)
    rows = smaller(u.input_rows, (taken - 1) * u.stride + larger(u.reach, u.stride))
    all_rows = smaller(u.input_rows, (u.image_rows - 1) * u.stride + larger(u.reach, u.stride))
    halo = choose(within, real(rows) / real(all_rows * u.images), even)
    channels = choose(tm % u.area == 0, tm, smaller(u.m, (ceil_div(tm, u.area) + 1) * u.area))
    a_share = choose(u.halo == 1, halo, choose(u.area > 1, real(channels) / real(u.m), even))
    return a_share, choose(u.halo == 2, halo, even)


def tile_cycles(u, d, t, i, j):
    """int64 cycles of a tile of class `i` along M and `j` along N."""
    if d.dataflow != Dataflow.OS:
        return d.cycles(t.m[i], t.n[j], u.k, t.groups[i])
    stretch = choose(t.pieces > 1, t.chunk, u.k)
    last = u.k - (t.pieces - 1) * stretch
    return (t.pieces - 1) * d.cycles(t.m[i], t.n[j], stretch, t.groups[i]) + d.cycles(t.m[i], t.n[j], last, t.groups[i])


def tile_array_bytes(u, d, t, i, j):
    """int64 bytes between buffer and array for a tile of class `i` along M and `j` along N."""
    stretch = choose(t.pieces > 1, t.chunk, u.k)
    overlapped = choose(u.halo == 2, 1, 0)
    sizes = (t.m[i], t.n[j], u.k, d.rows, d.cols, u.element_bytes, d.accumulator_bytes)
    return t.groups[i] * array_bytes(d.dataflow, *sizes, chunk=stretch, overlapped=overlapped)


def order_times(u, d, t):
    """Seconds of the tile sequence in each Order, infinite where its tiles do not fit the buffer: a list of arrays."""
    pairs = [(i, j) for i in (0, 1) for j in (0, 1)]
    busy = {p: _busy_s(u, d, t, *p) for p in pairs}
    a = [u.a_missed * t.a_share[i] / d.read_bytes_per_s for i in (0, 1)]
    b = {(i, j): u.b_missed * t.b_share[i][j] / d.read_bytes_per_s for i, j in pairs}
    c = {(i, j): u.c_missed * t.c_share[i][j] * (d.write_cost / d.read_bytes_per_s) for i, j in pairs}
    m0, m1, n0 = (real(x) for x in (t.m_count[0], t.m_count[1], t.n_count[0]))
    some_m, some_n = t.m_count[0] > 0, t.n_count[0] > 0
    repeats = real(t.repeats)
    several = some_m | some_n | (t.m_count[1] * t.repeats > 1)

    both = {(i, j): larger(busy[i, j], a[i] + b[i, j] + c[i, j]) for i, j in pairs}
    only_b = {(i, j): larger(busy[i, j], b[i, j] + c[i, j]) for i, j in pairs}
    only_a = {(i, j): larger(busy[i, j], a[i] + c[i, j]) for i, j in pairs}

    def first_n(values, i):
        return choose(some_n, values[i, 0], values[i, 1])

    def first(values):
        return choose(some_m, first_n(values, 0), first_n(values, 1))

    more_n, edge_n = larger(n0 - 1, 0.0), choose(some_n, 1.0, 0.0)
    rows = [first_n(both, i) + more_n * only_b[i, 0] + edge_n * only_b[i, 1] for i in (0, 1)]
    more_m, edge_m = larger(m0 - 1, 0.0), m1 - choose(some_m, 0.0, 1.0)
    columns = [choose(some_m, both[0, j], both[1, j]) + more_m * only_a[0, j] + edge_m * only_a[1, j] for j in (0, 1)]
    sums = {
        Order.STREAM: m0 * (n0 * both[0, 0] + both[0, 1]) + m1 * (n0 * both[1, 0] + both[1, 1]),
        Order.KEEP_A: m0 * rows[0] + m1 * rows[1],
        Order.KEEP_B: n0 * columns[0] + columns[1],
    }
    a_first = choose(some_m, a[0], a[1])
    load, store, work = a_first + first(b), first(c), first(busy)
    ahead = load * (real(t.chunk) / real(u.k))
    start = ahead + larger(work, load - ahead + choose(several, store, 0.0)) - larger(work, load + store)
    alone_m = t.m_count[0] + t.m_count[1] == 1
    last_load = {
        Order.STREAM: a[1] + b[1, 1],
        Order.KEEP_A: b[1, 1] + choose(some_n, 0.0, a[1]),
        Order.KEEP_B: a[1] + choose(alone_m, b[1, 1], 0.0),
    }
    fits = _fits(u, d, t, several)
    times = []
    for order in Order:
        load = last_load[order]
        end = larger(busy[1, 1], load) - larger(busy[1, 1], load + c[1, 1])
        time = repeats * sums[order] + start + choose(several, end, 0.0) + c[1, 1]
        times.append(choose(fits[order], time, float("inf")))
    return times


def _busy_s(u, d, t, i, j):
    """Seconds that the MACs or the buffer are busy with a tile."""
    busy = real(tile_cycles(u, d, t, i, j)) * d.cycle_s
    if d.buffer_bytes_per_s is None:
        return busy
    return larger(busy, real(tile_array_bytes(u, d, t, i, j)) / d.buffer_bytes_per_s)


def _fits(u, d, t, several):
    """Per Order, whether a tile's operands, the chunks loaded ahead and its accumulators fit the buffer."""
    part = real(t.chunk) / real(u.k)
    ahead = choose(several, 2 * part, smaller(2 * part, 1.0))
    a = u.a_bytes * t.a_share[0]
    b = u.b_bytes * t.b_share[0][0]
    partial = real(t.groups[0] * t.m[0] * t.n[0] * d.accumulator_bytes) * choose(several, 2.0, 1.0)
    one_group = t.groups[0] == 1
    return {
        Order.STREAM: ahead * (a + b) + partial <= d.buffer_bytes,
        Order.KEEP_A: one_group & (a * (1 + part) + ahead * b + partial <= d.buffer_bytes),
        Order.KEEP_B: one_group & (b * (1 + part) + ahead * a + partial <= d.buffer_bytes),
    }


def traffic(u, t, order):
    """(read, written) DRAM bytes of the tile sequence in `order`, an array of Order; float64."""
    m0, m1, n0 = (real(x) for x in (t.m_count[0], t.m_count[1], t.n_count[0]))
    a_once = m0 * t.a_share[0] + m1 * t.a_share[1]
    b_row = [n0 * t.b_share[i][0] + t.b_share[i][1] for i in (0, 1)]
    written = m0 * (n0 * t.c_share[0][0] + t.c_share[0][1]) + m1 * (n0 * t.c_share[1][0] + t.c_share[1][1])
    a_times = choose(order == Order.KEEP_A, 1.0, n0 + 1)
    b_times = choose(order == Order.KEEP_B, b_row[1], m0 * b_row[0] + m1 * b_row[1])
    repeats = real(t.repeats)
    return repeats * (u.a_missed * a_once * a_times + u.b_missed * b_times), repeats * u.c_missed * written


def sum_over_tiles(t, of_class):
    """int64, the sum of of_class(i, j) over all tiles of `t`."""
    return t.repeats * sum(t.m_count[i] * t.n_count[j] * of_class(i, j) for i in (0, 1) for j in (0, 1))


def search(u, d):
    """The fastest tiling of each unit on each design.

    u: Units in arrays (units,), byte columns float64, all with MACs. d: Machine with columns (designs, 1).
    Returns (seconds float64, Tiling, order int64), all (designs, units); seconds are infinite where nothing fits.
    """
    xp = namespace(u.m)
    grid = candidates(d.dataflow)
    columns = [xp.asarray(getattr(grid, f), device=device(u.m)) for f in ("m", "n", "groups", "chunk")]
    count = columns[0].shape[0]
    stacked = Candidates(*(xp.reshape(column, (count, 1, 1)) for column in columns))
    times = order_times(u, d, cut(u, d, stacked))
    shape = (count, d.rows.shape[0], u.m.shape[0])
    times = xp.concat([xp.broadcast_to(time, shape) for time in times])
    best = xp.argmin(times, axis=0)
    fastest = xp.min(times, axis=0)
    picked = xp.reshape(best % count, (-1,))
    chosen = Candidates(*(xp.reshape(xp.take(column, picked), best.shape) for column in columns))
    return fastest, cut(u, d, chosen), best // count
