"""Designs sorted into groups that share formulas, arrays and speeds, and cut into chunks that fit a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

CLASS = ("dataflow", "overlap", "trim", "convention", "fusion")  # designs alike in these share every formula
ARRAY = ("rows", "cols", "cores", "accumulator_bytes")  # and in these, every tiling
SPEED = (  # and in these, the tiling that is chosen
    "clock_hz",
    "mac_rate",
    "buffer_bytes",
    "buffer_bytes_per_s",
    "dram_bytes_per_s",
    "dram_efficiency",
    "dram_write_cost",
)
ARRAY_CELLS = 2**10  # (arrays, ops) of one plan, of some 30 columns and 20 tilings
SEARCH_CELLS = 2**14  # (designs, ops) searched at a time
DESIGN_CELLS = 2**15  # (designs, ops) costed at a time
CHUNKS = 16  # of a group at most, so that there is work for every thread


@dataclass(frozen=True)
class Chunk:
    """Some designs of a group."""

    rows: np.ndarray  # int64 (designs,) of the design table
    distinct: np.ndarray  # int64 (distinct,) rows, one for each set of alike designs
    distinct_of: np.ndarray  # int64 (designs,) index into distinct
    array_of: np.ndarray  # int64 (distinct,) index into the group's array_rows


@dataclass(frozen=True)
class Group:
    """Designs of one class and buffer rank."""

    dataflow: int
    overlap: int
    trim: int
    convention: int
    fusion: int
    rank: int
    array_rows: np.ndarray  # int64 (arrays,) rows of the design table, one for each distinct array
    chunks: list


def alike(columns: Mapping[str, np.ndarray], rank: np.ndarray, work_at: Callable) -> Iterator[Group]:
    """Yield the Groups of a design table.

    columns: {field: numpy (designs,)}; rank: int64 (designs,), of the buffer; work_at(fusion, rank): has `gemms` and
    `units`, whose lengths say how many designs make a chunk.
    """
    kind = [columns[name] for name in CLASS] + [rank]
    array = [columns[name] for name in ARRAY]
    speed = [part for name in SPEED for part in (columns[name].T if columns[name].ndim > 1 else [columns[name]])]
    varying = [key for key in (*kind, *array, *speed) if len(key) and (key != key[0]).any()]
    order = np.lexsort(varying[::-1]) if varying else np.arange(len(rank))
    kind_id, array_id, speed_id = (_ids(keys, order) for keys in (kind, kind + array, kind + array + speed))
    for first, last in _runs(kind_id, len(order)):
        classes = {name: int(columns[name][order[first]]) for name in CLASS}
        at = int(rank[order[first]])
        work = work_at(bool(classes["fusion"]), at)
        gemms, units = max(len(work.gemms), 1), max(len(work.units), 1)
        while first < last:
            stop = min(last, int(np.searchsorted(array_id, array_id[first] + max(1, ARRAY_CELLS // gemms))))
            chunks, base = [], array_id[first]
            array_rows = order[np.searchsorted(array_id, np.arange(base, array_id[stop - 1] + 1))]
            while first < stop and len(chunks) < CHUNKS:
                end = int(np.searchsorted(speed_id, speed_id[first] + max(1, SEARCH_CELLS // gemms)))
                end = min(stop, end, first + max(1, DESIGN_CELLS // units))
                starts = first + np.flatnonzero(np.diff(speed_id[first:end], prepend=-1))
                rows = order[first:end]
                chunks.append(
                    Chunk(rows, order[starts], speed_id[first:end] - speed_id[first], array_id[starts] - base)
                )
                first = end
            yield Group(**classes, rank=at, array_rows=array_rows, chunks=chunks)


def _ids(keys, order):
    """int64 (designs,), in sorted order, a number that grows by one wherever any of `keys` changes."""
    changes = np.zeros(len(order), dtype=bool)
    for key in keys:
        values = key[order]
        changes[1:] |= values[1:] != values[:-1]
    return np.cumsum(changes)


def _runs(ids, count):
    """Yield (first, end) of each run of equal `ids`."""
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    yield from zip(starts.tolist(), [*starts[1:].tolist(), count], strict=True)
