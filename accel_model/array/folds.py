"""The sequence of folds that a product is cut into, and sums over it, in exact integers and loop-free.

A fold is one pass through the array, of `height` x `width` PEs at most R x C: column folds outer, row folds inner, the
folds of `groups` products one after another. In each column of row folds only the last has fewer rows, in each group
only the folds of the last column have fewer columns. overlap: with `none` a fold starts after the last result of the
one before. `buffered` hides drain or preload behind the streaming of a neighbour. `pipelined` streams folds back to
back: the next starts max(S, shifts) after this one. trim: true takes the rows and columns that an edge fold uses; false
pads each to R and C. Derived in docs/model.md, (2).
"""

from __future__ import annotations

from collections.abc import Callable

from array_api_extra import apply_where

from accel_model.array.record import Arrays, Overlap
from accel_model.arrays import Array, as_array, ceil_div, choose, floor_div, larger, largest, namespace, smaller


def padded_cycles(folds: Array, stream: Array, arrays: Arrays) -> Array:
    """Cycles of `folds` equal folds that stream for `stream` cycles each; the same form for os, ws and is.

    Returns int64 of the broadcast shape: docs/model.md, (3), (4) and (5).
    """
    rows, overlap = arrays.rows, arrays.overlap
    fold = 2 * rows + arrays.cols + stream - 2
    if overlap == Overlap.NONE:
        return folds * fold
    if overlap == Overlap.BUFFERED:
        return folds * (fold - rows) + rows
    return (folds - 1) * larger(stream, rows) + fold


class Folds:
    """Sums over the folds of `groups` products, `height` along the array's rows and `width` along its columns."""

    def __init__(self, height, width, rows, cols, groups):
        self.rows, self.cols = rows, cols
        self.down, self.across = ceil_div(height, rows), ceil_div(width, cols)
        self.edge_m = height - (self.down - 1) * rows
        self.edge_n = width - (self.across - 1) * cols
        self.per_group = self.down * self.across
        self.before_edge = self.per_group - self.down  # folds of a group ahead of its last column
        self.total = groups * self.per_group

    def m_at(self, fold: Array) -> Array:
        """Rows used by fold number `fold`."""
        ends_column = floor_div(fold + 1, self.down) * self.down == fold + 1
        return choose(ends_column, self.edge_m, self.rows)

    def n_at(self, fold: Array) -> Array:
        """Columns used by fold number `fold`."""
        return choose(self._place(fold) >= self.before_edge, self.edge_n, self.cols)

    def sum_m(self, count: Array) -> Array:
        """Rows used by the first `count` folds together."""
        return count * self.rows - floor_div(count, self.down) * (self.rows - self.edge_m)

    def sum_n(self, count: Array) -> Array:
        """Columns used by the first `count` folds together."""
        whole = floor_div(count, self.per_group)
        edge = whole * self.down + larger(count - whole * self.per_group - self.before_edge, 0)
        return count * self.cols - edge * (self.cols - self.edge_n)

    def phases(self, stream: Array, count: Array) -> Array:
        """Sum of max(stream, rows used) over the first `count` folds."""
        full = larger(stream, self.rows)
        return count * full - floor_div(count, self.down) * (full - larger(stream, self.edge_m))

    def last_wide(self, fold: Array) -> Array:
        """The latest fold up to `fold` that uses all columns; -1 where there is none."""
        wide = choose(self.before_edge > 0, fold - self._place(fold) + self.before_edge - 1, -1)
        return choose(self.n_at(fold) < self.cols, wide, fold)

    def _place(self, fold):
        return fold - floor_div(fold, self.per_group) * self.per_group


def longest_share(cycles: Callable, sizes: tuple, folds: Folds, share: Array, cores: Array) -> Array:
    """The largest cycles(folds, stream, start, end) over the cores' contiguous shares, trimmed and pipelined.

    sizes: height, width, stream, rows, cols and groups that `folds` comes from. The first share has the fewest edge
    folds, and no later one ends in more rows; so it takes longest, unless it ends in a column that is narrower than
    others, the one case in which all cores are looked at. Returns int64: docs/model.md, (6).
    """
    first = cycles(folds, sizes[2], 0 * share, share)
    uneven = (cores > 1) & (folds.across > 1) & (folds.n_at(share - 1) < folds.cols)

    def of_all(*picked):
        height, width, stream, rows, cols, groups, share, cores, longest = picked
        folds = Folds(height, width, rows, cols, groups)
        for core in range(1, largest(smaller(cores, ceil_div(folds.total, share)))):
            start = core * share
            end = smaller(start + share, folds.total)
            busy = (start < end) & (core < cores)
            longest = larger(longest, choose(busy, cycles(folds, stream, start, larger(end, start + 1)), 0))
        return longest

    uneven = uneven & (first == first)  # of the full shape
    xp = namespace(uneven)
    if not bool(xp.any(uneven)):
        return first
    arrays = tuple(as_array(xp, values, (uneven,)) for values in (*sizes, share, cores, first))
    return apply_where(uneven, arrays, of_all, fill_value=first)
