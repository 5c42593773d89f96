"""Warm-up, sizes of samples and interleaving, on imagined steps whose times are known."""

import itertools

import numpy as np
import pytest

from baselines import BaselineError, Plan
from baselines.live.sampling import WARM_GPU_AFTER_S, schedule, take, warm_up

QUICK = Plan(pause_s=0.0, warmup_limit_s=0.5, budget_s=1e5)


class Imagined:
    """A step that takes seconds(i) the i-th time; keeps a log of what was asked of it."""

    def __init__(self, seconds, log=None, name=""):
        self.seconds, self.done, self.log, self.name = seconds, 0, [] if log is None else log, name

    def restart(self):
        self.log.append((self.name, "restart"))

    def __call__(self, samples, steps):
        self.log.append((self.name, samples, steps))
        times = [self.seconds(self.done + i) for i in range(samples * steps)]
        self.done += samples * steps
        return np.array(times).reshape(samples, steps).mean(axis=1)


def test_warm_up_ends_when_the_time_is_stable():
    step = Imagined(lambda i: 0.02 + (1.0 if i < 30 else 0.0))
    warm = warm_up(step, QUICK)
    assert warm.stable and warm.steps == step.done
    settled = warm_up(Imagined(lambda i: 0.02 * (1 + 0.9**i)), QUICK)
    assert settled.stable and settled.step_s == pytest.approx(0.02, rel=0.2)


def test_warm_up_has_a_limit_and_says_that_it_was_reached():
    warm = warm_up(Imagined(lambda i: 0.02 + 0.02 * (i // 3 % 2)), QUICK)
    assert not warm.stable and warm.steps >= 2


@pytest.mark.parametrize("step_s", [1e-6, 3e-5, 2e-3, 0.0099, 0.0101, 5.0])
def test_samples_of_short_steps_last_ten_milliseconds_or_more(step_s):
    step = Imagined(lambda i: step_s)
    warm = warm_up(step, QUICK)
    ((samples_s, block, steps),) = take([step], [warm], QUICK)
    assert steps * step_s >= 0.01
    assert steps == 1 if step_s > 0.01 else steps * step_s < 0.02
    assert samples_s == pytest.approx(step_s)
    assert np.bincount(block).tolist() == [QUICK.samples_per_block] * QUICK.blocks


def test_a_step_that_becomes_faster_after_its_warm_up_still_gets_long_samples():
    step = Imagined(lambda i: 0.1)
    warm = warm_up(step, QUICK)
    step.seconds = lambda i: 1e-4
    ((samples_s, _, steps),) = take([step], [warm], QUICK)
    assert warm.steps_per_sample == 1 and steps * 1e-4 >= 0.01 and samples_s == pytest.approx(1e-4)


def test_blocks_are_interleaved_and_each_starts_from_the_same_state():
    log = []
    steps = [Imagined(lambda i: 0.02, log, name) for name in "ab"]
    warms = [warm_up(step, QUICK) for step in steps]
    log.clear()
    take(steps, warms, QUICK)
    assert [name for name, _ in itertools.groupby(log, key=lambda entry: entry[0])] == ["a", "b"] * QUICK.blocks
    assert [entry[1] for entry in log] == ["restart", QUICK.samples_per_block + 1] * 2 * QUICK.blocks


def test_drift_falls_on_all_alike():
    """Two equal steps on a device that slows down by half: one after the other would differ by far more."""
    clock = itertools.count()
    steps = [Imagined(lambda i: 0.02 * (1 + next(clock) / 4000)) for _ in "ab"]
    warms = [warm_up(step, QUICK) for step in steps]
    (first, *_), (second, *_) = take(steps, warms, Plan(blocks=20, pause_s=0, budget_s=1e5))
    assert np.median(first) == pytest.approx(np.median(second), rel=0.02)


@pytest.mark.parametrize("step_s", [1e-4, 0.1, 3.0, 1000.0])
def test_the_budget_bounds_the_samples_but_two_blocks_are_taken(step_s):
    plan = Plan(budget_s=10.0, pause_s=0)
    warm = warm_up(Imagined(lambda i: step_s), QUICK)
    blocks, samples = schedule(plan, warm)
    assert 2 <= blocks <= plan.blocks and 1 <= samples <= plan.samples_per_block
    cost_s = blocks * (samples + 1) * warm.steps_per_sample * step_s
    assert cost_s <= plan.budget_s or (blocks, samples) == (2, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocks": 1},
        {"blocks": 2.5},
        {"samples_per_block": 0},
        {"budget_s": -1},
        {"sample_s": float("nan")},
        {"pause_s": "x"},
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(BaselineError, match=f"plan.{next(iter(wrong))}"):
        Plan(**wrong)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the imagined steps move; holds the seconds."""
    now = [0.0]
    monkeypatch.setattr("baselines.live.sampling.time.monotonic", lambda: now[0])
    return now


class Bursting(Imagined):
    """A step on a card that was idle: a tenth faster until `burst_s` are over, as its power limit allows."""

    def __init__(self, clock, burst_s):
        super().__init__(None)
        self.clock, self.burst_s = clock, burst_s

    def __call__(self, samples, steps):
        found = []
        for _ in range(samples):
            step_s = 0.02 * (0.9 if self.clock[0] < self.burst_s else 1.0)
            self.clock[0] += step_s * steps
            found.append(step_s)
        return np.array(found)


@pytest.mark.parametrize("warmup_limit_s", [0.1, 1.0, 10.0])
def test_a_gpu_is_warmed_up_for_two_seconds_whatever_the_limit(clock, warmup_limit_s):
    warm = warm_up(Bursting(clock, 1.5), Plan(warmup_limit_s=warmup_limit_s), WARM_GPU_AFTER_S)
    assert WARM_GPU_AFTER_S == 2.0 <= clock[0] < 2.1 + 0.1
    assert warm.stable and warm.step_s == pytest.approx(0.02)


def test_elsewhere_a_step_that_is_stable_at_once_is_warm_soon(clock):
    warm = warm_up(Bursting(clock, 1.5), Plan())
    assert warm.stable and warm.step_s == pytest.approx(0.018) and clock[0] < 0.4
