"""Compute cycles of a GEMM on a systolic array: one closed form per dataflow, in exact integers, loop-free over folds.

The array has R rows and C columns, one MAC per PE and cycle, one register hop right and down per cycle, skew registers
inside. Cycles are clock edges from the one that samples the first operand at the array's edge to the one that writes
the last result at the bottom row, both included. `C[M,N] = A[M,K] B[K,N]` is cut into folds, column folds outer and
row folds inner, and folds of `groups` independent GEMMs follow each other in one sequence. Of each dataflow:

- os: a fold computes m x n results, m <= R rows and n <= C columns of PEs; operands stream for S = K cycles, the last
  of the m n PEs ends m + n - 2 later, and results shift down R rows to the bottom.
- ws: a fold holds m x n weights, m <= R of K and n <= C of N; they are shifted in over m cycles, A streams for S = M
  cycles, and the last result passes R rows and n columns: R + n - 2 later.
- is: ws on the transposed problem, M and N swapped.

overlap: with `none` a fold starts after the last result of the one before. `buffered` hides drain (os) or preload (ws)
behind the streaming of the next (os) or previous (ws) fold. `pipelined` streams folds back to back: the next starts
max(S, shifts) after this one, where the shifts hidden behind the phase are the m rows being drained of this fold (os)
or being loaded for the next (ws). trim: true takes m and n as an edge fold uses them; false pads each to R and C.
"""

from enum import IntEnum

from accel_model.arrays import at_places, ceil_div, choose, floor_div, larger, largest, smaller


class Dataflow(IntEnum):
    """What stays in the array: output, weights, input, a filter row; BEST of the first 3; IDEAL keeps each PE busy."""

    OS = 0
    WS = 1
    IS = 2
    RS = 3
    BEST = 4
    IDEAL = 5


class Overlap(IntEnum):
    """What a fold waits for: the last result before it, the last MAC before it, or its turn to stream."""

    NONE = 0
    BUFFERED = 1
    PIPELINED = 2


class Convention(IntEnum):
    """Which cycles are counted: the RTL's, or those that SCALE-Sim v3 reports."""

    RTL = 0
    SCALESIM = 1


def padded_cycles(folds, stream, rows, cols, overlap):
    """Cycles of `folds` equal folds: int arrays that broadcast; the same form for os, ws and is."""
    fold = 2 * rows + cols + stream - 2
    if overlap == Overlap.NONE:
        return folds * fold
    if overlap == Overlap.BUFFERED:
        return folds * (fold - rows) + rows
    return (folds - 1) * larger(stream, rows) + fold


def os_cycles(m, n, k, rows, cols, *, overlap, trim, groups=1, cores=1):
    """Cycles of an output-stationary array at full operand bandwidth, of the core that takes longest.

    m, n, k, groups: int or int64 arrays, GEMM sizes in elements, above 0. rows, cols: PEs per core. cores: they share
    the folds of all groups in order, ceil(folds / cores) each. All broadcast. overlap: Overlap; trim: bool.
    Returns int64 of the broadcast shape. Source: this module's text; proven against RTL.
    """
    folds = _Folds(m, n, rows, cols, groups)
    share = ceil_div(folds.total, cores)
    if not trim:
        return padded_cycles(share, k, rows, cols, overlap)
    if overlap == Overlap.NONE:
        return share * (k + rows - 2) + folds.sum_m(share) + folds.sum_n(share)
    if overlap == Overlap.BUFFERED:
        return share * (k - 2) + folds.sum_m(share) + folds.sum_n(share) + rows
    return _longest_share(_os_pipelined, (m, n, k, rows, cols, groups), folds, share, cores)


def _os_pipelined(folds, k, start, end):
    """Cycles of the trimmed, pipelined os folds from `start` up to `end`."""
    last, wide = end - 1, folds.last_wide(end - 1)
    streamed = folds.phases(k, last)
    behind = streamed - folds.phases(k, wide)
    ahead = choose(wide >= start, folds.m_at(wide) + folds.cols - behind, 0)
    tail = larger(folds.m_at(last) + folds.n_at(last), ahead)
    return streamed - folds.phases(k, start) + k + tail - 2 + folds.rows


def ws_cycles(m, n, k, rows, cols, *, overlap, trim, groups=1, cores=1):
    """Cycles of a weight-stationary array at full operand bandwidth, of the core that takes longest.

    Arguments, returns and source as in `os_cycles`.
    """
    folds = _Folds(k, n, rows, cols, groups)
    share = ceil_div(folds.total, cores)
    if not trim:
        return padded_cycles(share, m, rows, cols, overlap)
    if overlap == Overlap.NONE:
        return share * (m + rows - 2) + folds.sum_m(share) + folds.sum_n(share)
    if overlap == Overlap.BUFFERED:
        return folds.m_at(0) + share * (m + rows - 2) + folds.sum_n(share)
    return _longest_share(_ws_pipelined, (k, n, m, rows, cols, groups), folds, share, cores)


def _ws_pipelined(folds, m, start, end):
    """Cycles of the trimmed, pipelined ws folds from `start` up to `end`."""
    wide = folds.last_wide(end - 1)
    streamed = folds.phases(m, end)
    ahead = choose(wide >= start, folds.cols - (streamed - folds.phases(m, wide + 1)), 0)
    tail = larger(folds.n_at(end - 1), ahead)
    return folds.m_at(start) + streamed - folds.phases(m, start + 1) + m + folds.rows - 2 + tail


def is_cycles(m, n, k, rows, cols, *, overlap, trim, groups=1, cores=1):
    """Cycles of an input-stationary array: weight-stationary on the transposed problem; see `ws_cycles`."""
    return ws_cycles(n, m, k, rows, cols, overlap=overlap, trim=trim, groups=groups, cores=cores)


def ideal_cycles(m, n, k, rows, cols, *, overlap=None, trim=None, groups=1, cores=1):
    """Cycles with every MAC unit busy in each of them: MACs over PEs, rounded up; see `os_cycles` for the arguments."""
    return ceil_div(groups * m * n * k, rows * cols * cores)


RS_INPUT_WORDS = 12  # a PE's input scratchpad, in elements: rows of several channels are summed up while they fit
RS_FILTERS = 16  # filters that a PE works on at a time
"""Source: Chen, Krishna, Emer, Sze, "Eyeriss", IEEE JSSC 52(1), 2017, section IV and Table V (mapping parameters)."""


def rs_cycles(rows_out, pixels, filters, channels, filter_rows, filter_cols, rows, cols, *, planes, groups=1, cores=1):
    """Cycles of a row-stationary convolution, of the core that takes longest.

    rows_out, pixels: rows of an output plane and the pixels of a row. filters, channels: output and input channels of a
    group. planes: images. All int or int64 arrays above 0 that broadcast; a GEMM is one plane of M rows of one pixel.
    A filter row stays in a PE and a column of PEs makes an output row, so a set is filter_rows x cols PEs. The rows of
    a plane are spread over sets first; sets that are left over take other filters or images. A PE sums up the filter
    rows of as many channels as its scratchpad holds, then takes one more cycle to add what the PE below has.
    Returns int64 of the broadcast shape. Source: Chen et al., JSSC 2017 and ISCA 2016.
    """
    _, copies, passes = _row_sets(rows_out, filter_rows, rows, cols)
    work = ceil_div(planes * filters, copies * cores)
    sums = rs_sums(channels, filter_cols)
    return groups * passes * ceil_div(filter_rows, rows) * work * pixels * (channels * filter_cols + sums)


def rs_active_pes(rows_out, filter_rows, rows, cols):
    """PEs that a row-stationary convolution keeps busy; arguments as in `rs_cycles`. Returns int64."""
    sets, copies, passes = _row_sets(rows_out, filter_rows, rows, cols)
    return smaller(filter_rows, rows) * smaller(ceil_div(rows_out, passes), sets * cols) * copies


def _row_sets(rows_out, filter_rows, rows, cols):
    """(sets that share a plane, copies of those, passes over the plane's rows)."""
    fitting = larger(floor_div(rows, filter_rows), 1)
    strips = ceil_div(rows_out, cols)
    sets = smaller(fitting, strips)
    return sets, floor_div(fitting, sets), ceil_div(rows_out, sets * cols)


def rs_sums(channels, filter_cols):
    """Times that each partial sum of a row-stationary convolution leaves its PE; arguments as in `rs_cycles`."""
    return ceil_div(channels, _channels_at_once(filter_cols))


def rs_passes(rows_out, filter_rows, rows, cols):
    """Times that a row-stationary array takes up its filters anew; arguments as in `rs_cycles`."""
    return _row_sets(rows_out, filter_rows, rows, cols)[2]


def _channels_at_once(filter_cols):
    return larger(floor_div(0 * filter_cols + RS_INPUT_WORDS, filter_cols), 1)


CYCLES = {Dataflow.OS: os_cycles, Dataflow.WS: ws_cycles, Dataflow.IS: is_cycles, Dataflow.IDEAL: ideal_cycles}


def scalesim_cycles(dataflow, m, n, k, rows, cols, *, groups=1, cores=1):
    """Compute cycles as SCALE-Sim v3 reports them: padded folds one after another, one less than their sum.

    Per fold OS R+C+K-2, WS 2R+C+M-2, IS 2R+C+N-2. Arguments as in `os_cycles`; dataflow: OS, WS or IS.
    Source: SCALE-Sim 3.0.0, COMPUTE_REPORT.csv, column "Total Cycles" without stalls; figures in tests/neighbours.
    """
    if dataflow == Dataflow.OS:
        folds, fold = ceil_div(m, rows) * ceil_div(n, cols), rows + cols + k - 2
    elif dataflow == Dataflow.WS:
        folds, fold = ceil_div(k, rows) * ceil_div(n, cols), 2 * rows + cols + m - 2
    else:
        folds, fold = ceil_div(k, rows) * ceil_div(m, cols), 2 * rows + cols + n - 2
    return ceil_div(groups * folds, cores) * fold - 1


class _Folds:
    """Sums over the fold sequence of `groups` GEMMs: a period of `per_group` folds, row folds inner.

    In each column of `down` row folds only the last has fewer rows, `edge_m`; in each group only the folds of the last
    of `across` columns have fewer columns, `edge_n`.
    """

    def __init__(self, height, width, rows, cols, groups):
        self.rows, self.cols = rows, cols
        self.down, self.across = ceil_div(height, rows), ceil_div(width, cols)
        self.edge_m = height - (self.down - 1) * rows
        self.edge_n = width - (self.across - 1) * cols
        self.per_group = self.down * self.across
        self.before_edge = self.per_group - self.down  # folds of a group ahead of its last column
        self.total = groups * self.per_group

    def m_at(self, fold):
        """Rows used by fold number `fold`."""
        ends_column = floor_div(fold + 1, self.down) * self.down == fold + 1
        return choose(ends_column, self.edge_m, self.rows)

    def n_at(self, fold):
        """Columns used by fold number `fold`."""
        return choose(self._place(fold) >= self.before_edge, self.edge_n, self.cols)

    def sum_m(self, count):
        """Rows used by the first `count` folds together."""
        return count * self.rows - floor_div(count, self.down) * (self.rows - self.edge_m)

    def sum_n(self, count):
        """Columns used by the first `count` folds together."""
        whole = floor_div(count, self.per_group)
        edge = whole * self.down + larger(count - whole * self.per_group - self.before_edge, 0)
        return count * self.cols - edge * (self.cols - self.edge_n)

    def phases(self, stream, count):
        """Sum of max(stream, rows used) over the first `count` folds."""
        full = larger(stream, self.rows)
        return count * full - floor_div(count, self.down) * (full - larger(stream, self.edge_m))

    def last_wide(self, fold):
        """The latest fold up to `fold` that uses all columns; -1 where there is none."""
        wide = choose(self.before_edge > 0, fold - self._place(fold) + self.before_edge - 1, -1)
        return choose(self.n_at(fold) < self.cols, wide, fold)

    def _place(self, fold):
        return fold - floor_div(fold, self.per_group) * self.per_group


def _longest_share(cycles, sizes, folds, share, cores):
    """The largest cycles(folds, stream, start, end) over the cores' contiguous shares, trimmed and pipelined.

    sizes: height, width, stream, rows, cols and groups that `folds` comes from. The first share has the fewest edge
    folds, and no later one ends in more rows; so it takes longest, unless it ends in a column that is narrower than
    others, the one case in which all cores are looked at.
    """
    first = cycles(folds, sizes[2], 0 * share, share)
    uneven = (cores > 1) & (folds.across > 1) & (folds.n_at(share - 1) < folds.cols)

    def of_all(height, width, stream, rows, cols, groups, share, cores, longest):
        folds = _Folds(height, width, rows, cols, groups)
        for core in range(1, largest(smaller(cores, ceil_div(folds.total, share)))):
            start = core * share
            end = smaller(start + share, folds.total)
            busy = (start < end) & (core < cores)
            longest = larger(longest, choose(busy, cycles(folds, stream, start, larger(end, start + 1)), 0))
        return longest

    uneven = uneven & (first == first)  # of the full shape
    return at_places(uneven, of_all, (*sizes, share, cores, first), first)
