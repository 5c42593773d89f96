"""Which uses of a tensor find it on chip: Mattson's stack distance over tensors, computed once per trace.

The distance of a use is the bytes of the distinct tensors touched from the tensor's previous use to this one, both ops
included, tensors that are dead by then not counted. With a buffer of B bytes a read hits iff its distance is at most B.
Source: Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2), 1970.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accel_model.types import PERSISTENT_ROLES

if TYPE_CHECKING:
    from accel_model.tables import Tensors, Uses

NEVER = 2**62  # the distance of a use that no buffer serves
ALWAYS = 0  # the distance of a write that nothing needs


def reuse_distances(uses: Uses, tensors: Tensors, count: int) -> np.ndarray:
    """The buffer size from which each use needs no DRAM access, for a step in the steady state.

    uses: op, tensor, bytes int64 and write bool, (uses,), ordered by op. tensors: born, freed, role (tensors,), in the
    same numbering of ops. count: ops in the step. Parameters, optimiser state and buffers carry over from the step
    before; nothing else does. A read hits from its distance on, and never if it touches more than the use before it.
    A write stays on chip once all reads of what it wrote hit. The last write of a persistent tensor, and a write of a
    tensor that nothing reads, always reach DRAM; a write that is overwritten or dies unread never does.
    Returns int64 (uses,), bytes: docs/model.md, (20), (21) and (22).
    """
    persistent = np.isin(tensors.role, PERSISTENT_ROLES)
    touches = _touches(uses, count)
    distances = _read_distances(touches, _dying(tensors, persistent, count), persistent, count)
    return np.array(_with_writes(uses, touches, distances, persistent, count), dtype=np.int64)


def _touches(uses, count):
    """Per op, {tensor: most bytes that one of its uses touches}."""
    touches = [{} for _ in range(count)]
    for op, tensor, size in zip(uses.op.tolist(), uses.tensor.tolist(), uses.bytes.tolist(), strict=True):
        touches[op][tensor] = max(size, touches[op].get(tensor, 0))
    return touches


def _dying(tensors, persistent, count):
    """Per op, the tensors that are gone when it starts."""
    dying = [[] for _ in range(count + 1)]
    for tensor, op in enumerate(tensors.freed.tolist()):
        if not persistent[tensor]:
            dying[min(op, count)].append(tensor)
    return dying


def _read_distances(touches, dying, persistent, count):
    """Per op, {tensor: distance} with which a read there would find the tensor: the second of two equal steps."""
    sums = _PrefixSums(2 * count)
    place, weight = {}, {}  # of the last touch of each tensor on the stack
    distances = []

    def drop(tensor):
        if tensor in place:
            sums.add(place.pop(tensor), -weight[tensor])

    for position in range(2 * count):
        op = position % count
        if position == count:
            for tensor in [t for t in place if not persistent[t]]:
                drop(tensor)
        for tensor in dying[op]:
            drop(tensor)
        before = {tensor: (place.get(tensor), weight.get(tensor)) for tensor in touches[op]}
        for tensor, size in touches[op].items():
            drop(tensor)
            sums.add(position, size)
            place[tensor], weight[tensor] = position, size
        if position >= count:
            found = {}
            for tensor, size in touches[op].items():
                since, held = before[tensor]
                hit = since is not None and held >= size
                found[tensor] = sums.between(since, position) if hit else NEVER
            distances.append(found)
    return distances


def _with_writes(uses, touches, distances, persistent, count):
    """Per use, the distance of a read, or for a write the largest of the reads of what it wrote."""
    read = set(uses.tensor[~uses.write].tolist())
    rows = [[] for _ in range(count)]
    for row, (op, tensor, write) in enumerate(
        zip(uses.op.tolist(), uses.tensor.tolist(), uses.write.tolist(), strict=True)
    ):
        rows[op].append((row, tensor, write))
    result = [0] * len(uses.op)
    needed, rewritten = {}, set()
    for op in reversed(range(count)):
        written = {tensor for _, tensor, write in rows[op] if write}
        for row, tensor, write in rows[op]:
            if not write:
                result[row] = distances[op][tensor]
            elif tensor not in rewritten and (persistent[tensor] or tensor not in read):
                result[row] = NEVER
            else:
                result[row] = needed.get(tensor, ALWAYS)
        for tensor in written:
            needed[tensor] = ALWAYS
        rewritten |= written
        for row, tensor, write in rows[op]:
            if not write:
                needed[tensor] = max(needed.get(tensor, ALWAYS), result[row])
    return result


class _PrefixSums:
    """Sums over an array that changes: Fenwick, Software: Practice and Experience 24(3), 1994."""

    def __init__(self, length):
        self.tree = [0] * (length + 1)

    def add(self, place: int, value: int) -> None:
        place += 1
        while place < len(self.tree):
            self.tree[place] += value
            place += place & -place

    def between(self, first: int, last: int) -> int:
        """Sum of the entries first to last, both included."""
        return self._until(last) - self._until(first - 1)

    def _until(self, place):
        place += 1
        total = 0
        while place > 0:
            total += self.tree[place]
            place -= place & -place
        return total
