"""Measured against simulated: the only place where the two sides meet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from accel_model import Report
from baselines import PARITY, Measurement
from harness.judging.model_error import of_settings, symmetric
from harness.settings.schema import CompareConfig

FORWARD_BACKWARD = ("forward", "recompute", "dgrad", "wgrad", "other")  # phases of that scope: all but the optimiser

BOUNDS_FROM_ABOVE = "step_and_loading"  # loading hides in it, so the step alone takes at most that long


@dataclass(frozen=True, eq=False)
class Simulation:
    """The accelerator's time for the part of a step that a scope covers; every array is float64 (designs,)."""

    step_s: np.ndarray
    floor_s: np.ndarray  # no time lies below it: MACs over MAC rate, unavoidable bytes over bandwidth
    shares: dict  # of the nominal design's time, by what binds it: compute, dram, buffer, vector, host, launch
    energy_j: np.ndarray | None = None  # of the whole step; None where the scope covers less


@dataclass(frozen=True, eq=False)
class Comparison:
    """One baseline's time for a step against the accelerator's for the same work; intervals are (low, middle, high)."""

    baseline: Measurement
    precision: str  # of the accelerator's operands
    measured_s: tuple[float, float, float]
    simulated_s: np.ndarray  # float64 (3, designs)
    floor_s: np.ndarray  # float64 (designs,)
    shares: dict  # of the nominal design's time, by bound
    obstacle: str  # why no claim can rest on this row, or ""
    obstacle_without_parity: str  # the same for a claim that does not ask for equal precision
    remarks: tuple[str, ...]
    energy_ratios: tuple | None = None  # (low, middle, high) of simulated over measured joules; None: not known

    @property
    def ratios(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(low, middle, high) of simulated over measured time, each float64 (designs,)."""
        low, middle, high = self.measured_s
        simulated = self.simulated_s
        return simulated[0] / high, simulated[1] / middle, simulated[2] / low if low else np.inf * simulated[2]

    @property
    def reduction(self) -> np.ndarray:
        """float64 (3, designs), the share of the measured time that the accelerator saves: 1 - simulated / measured."""
        low, middle, high = self.ratios
        return np.stack([1 - high, 1 - middle, 1 - low])

    @property
    def gain(self) -> np.ndarray:
        """float64 (3, designs), throughput gained over the baseline: measured / simulated - 1."""
        return self.speedups - 1

    @property
    def speedups(self) -> np.ndarray:
        """float64 (3, designs), measured over simulated time."""
        low, middle, high = self.ratios
        with np.errstate(divide="ignore"):  # a measured time without an upper end leaves the gain without one
            return np.stack([1 / high, 1 / middle, 1 / low])

    @property
    def floor_ratio(self) -> np.ndarray:
        """float64 (designs,), the smallest simulated / measured that physics and the measured interval allow."""
        return self.floor_s / self.measured_s[2]


def simulate(report: Report, compute_floor_s: np.ndarray, scope: str) -> Simulation:
    """The Simulation of a step within `scope`, from the accelerator's Report.

    compute_floor_s: float64 (designs,), seconds of the step's MACs at the peak rate. scope: one of baselines' SCOPES;
    what a scope leaves out on the measured side (the optimiser, the host's copy) is left out here too.
    """
    if scope == "forward_backward":
        phases = report.by_phase()
        step_s, floor_s = sum(phases[name] for name in FORWARD_BACKWARD), compute_floor_s
    else:
        step_s = report.step_s - (report.host_s if scope == "step" else 0)
        floor_s = np.maximum(compute_floor_s, report.floor_s)
    seconds = {name: float(values[0]) for name, values in report.by_bound().items()}
    whole = sum(seconds.values()) or 1.0
    energy_j = None if scope == "forward_backward" else report.energy_j
    return Simulation(
        np.asarray(step_s), np.asarray(floor_s), {name: s / whole for name, s in seconds.items()}, energy_j
    )


def compare(baseline: Measurement, simulation: Simulation, precision: str, settings: CompareConfig) -> Comparison:
    """The Comparison of one Measurement with one Simulation of the same work.

    precision: of the accelerator's operands. settings: CompareConfig. The simulated interval is the simulated time with
    the model's error to both sides, its lower end never below the floor.
    """
    low, high = baseline.interval_s(settings.level)
    remarks = [baseline.notes] if baseline.notes else []
    if baseline.scope == BOUNDS_FROM_ABOVE:
        low = 0.0
        remarks.append("its time includes the loading of data, so it only bounds the step from above")
    error, step_s, floor_s = of_settings(settings, "time"), simulation.step_s, simulation.floor_s
    if baseline.kind == "placed":
        error = symmetric(0.0)
        remarks.append("both sides are the same model, whose error they share; what spreads is the clock reached")
    simulated = np.stack([step_s * error.low, step_s, step_s * error.high])
    return Comparison(
        baseline=baseline,
        precision=precision,
        measured_s=(low, baseline.step_s, high),
        simulated_s=np.maximum(simulated, floor_s),
        floor_s=floor_s,
        shares=simulation.shares,
        obstacle=parity_obstacle(baseline, precision) or obstacle(baseline),
        obstacle_without_parity=obstacle(baseline),
        remarks=tuple(remarks),
        energy_ratios=energy_ratios(baseline, simulation, settings),
    )


def energy_ratios(
    baseline: Measurement, simulation: Simulation, settings: CompareConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(low, middle, high) of simulated over measured joules, each float64 (designs,); None where one is not known."""
    if simulation.energy_j is None or not baseline.energy_j > 0:
        return None
    error, ratio = of_settings(settings, "energy"), simulation.energy_j / baseline.energy_j
    spread = baseline.relative_uncertainty
    return ratio * error.low / (1 + spread), ratio, ratio * error.high / (1 - spread)


def parity_obstacle(baseline: Measurement, precision: str) -> str:
    """Why the precisions of the two sides are not of equal quality, or "" where they are."""
    if baseline.precision in PARITY[precision]:
        return ""
    return f"its precision {baseline.precision} is not of equal quality to {precision}"


def obstacle(baseline: Measurement) -> str:
    """Why no claim can rest on this baseline alone, whatever the precisions, or "" where one can."""
    if baseline.confidence == "recalled":
        return "its figure is quoted from memory"
    if not math.isnan(baseline.macs_per_s):
        return "its time is derived from a rate of operations"
    if baseline.unstable and baseline.kind != "placed":
        return "its interquartile range is above 10 % of its median"
    return ""
