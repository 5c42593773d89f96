"""Work: a trace as the model costs it, groups of ops with the bytes that miss in a buffer of a given size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from accel_model.arrays import real
from accel_model.types import DTYPE_BYTES, PRECISION_OF, Kind, Operand, Phase, Role
from accel_model.work.fusion import fused, unfused
from accel_model.work.residency import NEVER, reuse_distances

if TYPE_CHECKING:
    from accel_model.trace import Trace


@dataclass(frozen=True, eq=False)
class Units:
    """Distinct pieces of work; every column is int64 (units,), and a piece without MACs has m = 0.

    M is made of `images` images of `image_rows` rows of `row_pixels`; a GEMM is one image of M rows of a pixel. `halo`
    is 1 where A, and 2 where C, overlaps from one tile of rows to the next: `reach` input rows for the first output row
    of a tile and `stride` for each further one, of `input_rows`. A tile of M touches whole channels of `area` in A.
    """

    groups: np.ndarray
    m: np.ndarray
    n: np.ndarray
    k: np.ndarray
    precision: np.ndarray  # index into PRECISIONS
    element_bytes: np.ndarray  # of an operand
    images: np.ndarray
    image_rows: np.ndarray
    row_pixels: np.ndarray
    stride: np.ndarray
    reach: np.ndarray
    input_rows: np.ndarray
    halo: np.ndarray
    area: np.ndarray
    filter_rows: np.ndarray  # of a convolution that row-stationary arrays can run, else 0
    filter_cols: np.ndarray
    a_bytes: np.ndarray  # distinct bytes of the operands, all groups
    b_bytes: np.ndarray
    c_bytes: np.ndarray
    a_missed: np.ndarray  # those that are read from or written to DRAM
    b_missed: np.ndarray
    c_missed: np.ndarray
    other_read: np.ndarray  # DRAM bytes of everything else in the group
    other_written: np.ndarray
    touched: np.ndarray  # bytes of everything else in the group, on chip or not
    vector_ops: np.ndarray
    launches: np.ndarray

    def __len__(self):
        return self.m.shape[0]

    @property
    def macs(self) -> np.ndarray:
        """float64 (units,), multiply-accumulates."""
        return real(self.groups * self.m * self.n * self.k)

    def distinct_gemms(self) -> tuple[Units, np.ndarray]:
        """(Units that differ in what the tiles of an op depend on, int64 (units,) row of each unit in them)."""
        return self._distinct([f.name for f in fields(self) if f.name not in ("vector_ops", "launches")])

    def distinct(self) -> tuple[Units, np.ndarray]:
        """(Units that differ in anything, int64 (units,) row of each unit in them), those without MACs first."""
        return self._distinct([f.name for f in fields(self)])

    def _distinct(self, names):
        table = np.stack([getattr(self, name) for name in names], axis=1)
        if not len(table):
            return self, np.zeros(0, dtype=np.int64)
        _, first, row_of = np.unique(table, axis=0, return_index=True, return_inverse=True)
        return self.take(first), row_of.reshape(-1)

    def take(self, rows: np.ndarray) -> Units:
        """The units at `rows`, int64 (n,)."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


MISSES = ("a_missed", "b_missed", "c_missed", "other_read", "other_written")


@dataclass(frozen=True, eq=False)
class Work:
    """A trace in groups of ops, and from which buffer size on each of their uses stays on chip.

    units: one row per group, misses left at 0. of_op: (ops,) the group of each op. head: (groups,) its first op.
    group, column, size, distance: (uses,) int64, the group and the column of MISSES that a use's bytes miss in.
    thresholds: sorted distances, between which nothing changes.
    """

    units: Units
    of_op: np.ndarray
    head: np.ndarray
    group: np.ndarray
    column: np.ndarray
    size: np.ndarray
    distance: np.ndarray
    thresholds: np.ndarray

    def rank(self, buffer_bytes: np.ndarray) -> np.ndarray:
        """int64, how many thresholds the buffer reaches; designs of equal rank miss the same bytes."""
        return np.searchsorted(self.thresholds, buffer_bytes, side="right")

    def at(self, rank: int) -> tuple[Units, np.ndarray]:
        """(distinct Units, int64 (groups,) row of each group) with a buffer of `rank`; rank -1 misses every byte."""
        bound = -1 if rank < 0 else (self.thresholds[rank - 1] if rank else 0)
        missed = np.zeros((len(MISSES), len(self.units)), dtype=np.int64)
        away = self.distance > bound
        np.add.at(missed, (self.column[away], self.group[away]), self.size[away])
        full = replace(self.units, **dict(zip(MISSES, missed, strict=True)))
        return full.distinct()


@lru_cache(maxsize=16)
def work_of(trace: Trace, fusion: bool) -> Work:
    """The Work of `trace`, with vector ops joined to what produces their operand if `fusion`; remembered per trace."""
    groups = fused(trace) if fusion else unfused(trace)
    uses, head, count = groups.uses, groups.head, len(groups.head)
    is_head = groups.head[uses.op] == trace.uses.op[groups.op_use]
    operand = (
        np.where(is_head & (trace.ops.m[head[uses.op]] > 0), uses.operand, Operand.OTHER) if count else uses.operand
    )
    column = np.where(uses.write, 4, 3)
    column = np.where((operand == Operand.A) & ~uses.write, 0, column)
    column = np.where((operand == Operand.B) & ~uses.write, 1, column)
    column = np.where((operand == Operand.C) & uses.write, 2, column)
    sums = np.zeros((5, count), dtype=np.int64)
    np.add.at(sums, (column, uses.op), uses.bytes)
    distance = reuse_distances(uses, groups.tensors, count)
    return Work(
        units=_units(trace, groups, sums),
        of_op=groups.of_op,
        head=head,
        group=uses.op,
        column=column,
        size=uses.bytes,
        distance=distance,
        thresholds=np.unique(distance[(distance > 0) & (distance < NEVER)]),
    )


def joined(works: Sequence[Work]) -> Work:
    """One Work of several, whose ops and groups stand one after another; tensors never cross from one to the next."""
    if len(works) == 1:
        return works[0]
    groups = np.cumsum([0, *(len(work.head) for work in works)])
    ops = np.cumsum([0, *(len(work.of_op) for work in works)])

    def stacked(name, offsets=None):
        parts = [getattr(work, name) for work in works]
        return np.concatenate(parts if offsets is None else [p + o for p, o in zip(parts, offsets[:-1], strict=True)])

    units = {f.name: np.concatenate([getattr(work.units, f.name) for work in works]) for f in fields(Units)}
    return Work(
        units=Units(**units),
        of_op=stacked("of_op", groups),
        head=stacked("head", ops),
        group=stacked("group", groups),
        column=stacked("column"),
        size=stacked("size"),
        distance=stacked("distance"),
        thresholds=np.unique(stacked("thresholds")),
    )


def host_bytes(trace: Trace) -> int:
    """Bytes of the step's inputs, which the host sends."""
    return int(trace.tensors.bytes[trace.tensors.role == Role.INPUT].sum())


def _units(trace, groups, sums):
    ops, head = trace.ops, groups.head
    count = len(head)
    m, k = ops.m[head], ops.k[head]
    starts_call = np.append(True, ops.call[1:] != ops.call[:-1])[: len(ops.call)]
    zeros = np.zeros(count, dtype=np.int64)
    return Units(
        groups=ops.groups[head],
        m=m,
        n=ops.n[head],
        k=k,
        precision=PRECISION_OF[ops.dtype[head]],
        element_bytes=DTYPE_BYTES[ops.dtype[head]],
        **_geometry(ops, head),
        a_bytes=sums[0],
        b_bytes=sums[1],
        c_bytes=sums[2],
        a_missed=zeros,
        b_missed=zeros,
        c_missed=zeros,
        other_read=zeros,
        other_written=zeros,
        touched=sums[3] + sums[4],
        vector_ops=np.bincount(groups.of_op, ops.vector_ops, count).astype(np.int64) if count else zeros,
        launches=np.minimum(np.bincount(groups.of_op, starts_call, count), 1).astype(np.int64) if count else zeros,
    )


def _geometry(ops, head):
    """The columns of Units that come from a convolution's geometry; those of a plain GEMM where there is none."""
    m, phase, transposed = ops.m[head], ops.phase[head], ops.transposed[head]
    batch = ops.batch[head]
    used = ops.output_size[:, head] > 0
    axis = np.argmax(used, axis=0)  # the outermost spatial axis, along which tiles take rows
    column = np.arange(len(head))

    def pixels(size):
        return np.prod(np.where(used, size[:, head], 1), axis=0)

    outputs = np.where(transposed, ops.input_size[:, head], ops.output_size[:, head])
    inputs = np.where(transposed, ops.output_size[:, head], ops.input_size[:, head])
    rows = outputs[axis, column]
    area = pixels(ops.filter_size)
    is_conv = (ops.kind[head] == Kind.CONV) & used.any(axis=0) & (area > 0)
    sweeps = is_conv & (m == batch * np.prod(np.where(used, outputs, 1), axis=0)) & (rows > 0)
    forward = np.isin(phase, (Phase.FORWARD, Phase.RECOMPUTE)) != transposed
    reach = (ops.filter_size[axis, head] - 1) * ops.dilation[axis, head] + 1
    runs_rows = sweeps & forward
    return {
        "images": np.where(sweeps, batch, 1),
        "image_rows": np.where(sweeps, rows, m),
        "row_pixels": np.where(sweeps, m // np.maximum(batch * rows, 1), 1),
        "stride": np.where(sweeps, ops.stride[axis, head], 1),
        "reach": np.where(sweeps, reach, 1),
        "input_rows": np.where(sweeps, inputs[axis, column], m),
        "halo": np.where(sweeps, np.where(forward, 1, 2), 0),
        "area": np.where(is_conv & (phase == Phase.WGRAD), area, 1),
        "filter_rows": np.where(runs_rows, ops.filter_size[axis, head], 0),
        "filter_cols": np.where(runs_rows, area // np.maximum(ops.filter_size[axis, head], 1), 0),
    }
