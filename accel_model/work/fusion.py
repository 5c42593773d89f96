"""Which vector ops join the op before them, and what then never leaves the chip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from accel_model.types import PERSISTENT_ROLES, Kind

if TYPE_CHECKING:
    from accel_model.trace import Trace

JOINERS = (Kind.ELEMENTWISE, Kind.REDUCE, Kind.POOL, Kind.COPY)
LAST = (Kind.REDUCE, Kind.POOL)  # their results depend on many values, so nothing joins after them


@dataclass(frozen=True, eq=False)
class Groups:
    """Ops that run as one: `of_op` (ops,) int64 is the group of each op, `head` (groups,) int64 its first op.

    uses, tensors: those of the trace in the numbering of groups; `op_use` (uses,) is the row in the trace's uses.
    """

    of_op: np.ndarray
    head: np.ndarray
    uses: object
    tensors: object
    op_use: np.ndarray


def unfused(trace: Trace) -> Groups:
    """Groups of `trace` in which every op is its own."""
    count = len(trace)
    return Groups(np.arange(count), np.arange(count), trace.uses, trace.tensors, np.arange(len(trace.uses.op)))


def fused(trace: Trace) -> Groups:
    """Groups of `trace` in which an elementwise, reduction, pooling or copy op joins the op right before it.

    It joins if it reads a tensor that op wrote, and nothing joins after a reduction or pooling. It reads that tensor
    free; the write is free, too, if the joined op is the only reader before the next write or the tensor's death:
    docs/model.md, (23).
    """
    count, uses = len(trace), trace.uses
    reads, writes = [[] for _ in range(count)], [[] for _ in range(count)]
    for row, (op, tensor, write) in enumerate(
        zip(uses.op.tolist(), uses.tensor.tolist(), uses.write.tolist(), strict=True)
    ):
        (writes if write else reads)[op].append((tensor, row))
    kind = trace.ops.kind
    joins = np.zeros(count, dtype=bool)
    dropped = []
    only_reader = _only_readers(reads, writes, trace.tensors)
    for op in range(1, count):
        if kind[op] not in JOINERS or kind[op - 1] in LAST:
            continue
        made = dict(writes[op - 1])
        taken = [row for tensor, row in reads[op] if tensor in made]
        if not taken:
            continue
        joins[op] = True
        dropped += taken
        dropped += [made[tensor] for tensor, _ in reads[op] if only_reader.get((op - 1, tensor)) == op]
    of_op = np.cumsum(~joins) - 1
    kept = np.setdiff1d(np.arange(len(uses.op)), dropped)
    grouped = replace(
        uses,
        op=of_op[uses.op[kept]],
        tensor=uses.tensor[kept],
        write=uses.write[kept],
        bytes=uses.bytes[kept],
        operand=uses.operand[kept],
    )
    after = np.append(of_op, of_op[-1] + 1 if count else 0)
    born = after[trace.tensors.born] if count else trace.tensors.born
    freed = np.where(trace.tensors.freed > 0, after[np.maximum(trace.tensors.freed - 1, 0)] + 1, 0) if count else born
    tensors = replace(trace.tensors, born=born, freed=freed)
    return Groups(of_op, np.flatnonzero(~joins), grouped, tensors, kept)


def _only_readers(reads, writes, tensors):
    """{(op, tensor written there): the one op that reads it before its next write}, where there is just one.

    A tensor that is carried to the next step has a reader there.
    """
    carried = np.isin(tensors.role, PERSISTENT_ROLES)
    readers, result, rewritten = {}, {}, set()
    for op in reversed(range(len(reads))):
        for tensor, _ in writes[op]:
            seen = readers.pop(tensor, set())
            if len(seen) == 1 and (tensor in rewritten or not carried[tensor]):
                result[op, tensor] = next(iter(seen))
            rewritten.add(tensor)
        for tensor, _ in reads[op]:
            readers.setdefault(tensor, set()).add(op)
    return result
