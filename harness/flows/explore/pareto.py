"""The Pareto front of a table of objectives, all minimised: the rows that no other row dominates.

A row dominates another where it is at most equal to it in every objective and below it in one. Of rows equal in all,
the first is kept. Loops run over blocks of rows.
"""

import numpy as np

FIRST_BLOCK, LARGEST_BLOCK = 32, 512  # rows that the others are compared with at a time
CELLS = 2**21  # comparisons held at a time
DIGITS = 9  # significant ones that count: sums of many terms differ beyond, by their order


def rounded(values):
    """float64, `values` (all above 0 or infinite) to DIGITS significant digits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(values)))
        return np.where(np.isfinite(values) & (values > 0), np.round(values * scale) / scale, values)


def front(values):
    """int64 (n,), ascending, the rows of `values`, float64 (rows, objectives), that no other row dominates."""
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        return np.empty(0, dtype=np.int64)
    unique, first = np.unique(values, axis=0, return_index=True)
    ranks = [np.unique(column, return_inverse=True)[1] for column in unique.T]
    order = np.argsort(np.sum(ranks, axis=0), kind="stable")  # a row's dominators all come before it
    unique, first, kept, size = unique[order], first[order], [], FIRST_BLOCK
    while len(unique):
        block, rest = slice(None, size), slice(size, None)
        best = ~dominated(unique[block], unique[block])
        kept.append(first[block][best])
        open_ = ~dominated(unique[rest], unique[block][best])
        unique, first, size = unique[rest][open_], first[rest][open_], min(2 * size, LARGEST_BLOCK)
    return np.sort(np.concatenate(kept))


def merged(old, new):
    """(rows of `old`, rows of `new`) that are the front of both; each is a front by itself, and ties keep the old."""
    some = ~dominated(new, old, or_equal=True)
    return np.flatnonzero(~dominated(old, new[some])), np.flatnonzero(some)


def dominated(rows, by, or_equal=False):
    """bool (rows,), which of `rows` some row of `by` dominates, or equals; both are float64 (n, objectives)."""
    found = np.zeros(len(rows), dtype=bool)
    if not len(by):
        return found
    step = max(1, CELLS // len(by))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        at_most = np.ones((len(part), len(by)), dtype=bool)
        below = np.full_like(at_most, or_equal)
        for mine, theirs in zip(part.T, by.T, strict=True):
            at_most &= theirs[None, :] <= mine[:, None]
            if not or_equal:
                below |= theirs[None, :] < mine[:, None]
        found[start : start + step] = (at_most & below).any(axis=1)
    return found
