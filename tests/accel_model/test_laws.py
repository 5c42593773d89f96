"""Laws that hold for every trace and every design, over random tables of both."""

import functools
import operator
from dataclasses import fields

import numpy as np
import pytest

from accel_model import Design, Trace, replay, replay_all
from accel_model.report import Bound, Report
from accel_model.types import PRECISIONS, Phase
from tests.helpers.designs import random_designs
from tests.helpers.traces import random_gemms, random_trace, random_traces

CLOSE = 1 + 1e-12


CASES = [(seed, which) for seed in range(4) for which in range(3)]


def case(seed, which):
    rng = np.random.default_rng(seed)
    return random_traces(rng)[which], random_designs(rng)


@pytest.mark.parametrize(("seed", "which"), CASES)
def test_no_time_is_below_the_physical_floors(seed, which):
    trace, design = case(seed, which)
    report = replay(trace, design)
    rate = design.macs_per_s[:, [PRECISIONS.index("fp32")]]
    slowest = design.macs_per_s.min(axis=1)[:, None]
    assert (design.macs_per_s == rate).all() and (slowest == rate).all()
    heads = report.tiled_cycles > 0
    assert (report.op_s * CLOSE >= np.where(heads, trace.ops.macs / rate, 0)).all()
    peak = (design.dram_bytes_per_s * design.dram_efficiency)[:, None]
    assert (report.op_s * CLOSE >= report.dram_bytes / peak).all()
    assert (report.op_s * CLOSE >= report.vector_s + report.launch_s).all()
    assert (report.op_s * CLOSE >= report.compute_s).all()
    assert (report.op_s * CLOSE >= report.buffer_s).all()
    assert (report.step_s * CLOSE >= report.floor_s).all()
    assert ((report.utilisation > 0) | (trace.ops.macs.sum() == 0)).all() and (report.utilisation <= CLOSE).all()


@pytest.mark.parametrize(("seed", "which"), CASES)
def test_bytes_that_cannot_hit_are_moved_at_least_once(seed, which):
    trace, _ = case(seed, which)
    alone = Design.grid(dataflow=["os", "ws", "is", "best", "ideal"], residency=False, buffer_bytes=2**18)
    report = replay(trace, alone)
    touched = np.bincount(trace.uses.op, trace.uses.bytes, len(trace))
    assert (report.dram_bytes * CLOSE >= touched).all()


@pytest.mark.parametrize("seed", range(3))
def test_traffic_of_a_gemm_is_never_below_the_lower_bound_for_its_buffer(seed):
    # Smith, Lowery, Langou, van de Geijn, arXiv:1702.02017: 2MNK/sqrt(S) - 2S elements for S elements on chip
    rng = np.random.default_rng(seed)
    m, n, k = rng.integers(1, 3000, size=(3, 20))
    trace = Trace.from_gemms(m, n, k, dtype="fp32")
    design = Design.grid(
        dataflow=["os", "ws", "is", "best"], rows=[8, 32], buffer_bytes=[2**16, 2**18, 2**20], residency=False
    )
    moved = replay(trace, design).dram_bytes
    elements = (design.buffer_bytes / 4)[:, None]
    assert (moved * CLOSE >= 4 * (2 * m * n * k / np.sqrt(elements) - 2 * elements)).all()


FASTER = {
    "clock_hz": 2.0,
    "dram_bytes_per_s": 3.0,
    "buffer_bytes": 3,
    "buffer_bytes_per_s": 2.0,
    "dram_efficiency": 1.0,
    "vector_lanes": 2,
    "mac_rate": 2.0,
    "host_bytes_per_s": 2.0,
}


@pytest.mark.parametrize("field", FASTER)
def test_more_of_anything_is_never_slower(field):
    rng = np.random.default_rng(7)
    for trace in random_traces(rng):
        design = random_designs(rng)
        factor = FASTER[field]
        more = np.ones_like(design.dram_efficiency) if field == "dram_efficiency" else getattr(design, field) * factor
        columns = {f.name: getattr(design, f.name) for f in fields(Design)} | {field: more}
        slow, fast = replay(trace, design), replay(trace, Design(**columns))
        if field == "buffer_bytes":
            assert (fast.step_s <= slow.step_s * CLOSE).all()
        assert (fast.op_s <= slow.op_s * CLOSE).all()


@pytest.mark.parametrize(("seed", "which"), CASES)
def test_a_design_alone_equals_its_row_in_a_stack_and_order_does_not_matter(seed, which):
    trace, design = case(seed, which)
    whole = replay(trace, design)
    shuffled = np.random.default_rng(seed).permutation(len(design))
    again = replay(trace, design[shuffled])
    alone = [replay(trace, design[i], workers=1) for i in range(len(design))]
    for f in fields(Report):
        values = getattr(whole, f.name)
        np.testing.assert_allclose(values[shuffled], getattr(again, f.name), rtol=1e-12, err_msg=f.name)
        stacked = np.concatenate([getattr(report, f.name) for report in alone])
        np.testing.assert_allclose(values, stacked, rtol=1e-12, err_msg=f.name)
        if values.dtype.kind in "ib":
            np.testing.assert_array_equal(values, stacked, err_msg=f.name)


@pytest.mark.parametrize(("seed", "which"), CASES)
def test_ideal_is_at_most_best_which_is_at_most_each_dataflow(seed, which):
    trace, design = case(seed, which)
    columns = {f.name: getattr(design, f.name) for f in fields(Design)}

    def of(dataflow):
        code = Design.grid(dataflow=dataflow).dataflow[0]
        return replay(trace, Design(**columns | {"dataflow": np.full(len(design), code)}))

    ideal, best = of("ideal"), of("best")
    assert (ideal.op_s <= best.op_s * CLOSE).all()
    for dataflow in ("os", "ws", "is"):
        fixed = of(dataflow)
        assert (best.op_s <= fixed.op_s).all()
        assert (ideal.op_energy_j <= fixed.op_energy_j * CLOSE).all()
        assert (ideal.dram_bytes <= fixed.dram_bytes * CLOSE).all()


@pytest.mark.parametrize(("seed", "which"), CASES)
def test_sums_agree_with_the_ops_and_without_them(seed, which):
    trace, design = case(seed, which)
    full, sums = replay(trace, design), replay(trace, design, per_op=False)
    assert sums.op_s is None
    np.testing.assert_allclose(full.step_s, full.op_s.sum(axis=1) + full.host_s, rtol=1e-12)
    np.testing.assert_allclose(full.dram_total_bytes, full.dram_bytes.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(sum(full.by_bound().values()), full.step_s, rtol=1e-12)
    by_phase = np.stack([full.op_s[:, trace.ops.phase == phase].sum(axis=1) for phase in Phase], axis=1)
    np.testing.assert_allclose(full.phase_s, by_phase, rtol=1e-11)
    for f in fields(Report):
        if getattr(sums, f.name) is not None:
            np.testing.assert_allclose(getattr(sums, f.name), getattr(full, f.name), rtol=1e-12, err_msg=f.name)
    for bound in Bound:
        won = np.where(full.bound == bound, full.op_s, 0).sum(axis=1)
        np.testing.assert_allclose(full.bound_s[:, bound], won, rtol=1e-11)


@pytest.mark.parametrize("seed", range(4))
def test_splitting_a_trace_and_adding_equals_the_whole_without_residency_and_fusion(seed):
    rng = np.random.default_rng(seed)
    groups, m, n, k = random_gemms(rng, 20)
    design = random_designs(rng)
    columns = {f.name: getattr(design, f.name) for f in fields(Design)}
    off = np.zeros(len(design), dtype=bool)
    design = Design(**columns | {"residency": off, "fusion": off})
    cut = int(rng.integers(1, 19))
    parts = [Trace.from_gemms(m[s], n[s], k[s], groups=groups[s]) for s in (slice(cut), slice(cut, None))]
    whole = replay(Trace.from_gemms(m, n, k, groups=groups), design)
    split = [replay(part, design) for part in parts]
    np.testing.assert_allclose(whole.step_s, split[0].step_s + split[1].step_s, rtol=1e-12)
    np.testing.assert_allclose(whole.energy_j, split[0].energy_j + split[1].energy_j, rtol=1e-12)
    np.testing.assert_array_equal(whole.compute_cycles, np.concatenate([s.compute_cycles for s in split], axis=1))


@pytest.mark.parametrize("seed", range(3))
def test_several_traces_in_one_replay_are_each_as_if_alone(seed):
    rng = np.random.default_rng(seed)
    traces, design = [*random_traces(rng), random_trace(rng)], random_designs(rng)
    together = replay_all(traces, design)
    assert len(together) == len(traces)
    for trace, report in zip(traces, together, strict=True):
        alone = replay(trace, design, per_op=False)
        for f in fields(Report):
            ours, theirs = getattr(report, f.name), getattr(alone, f.name)
            assert (ours is None and theirs is None) or np.allclose(ours, theirs, rtol=1e-12, atol=0), f.name


def test_a_design_that_cannot_run_one_trace_still_runs_the_others():
    narrow, wide = Trace.from_gemms(8, 8, 8), Trace.from_gemms(512, 512, 512)
    design = Design.grid(rows=256, cols=256, buffer_bytes=[2**12, 2**20])
    alone = [replay(one, design, per_op=False, must_run=False).runs.tolist() for one in (narrow, wide)]
    together = [report.runs.tolist() for report in replay_all([narrow, wide], design, must_run=False)]
    assert together == alone
    assert not all(functools.reduce(operator.iadd, alone, [])) and any(functools.reduce(operator.iadd, alone, []))
    assert replay_all([], design) == []
