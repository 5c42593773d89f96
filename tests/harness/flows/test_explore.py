"""Exploration as values: a resumed search ends where an uninterrupted one does, and a sampler nears the grid."""

import time
from itertools import islice

import numpy as np
import pytest
import yaml

from accel_model import replay
from accel_model.design.file import FOLDER
from accel_model.design.space import Space
from accel_model.silicon.area import area_mm2
from harness.flows.explore import pareto, search
from harness.flows.explore.checkpoint import load_state, save_state
from harness.flows.explore.search import Problem, front, grid, key_of, score, start, widest
from harness.settings.errors import ExploreError
from tests.helpers.designs import CHOICES, same
from tests.helpers.program import ROOT
from tests.helpers.traces import random_trace

SEED = yaml.safe_load((FOLDER / "seed.yaml").read_text())
OBJECTIVES = ("step_s", "energy_j", "area_mm2")


def problem(objectives=OBJECTIVES, limits=None, choices=None, seed=0):
    trace = random_trace(np.random.default_rng(seed))
    space = Space.around(SEED, choices or CHOICES, "seed", "explore.space")
    return Problem(trace, space, widest(trace), objectives, limits or {})


@pytest.fixture
def batches_of_50(monkeypatch):
    monkeypatch.setattr(search, "LARGEST_BATCH", 50)
    monkeypatch.setattr(search, "SMALLEST_BATCH", 50)


def last(states):
    *_, state = states
    return state


def test_the_front_of_a_grid_equals_that_of_one_replay_of_all(batches_of_50):
    task = problem()
    state = last(grid(task, start(task)))
    whole = task.space.at(task.space.digits(0, task.space.count))
    report = replay(task.trace, whole, per_op=False, must_run=False)
    values = np.stack([report.step_s, report.energy_j, area_mm2(whole, "fp32")], axis=1)
    kept = np.flatnonzero(report.runs)[pareto.front(pareto.rounded(values[report.runs]))]
    rows = front(task, state.rows)
    assert state.done == len(whole) and state.feasible == report.runs.sum() < len(whole)
    found = np.stack([rows[name] for name in OBJECTIVES], axis=1)
    order = np.lexsort(values[kept].T[::-1])
    np.testing.assert_allclose(found, values[kept][order], rtol=1e-12)
    np.testing.assert_array_equal(task.space.at(rows["digits"]).rows, whole.rows[kept][order])


@pytest.mark.parametrize("how", ["grid", "sampled"])
@pytest.mark.parametrize("stopped_after", [1, 4])
def test_a_resumed_search_equals_an_uninterrupted_one(tmp_path, batches_of_50, how, stopped_after):
    task, path = problem(), tmp_path / "state.parquet"

    def search(state):
        if how == "grid":
            return grid(task, state)
        pytest.importorskip("optuna")
        from harness.flows.explore.sampler import sampled

        return sampled(task, state, 180, 30, 7)

    uninterrupted = last(search(start(task)))
    key = key_of(task)
    save_state(path, task, last(islice(search(start(task)), stopped_after)), key)
    resumed = last(search(load_state(path, task, key)))
    assert same(front(task, resumed.rows), front(task, uninterrupted.rows))
    assert resumed.done == uninterrupted.done and resumed.excluded.tolist() == uninterrupted.excluded.tolist()


def test_an_exception_in_a_batch_loses_only_that_batch(monkeypatch, batches_of_50):
    task, states = problem(), []
    honest = search.replay

    def failing(*arguments, **options):
        if len(states) == 3:
            raise KeyboardInterrupt
        return honest(*arguments, **options)

    monkeypatch.setattr(search, "replay", failing)
    with pytest.raises(KeyboardInterrupt):
        for state in grid(task, start(task)):
            states.append(state)
    monkeypatch.setattr(search, "replay", honest)
    assert states[-1].done == 150
    assert same(front(task, last(grid(task, states[-1])).rows), front(task, last(grid(task, start(task))).rows))


def test_the_sampler_comes_close_to_the_grids_front():
    pytest.importorskip("optuna")
    from harness.flows.explore.sampler import sampled

    task = problem()
    whole = front(task, last(grid(task, start(task))).rows)
    state = last(sampled(task, start(task), 300, 50, 0))
    some = front(task, state.rows)
    values, near = (np.stack([rows[name] for name in OBJECTIVES], axis=1) for rows in (whole, some))
    assert not pareto.dominated(values, near).any()  # no sample beats the whole grid
    factor = (
        (near[None, :, :] / values[:, None, :]).max(axis=2).min(axis=1)
    )  # of the nearest sample, in every objective
    assert np.median(factor) < 1.05 and factor.max() < 1.5


def test_the_sampler_keeps_to_the_limits():
    pytest.importorskip("optuna")
    from harness.flows.explore.sampler import sampled

    task = problem(limits={"area_most_mm2": 6.0})
    state = last(sampled(task, start(task), 150, 50, 0))
    assert 0 < state.feasible < state.done == 150
    assert (front(task, state.rows)["area_mm2"] <= 6.0).all()


def test_the_sampler_that_proposes_other_designs_than_before_is_refused():
    pytest.importorskip("optuna")
    from harness.flows.explore.sampler import sampled

    task = problem()
    state = last(sampled(task, start(task), 60, 30, 7))
    with pytest.raises(ExploreError, match="resume=false"):
        last(sampled(task, state, 90, 30, 8))


@pytest.mark.parametrize(
    ("limits", "name"),
    [({"macs_most": 300}, "macs_most"), ({"area_most_mm2": 10}, "area_most_mm2"), ({"watts_most": 0.5}, "watts_most")],
)
def test_limits_leave_out_what_passes_them_and_nothing_else(limits, name):
    free, bound = problem(), problem(limits=limits)
    digits = free.space.digits(0, free.space.count)
    rows, reason = score(free, digits)
    _, found = score(bound, digits)
    design = free.space.at(digits)
    measured = {"macs_most": design.pes, "area_most_mm2": rows["area_mm2"], "watts_most": rows["watts"]}[name]
    expected = (measured > limits[name]) & ((reason < 0) | (name != "watts_most"))
    np.testing.assert_array_equal(found == search.LIMITS.index(name), expected)


def test_the_key_changes_with_all_that_decides_a_front():
    other = dict(CHOICES, vector_lanes=[64, 256, 512])
    tasks = [
        problem(),
        problem(seed=1),
        problem(choices=other),
        problem(OBJECTIVES[:2]),
        problem(limits={"watts_most": 1}),
    ]
    assert len({key_of(task) for task in tasks} | {key_of(tasks[0], seed=1)}) == 6
    assert key_of(problem()) == key_of(problem())


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "another's", "other table"])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    task, path = problem(), tmp_path / "state.parquet"
    save_state(path, task, last(islice(grid(task, start(task)), 1)), "key")
    data = path.read_bytes()
    if damage == "other table":
        from harness.flows.explore.checkpoint import save_table

        save_table(path, {"a": [1]}, {})
    else:
        path.write_bytes({"cut": data[:-200], "garbage": b"\x00" * 999, "empty": b"", "another's": data}[damage])
    with pytest.raises(ExploreError, match=r"state\.parquet"):
        load_state(path, task, "key" if damage != "another's" else "other key")
    assert load_state(tmp_path / "none.parquet", task, "key") is None


@pytest.mark.slow
def test_a_million_designs_of_a_lenet_sized_trace_take_less_than_a_minute_of_two_cores():
    pytest.importorskip("torch")
    from harness.flows.traces import captured
    from harness.settings.shipped import load, precision

    trace = captured(load("mnist_lenet5"), precision("fp32"), 64)
    choices = yaml.safe_load((ROOT / "conf" / "explore" / "around_seed.yaml").read_text())["space"]
    space = Space.around(SEED, choices | {"clock_hz": {"low": 1e9, "high": 2.5e9, "steps": 9}}, "seed", "explore.space")
    task = Problem(trace, space, "fp32", OBJECTIVES, {})
    began = time.process_time()
    state = last(grid(task, start(task)))
    assert state.done > 1e6
    assert time.process_time() - began < 120  # CPU seconds: a minute on each of two cores
