"""Search of a design space: batches of designs are replayed at once, and the Pareto front of what is found is kept.

Values in, values out: a search is a generator of States, each of which a later search goes on from.
"""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from accel_model import Trace, replay
from accel_model.design.space import Space
from accel_model.silicon.area import area_mm2, mac_um2
from accel_model.types import PRECISIONS, dtype_of
from harness.flows.explore import pareto
from harness.settings.fields import above_zero, check, some_of
from harness.store.keys import exploration_key

METRICS = ("step_s", "energy_j", "area_mm2", "watts", "utilisation")
"""What is kept of each design of a front; watts is the average over the step, the area a proxy."""
LIMITS = ("macs_most", "area_most_mm2", "no_tile", "dram_capacity", "watts_most")
"""Why a design is left out; of several, the first."""
BATCH_CELLS = 1_500_000  # (designs, ops) replayed at a time
LARGEST_BATCH, SMALLEST_BATCH = 2**15, 2**10  # designs


OBJECTIVES = METRICS[:4]  # what may be minimised


@dataclass
class ExploreConfig:
    """What task=explore searches: a file in conf/explore."""

    trace: str | None  # file to read; None: the workload's step is captured
    space: dict[str, Any]  # choices of an accelerator's fields
    objectives: list[str] = some_of(OBJECTIVES, distinct=True)  # all minimised
    macs_most: float | None = above_zero(100, "MAC units")
    area_most_mm2: float | None = above_zero(100, "mm2")
    watts_most: float | None = above_zero(100, "W")
    grid_most: int = above_zero(3_000_000, "designs")
    trials: int = above_zero(4096, "designs")
    population: int = above_zero(256, "designs")

    def __post_init__(self):
        check(self, "explore")


@dataclass(frozen=True, eq=False)
class Problem:
    """What is searched, and for what."""

    trace: Trace
    space: Space
    precision: str  # of the MAC units that the trace needs
    objectives: tuple[str, ...]  # of METRICS, all minimised
    limits: dict  # {name in LIMITS: number, or None for no limit}


@dataclass(frozen=True, eq=False)
class State:
    """How far a search is; `rows` holds the front of a grid, or every design that a sampler tried."""

    done: int  # designs looked at
    excluded: np.ndarray  # int64 (LIMITS,), designs left out by each
    seconds: float  # that the search has taken so far
    rows: dict  # {"digits": int64 (axes, n), "excess": float64 (n,), and each of METRICS: float64 (n,)}

    @property
    def feasible(self):
        """Designs that run and meet every limit."""
        return self.done - int(self.excluded.sum())


def start(problem):
    """The State of a search that has not begun."""
    rows = {name: np.empty(0) for name in ("excess", *METRICS)}
    rows["digits"] = np.empty((len(problem.space.axes), 0), dtype=np.int64)
    return State(0, np.zeros(len(LIMITS), dtype=np.int64), 0.0, rows)


def widest(trace):
    """The precision of the largest MAC unit that the MACs of `trace` need."""
    used = set(trace.ops.dtype[trace.ops.macs > 0].tolist())
    return max((name for name in PRECISIONS if dtype_of(name) in used), key=mac_um2, default="fp32")


def key_of(problem: Problem, **settings: int) -> str:
    """The key (harness.store.keys) of the search of a Problem; settings: of the sampler, {} for a grid."""
    decisive = settings | {
        "precision": problem.precision,
        "objectives": problem.objectives,
        "limits": problem.limits,
    }
    return exploration_key(problem.trace, (problem.space.axes, problem.space.fixed), decisive)


def score(problem, digits):
    """(rows, reason) of the designs of `digits`, int64 (axes, n).

    rows: as in State; `excess` is 0 for a design that runs and meets every limit, else how far it is from that, and the
    metrics of one that was not replayed are infinite. reason: int64 (n,), index into LIMITS, or -1.
    """
    design = problem.space.at(digits)
    count, limits = len(design), problem.limits
    rows = {name: np.full(count, np.inf) for name in METRICS}
    rows |= {"digits": np.asarray(digits), "area_mm2": area_mm2(design, problem.precision), "excess": np.zeros(count)}
    reason = np.full(count, -1)

    def leave_out(name, at, excess):
        new = (reason[at] < 0) & (excess > 0)
        reason[at[new]] = LIMITS.index(name)
        rows["excess"][at] += np.maximum(excess, 0)

    everywhere = np.arange(count)
    for name, values in (("macs_most", design.pes), ("area_most_mm2", rows["area_mm2"])):
        if limits.get(name):
            leave_out(name, everywhere, values / limits[name] - 1)
    at = np.flatnonzero(reason < 0)
    if len(at):
        report = replay(problem.trace, design if len(at) == count else design[at], per_op=False, must_run=False)
        for name in METRICS:
            if name != "area_mm2":
                rows[name][at] = getattr(report, name)
        leave_out("no_tile", at, np.where(report.runs, 0.0, 100.0))
        leave_out("dram_capacity", at, np.where(report.fits, 0.0, 10.0))
        if limits.get("watts_most"):
            leave_out("watts_most", at, report.watts / limits["watts_most"] - 1)
    return rows, reason


def metrics_of(problem, design):
    """{name in METRICS: float} of the first row of `design`; infinite times and energies where it cannot run."""
    report = replay(problem.trace, design[:1], per_op=False, must_run=False)
    area = {"area_mm2": float(area_mm2(design[:1], problem.precision)[0])}
    return {name: area[name] if name in area else float(getattr(report, name)[0]) for name in METRICS}


def front(problem, rows):
    """`rows` with only the feasible ones that no other dominates, the fastest first."""
    feasible = _picked(rows, np.flatnonzero(rows["excess"] == 0))
    kept = _picked(feasible, pareto.front(_values(problem, feasible)))
    return _picked(kept, np.lexsort([kept[name] for name in reversed(METRICS[:3])]))


def grid(problem, state):
    """Yield a State after each batch of the whole space, in its order, from where `state` ends."""
    size = int(np.clip(BATCH_CELLS // max(len(problem.trace), 1), SMALLEST_BATCH, LARGEST_BATCH))
    while state.done < problem.space.count:
        began = time.perf_counter()
        last = min(state.done + size, problem.space.count)
        rows, reason = score(problem, problem.space.digits(state.done, last))
        new = front(problem, rows)
        old_at, new_at = pareto.merged(_values(problem, state.rows), _values(problem, new))
        state = after(state, last, reason, joined(_picked(state.rows, old_at), _picked(new, new_at)), began)
        yield state


def after(state, done, reason, rows, began):
    """The State that follows `state`; reason: of the designs just scored; began: perf_counter() of their start."""
    excluded = state.excluded + np.bincount(reason[reason >= 0], minlength=len(LIMITS))
    return replace(state, done=done, excluded=excluded, rows=rows, seconds=state.seconds + time.perf_counter() - began)


def joined(a, b):
    """The rows of `a`, then those of `b`."""
    return {name: np.concatenate([a[name], b[name]], axis=-1) for name in a}


def _picked(rows, at):
    return {name: values[..., at] for name, values in rows.items()}


def _values(problem, rows):
    return np.stack([pareto.rounded(rows[name]) for name in problem.objectives], axis=1)
