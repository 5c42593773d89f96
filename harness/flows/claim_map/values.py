"""The claim map: every workload, batch, precision and baseline with its verdicts, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accel_model import Design, Report, Trace
from baselines import Measurement
from harness.judging.claims import Verdict
from harness.judging.completions import Effect, OpenValue
from harness.judging.model_error import ModelError
from harness.settings.fields import above_zero, between, check, some
from harness.settings.schema import ClaimConfig

if TYPE_CHECKING:
    from harness.flows.run import Result
    from harness.judging.breakeven import Answer, Curves


@dataclass
class MapConfig:
    """What task=claims compares: `map` in conf/task/claims.yaml."""

    without_parity: str | None
    break_even: bool
    workloads: list[str] = some('"imagenet_*"')
    batches: list[int] = above_zero(64, "samples a step")
    precisions: list[str] = some("fp32")
    train_steps: int = between(0, 1_000_000, 200, "steps")
    live_budget_s: float = between(0, 1_000_000, 20, "s")
    workers: int | None = above_zero(2)

    def __post_init__(self):
        check(self, "map")


@dataclass(frozen=True, eq=False)
class Step:
    """A training step of one workload at one batch and precision on the accelerator; seconds of step and host copy."""

    workload: str
    batch_size: int
    precision: str  # of the operands
    macs: int
    nominal_s: float
    best_s: float  # the fastest completion
    median_s: float
    worst_s: float
    floor_s: float  # no completion is faster: every MAC unit busy, or unavoidable bytes
    by_phase_s: dict  # {phase: seconds} of the nominal design
    by_bound_s: dict  # {what binds: seconds} of the nominal design, the host's copy as "host"
    energy_j: float  # of the nominal design
    energy_by_part_j: (
        dict  # {macs, registers, buffer, dram, vector, static: joules} of the nominal design; may be empty
    )
    effects: tuple[Effect, ...]  # the largest first
    curves: Curves | None  # step time over MACs, clock, bandwidth, buffer; None where it was not asked for

    @property
    def samples_per_s(self):
        """Training samples a second of the nominal design."""
        return self.batch_size / self.nominal_s


@dataclass(frozen=True, eq=False)
class Cell:
    """One baseline against the accelerator on the same work."""

    step: Step
    baseline: Measurement
    measured_s: tuple[float, float, float]  # (low, middle, high)
    simulated_s: tuple[float, float, float]  # of the nominal design, for what the baseline's scope covers
    speedup: tuple[float, float, float]  # of the nominal design: measured over simulated; the ends may be 0 and inf
    verdicts: tuple[Verdict, ...]  # in the order of ClaimMap.claims
    break_even: tuple[dict[str, Answer], ...]  # of each claim: {"macs", "clock_hz", "dram_bytes_per_s", "buffer_bytes"}
    remarks: tuple[str, ...]
    without_parity: tuple[
        Verdict, ...
    ] = ()  # with the accelerator at ClaimMap.without_parity: a sensitivity, no verdict


@dataclass(frozen=True, eq=False)
class Profile:
    """One step op by op on the nominal design, for the roofline and the pictures of time."""

    step: Step
    trace: Trace
    report: Report  # per_op=True, one design


@dataclass(frozen=True, eq=False)
class ClaimMap:
    """All that `task=claims` found."""

    accelerator: str
    design: Design  # the nominal one
    completions: int
    open_values: tuple[OpenValue, ...]
    claims: dict[str, ClaimConfig]
    model_error: ModelError
    steps: dict[tuple[str, int, str], Step]  # by workload, batch size, precision
    cells: tuple[Cell, ...]
    profiles: dict[str, Profile]  # by workload, at its own batch and the first precision asked for
    trained: Result | None = None  # of a short training of the run's own workload; None where none was asked for
    failures: tuple[tuple[str, str], ...] = ()  # (what, why) of what could not be done
    without_parity: str = ""  # precision of the accelerator in Cell.without_parity, whatever the baseline's
