"""Reuse distances against a stack walked by hand, and what they mean for a buffer of a given size."""

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from accel_model.tables import Ops, Tensors, Uses, table
from accel_model.types import PERSISTENT_ROLES, Kind, Operand, Role
from accel_model.work.fusion import fused
from accel_model.work.residency import ALWAYS, NEVER, reuse_distances
from accel_model.work.units import work_of
from tests.helpers import oracles
from tests.helpers.traces import random_trace


def by_hand(uses, tensors, count):
    """Distance of each use, from two steps played with the whole history kept."""
    persistent = {t for t, role in enumerate(tensors.role.tolist()) if role in PERSISTENT_ROLES}
    rows = list(zip(uses.op.tolist(), uses.tensor.tolist(), uses.write.tolist(), uses.bytes.tolist(), strict=True))
    touches = [{} for _ in range(count)]
    for op, tensor, _, size in rows:
        touches[op][tensor] = max(size, touches[op].get(tensor, 0))
    reads = [{} for _ in range(count)]
    history = [{t: s for t, s in op.items() if t in persistent} for op in touches]  # all else is gone with its step
    for op in range(count):
        history.append(touches[op])
        alive = {t for t, freed in enumerate(tensors.freed.tolist()) if freed > op or t in persistent}
        for tensor, size in touches[op].items():
            found = oracles.read_distance(history, alive, tensor, size)
            reads[op][tensor] = NEVER if found is None else found
    ever_read = {tensor for _, tensor, write, _ in rows if not write}
    result = []
    for op, tensor, write, _ in rows:
        if not write:
            result.append(reads[op][tensor])
            continue
        later_writes = [o for o, t, w, _ in rows if w and t == tensor and o > op]
        until = min(later_writes, default=count)
        served = [reads[o][tensor] for o, t, w, _ in rows if t == tensor and not w and op < o <= until]
        is_last = not later_writes
        if is_last and (tensor in persistent or tensor not in ever_read):
            result.append(NEVER)
        else:
            result.append(max(served, default=ALWAYS))
    return result


@pytest.mark.parametrize("seed", range(25))
def test_distances_equal_a_stack_walked_by_hand(seed):
    trace = random_trace(np.random.default_rng(seed), count=30)
    fast = reuse_distances(trace.uses, trace.tensors, len(trace))
    assert fast.tolist() == by_hand(trace.uses, trace.tensors, len(trace))
    groups = fused(trace)
    fast = reuse_distances(groups.uses, groups.tensors, len(groups.head))
    assert fast.tolist() == by_hand(groups.uses, groups.tensors, len(groups.head))


def chain(sizes):
    """A Trace of copies: op i reads tensor i and writes tensor i + 1, each freed once it was read."""
    count = len(sizes) - 1
    op = np.repeat(np.arange(count), 2)
    return Trace(
        ops=table(Ops, count, kind=Kind.GATHER, vector_ops=1, call=np.arange(count)),
        tensors=table(
            Tensors,
            len(sizes),
            elements=sizes,
            bytes=sizes,
            role=[Role.INPUT] + [Role.ACTIVATION] * count,
            born=np.maximum(np.arange(-1, count), 0),
            freed=np.minimum(np.arange(1, count + 2), count),
        ),
        uses=table(
            Uses,
            2 * count,
            op=op,
            tensor=op + np.tile([0, 1], count),
            write=np.tile([False, True], count),
            bytes=np.asarray(sizes)[op + np.tile([0, 1], count)],
            operand=Operand.OTHER,
        ),
    )


def test_a_chain_of_ops_moves_only_its_ends_once_two_tensors_fit():
    trace = chain([100, 200, 300, 400])
    design = Design.grid(buffer_bytes=[1, 599, 600, 899, 900, 10**6])
    # tensor 1 is reused with tensors 0, 1 and 2 around it, but 0 is dead by then; tensor 2 with 2 and 3, 1 being dead
    distance = reuse_distances(trace.uses, trace.tensors, len(trace)).tolist()
    assert distance == by_hand(trace.uses, trace.tensors, len(trace))
    moved = replay(trace, design).dram_bytes.sum(axis=1)
    everything = 100 + 2 * 200 + 2 * 300 + 400
    assert moved[0] == everything
    assert moved[-1] == 100 + 400
    assert (np.diff(moved) <= 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_every_buffer_size_is_a_comparison_with_the_distances(seed):
    trace = random_trace(np.random.default_rng(100 + seed))
    for fusion in (False, True):
        work = work_of(trace, fusion)
        for size in np.random.default_rng(seed).integers(1, 200_000, size=40).tolist():
            units, row = work.at(work.rank(size))
            missed = sum(
                getattr(units, name)[row].sum()
                for name in ("a_missed", "b_missed", "c_missed", "other_read", "other_written")
            )
            assert missed == work.size[work.distance > size].sum()


def test_fusion_drops_what_only_the_next_op_reads_and_nothing_else():
    trace = chain([100, 200, 300, 400])
    trace = Trace(table(Ops, 3, kind=Kind.ELEMENTWISE, vector_ops=[1, 2, 3]), trace.tensors, trace.uses)
    groups = fused(trace)
    assert groups.head.tolist() == [0]
    assert sorted(zip(groups.uses.tensor.tolist(), groups.uses.write.tolist(), strict=True)) == [(0, False), (3, True)]
    report = replay(trace, Design.grid(fusion=[False, True], buffer_bytes=1))
    assert report.dram_bytes.sum(axis=1).tolist() == [1500, 500]


@pytest.mark.parametrize("seed", range(10))
def test_fusion_never_moves_more(seed):
    trace = random_trace(np.random.default_rng(seed))
    report = replay(trace, Design.grid(fusion=[False, True], residency=False, buffer_bytes=2**22))
    assert report.dram_total_bytes[1] <= report.dram_total_bytes[0]
    assert report.step_s[1] <= report.step_s[0] * (1 + 1e-12)
