"""Designs sorted into groups that share formulas, arrays and speeds, cut into chunks for a cache or a GPU's memory."""

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
CHUNKS = 16  # of a group at most, so that there is work for every thread


@dataclass(frozen=True)
class Sizes:
    """How much is done at a time, in cells of (arrays or designs, ops)."""

    array_cells: int  # of one plan, of some 30 columns and 20 tilings
    search_cells: int  # searched at a time
    design_cells: int  # costed at a time

    @property
    def bytes(self) -> int:
        """What work of these sizes holds at a time, at most."""
        # found by tracing allocations: tests/accel_model/test_backends.py holds it
        return 22_000 * self.array_cells + 17_000 * self.search_cells + 400 * self.design_cells


IN_CACHE = Sizes(array_cells=2**10, search_cells=2**14, design_cells=2**15)
"""What a CPU does at a time: some 50 designs of a large model, whose columns stay in its cache."""
ON_GPU = Sizes(array_cells=2**16, search_cells=2**20, design_cells=2**23)
"""What a GPU does at a time if it has room: thousands of designs, whose kernels run for longer than launching takes."""
SHARE_OF_FREE = 0.5  # of a device's free memory that all threads together may fill
UNKNOWN_BYTES = 4e9  # taken to be free on a device that does not tell


def sizes_on_device(free_bytes: float | None, workers: int) -> Sizes:
    """The Sizes for a device that is no CPU: ON_GPU, or the share of it that `workers` threads have room for at once.

    free_bytes: None where the device does not tell. They are never less than IN_CACHE.
    """
    room = SHARE_OF_FREE * (UNKNOWN_BYTES if free_bytes is None else free_bytes) / max(workers, 1)
    share = min(1.0, room / ON_GPU.bytes)
    pairs = zip(vars(IN_CACHE).values(), vars(ON_GPU).values(), strict=True)
    return Sizes(*(max(least, int(share * most)) for least, most in pairs))


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


def alike(
    columns: Mapping[str, np.ndarray], rank: np.ndarray, work_at: Callable, sizes: Sizes = IN_CACHE
) -> Iterator[Group]:
    """Yield the Groups of a design table.

    columns: {field: numpy (designs,)}; rank: int64 (designs,), of the buffer; work_at(fusion, rank): has `gemms` and
    `units`, whose lengths say how many designs make a chunk of `sizes`.
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
            stop = min(last, int(np.searchsorted(array_id, array_id[first] + max(1, sizes.array_cells // gemms))))
            chunks, base = [], array_id[first]
            array_rows = order[np.searchsorted(array_id, np.arange(base, array_id[stop - 1] + 1))]
            while first < stop and len(chunks) < CHUNKS:
                end = int(np.searchsorted(speed_id, speed_id[first] + max(1, sizes.search_cells // gemms)))
                end = min(stop, end, first + max(1, sizes.design_cells // units))
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
