"""When a step is warm, how many samples to take, and in which order: nothing here knows of torch."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from baselines.errors import MeasurementError

MARGIN = 1.25  # by which samples of short steps are planned longer than they must be
WINDOW = 3
STABLE_WITHIN = 0.03
"""A step is warm when the medians of two successive windows of samples differ by no more than this share."""
WARM_AFTER_S = 0.3  # and no sooner
WARM_GPU_AFTER_S = 2.0
"""And no sooner on a GPU: its clocks take some tenths of a second to rise, and its power limit, which acts on an
average over about a second, lets a card that was idle run faster at first than it goes on."""


@dataclass(frozen=True)
class Plan:
    """How long to warm a step up, and how many samples to take of it.

    Samples come in blocks that are separated by pauses and interleaved with the blocks of what is measured beside it,
    so that drift of clocks and temperature shows in the spread and falls on all alike.
    """

    blocks: int = 5
    samples_per_block: int = 10
    sample_s: float = 0.01  # least length of a sample; shorter steps are run back to back
    warmup_limit_s: float = 10.0
    budget_s: float = 30.0  # for the samples of one mode and scope; slow steps get fewer samples and blocks
    pause_s: float = 0.05  # between blocks
    energy_window_s: float = 2.0  # long against the 20 to 100 ms period of energy counters; 0 = no energy

    def __post_init__(self):
        for name, least in (("blocks", 2), ("samples_per_block", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 10_000:
                raise MeasurementError(f"plan.{name} is {value!r}: give a whole number from {least} to 10000")
        for name in ("sample_s", "warmup_limit_s", "budget_s", "pause_s", "energy_window_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e6:
                raise MeasurementError(f"plan.{name} is {value!r}: give seconds, at least 0")


@dataclass(frozen=True)
class Warm:
    """What warming up found: steps run, steps that make one sample, seconds of one step, whether it became stable."""

    steps: int
    steps_per_sample: int
    step_s: float
    stable: bool


class TimedStep(Protocol):
    """A step that can be timed; what it computes is its own."""

    def __call__(self, samples: int, steps: int) -> np.ndarray:
        """float64 (samples,), seconds per step; each sample is `steps` steps back to back."""
        ...

    def restart(self) -> None:
        """Put the step back to the state it started from."""
        ...


def warm_up(timed: TimedStep, plan: Plan, least_s: float = 0.0) -> Warm:
    """Run a step until its time is stable or plan.warmup_limit_s is over, but for `least_s` in any case."""
    timed.restart()
    least_s, limit_s = max(WARM_AFTER_S, least_s), max(plan.warmup_limit_s, least_s)
    started, ran, recent, steps_per_sample = time.monotonic(), 0, [], 1
    while True:
        step_s = float(timed(1, steps_per_sample)[0])
        ran += steps_per_sample
        recent.append(step_s)
        needed = math.ceil(plan.sample_s / step_s) or 1
        if not steps_per_sample / 2 <= needed <= steps_per_sample:
            steps_per_sample, recent = (1 if needed == 1 else math.ceil(MARGIN * plan.sample_s / step_s)), []
        before, now = np.median(recent[-2 * WINDOW : -WINDOW] or np.inf), np.median(recent[-WINDOW:] or np.inf)
        passed_s = time.monotonic() - started
        stable = len(recent) >= 2 * WINDOW and abs(now - before) <= STABLE_WITHIN * now and passed_s > least_s
        if stable or (ran > 1 and passed_s > limit_s):
            return Warm(ran, steps_per_sample, float(now) if np.isfinite(now) else step_s, bool(stable))


def schedule(plan: Plan, warm: Warm) -> tuple[int, int]:
    """(blocks, samples in each) that plan.budget_s affords, at least 2 and 1; a block runs one untimed sample first."""
    affordable = plan.budget_s / (warm.step_s * warm.steps_per_sample)
    blocks = int(np.clip(affordable // 2, 2, plan.blocks))
    return blocks, int(np.clip(affordable / blocks - 1, 1, plan.samples_per_block))


def take(timers: Sequence[TimedStep], warms: Sequence[Warm], plan: Plan) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """The samples of several steps, block by block in turn.

    warms: what `warm_up` returned for each of `timers`.
    Returns one (samples_s, block, steps) per step: float64 (samples,), seconds per step; int64 (samples,); and the
    fewest steps that make a sample.
    """
    wanted = [schedule(plan, warm) for warm in warms]
    taken = [[] for _ in timers]
    for block in range(max((blocks for blocks, _ in wanted), default=0)):
        for timed, warm, (blocks, samples), rows in zip(timers, warms, wanted, taken, strict=True):
            if block < blocks:
                time.sleep(plan.pause_s)
                rows.append(_block(timed, samples, warm.steps_per_sample, plan.sample_s))
    return [
        (
            np.concatenate([samples_s for samples_s, _ in rows]),
            np.repeat(np.arange(len(rows)), len(rows[0][0])),
            min(steps for _, steps in rows),
        )
        for rows in taken
    ]


def _block(timed, samples, steps, sample_s):
    """(float64 (samples,) seconds per step, steps in each); taken again where a sample is shorter than `sample_s`."""
    while True:
        timed.restart()
        samples_s = timed(samples + 1, steps)[1:]  # the first refills caches and queues
        typical_s = float(np.median(samples_s))
        if typical_s * steps >= sample_s:
            return samples_s, steps
        steps = max(steps + 1, math.ceil(MARGIN * sample_s / typical_s))
