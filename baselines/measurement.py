"""What a device did: the one type of every live, recorded and published baseline."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from baselines.errors import MeasurementError
from baselines.resampling import cut, median_interval
from baselines.vocabulary import CLOCKS, CONFIDENCES, DEVICE_KINDS, JUDGED_SCOPE, KINDS, MODES, SCOPES, UNSTATED

UNSTABLE_IQR = 0.1
"""Interquartile range, as a share of the median, above which a run is marked unstable (STYLE.md)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Measurement:
    """The time of one training step of one workload on one device, with where it comes from.

    samples_s: float64 (samples,), seconds per step; empty where the source gives only a rate (`macs_per_s`).
    block: int64 (samples,), which block of repetitions a sample belongs to.
    Raises MeasurementError for values that cannot be.
    """

    device: str
    device_kind: str
    kind: str
    workload: str  # "" where the model is none of the workloads
    model: str
    samples_s: np.ndarray
    block: np.ndarray
    batch_size: int  # per device; 0 = not stated
    precision: str
    scope: str
    clock: str
    source: str
    confidence: str
    variant: str = ""
    dataset: str = ""
    input_shape: str = ""  # as the source writes it, e.g. "3x224x224"
    mode: str = UNSTATED
    warmup: int = 0  # steps run before the first sample
    steps_per_sample: int = 1  # back-to-back steps that a sample averages, at least
    energy_j: float = math.nan  # per step
    energy_note: str = "not measured"
    context: dict = field(default_factory=dict)
    locator: str = ""  # table, line or file within the source
    year: int = 0  # 0 = not stated
    relative_uncertainty: float = 0.0  # half-width of the interval as a share of the value; 0 where samples speak
    throughput_per_s: float = math.nan  # as published, samples per second; all that is known where no batch is stated
    macs_per_s: float = math.nan  # derived from a published rate in operations per second: 1 MAC = 2 OP
    notes: str = ""

    def __post_init__(self):
        self._refuse_unknown_words()
        self._check_counts()
        samples = _column(self, "samples_s", np.float64)
        block = _column(self, "block", np.int64)
        if block.shape != samples.shape:
            self._refuse("block", f"of shape {block.shape}", f"one block number per sample, {samples.shape}")
        if not (np.isfinite(samples) & (samples > 0)).all():
            self._refuse("samples_s", "not all finite and above 0", "seconds per step")
        if samples.size and not self.batch_size:
            self._refuse("batch_size", "0", "the samples of one step on one device, for there are step times")
        for name in ("throughput_per_s", "macs_per_s"):
            if not (math.isnan(getattr(self, name)) or 0 < getattr(self, name) < math.inf):
                self._refuse(name, getattr(self, name), "a rate above 0, or NaN")
        if not samples.size and math.isnan(self.throughput_per_s) and math.isnan(self.macs_per_s):
            self._refuse("samples_s", "empty", "at least one sample, or a published rate")
        if not (math.isnan(self.energy_j) or 0 <= self.energy_j < math.inf):
            self._refuse("energy_j", self.energy_j, "joules per step, or NaN with energy_note saying why")
        if not 0 <= self.relative_uncertainty < 1:
            self._refuse("relative_uncertainty", self.relative_uncertainty, "a share of the value, at least 0, below 1")
        if not isinstance(self.context, dict):
            self._refuse("context", type(self.context).__name__, "a dict")

    @property
    def step_s(self) -> float:
        """Median seconds per step; NaN where only a rate is known."""
        return float(np.median(self.samples_s)) if self.samples_s.size else math.nan

    @property
    def iqr_s(self) -> float:
        """Interquartile range of the samples in seconds; NaN where only a rate is known."""
        return float(np.subtract(*np.percentile(self.samples_s, [75, 25]))) if self.samples_s.size else math.nan

    @property
    def unstable(self) -> bool:
        """Whether the interquartile range is above 10 % of the median."""
        return bool(self.iqr_s > UNSTABLE_IQR * self.step_s)

    @property
    def samples_per_s(self) -> float:
        """Training samples (images, sequences) per second; NaN where only a rate of operations is known."""
        return self.batch_size / self.step_s if self.samples_s.size else self.throughput_per_s

    def interval_s(self, level: float = 0.95) -> tuple[float, float]:
        """The interval (low, high) of the median step time in seconds.

        Where there are two samples or more: a bootstrap over blocks, then over steps within them.
        `relative_uncertainty` widens it to both sides; it is all that is known of a published value. A single sample
        without a stated uncertainty bounds nothing: (0, inf). (NaN, NaN) where only a rate is known.
        """
        if not 0 < level < 1:
            raise MeasurementError(f"level is {level}: give a probability between 0 and 1, e.g. 0.95")
        if self.samples_s.size > 1:
            low, high = median_interval(self.samples_s, self.block, level)
            low = max(low, 0.0)
        elif self.samples_s.size and not self.relative_uncertainty:
            low, high = 0.0, math.inf
        else:
            low = high = self.step_s
        return low * (1 - self.relative_uncertainty), high * (1 + self.relative_uncertainty)

    def _refuse_unknown_words(self):
        allowed = {
            "kind": KINDS,
            "device_kind": DEVICE_KINDS,
            "mode": (*MODES, UNSTATED),
            "scope": tuple(SCOPES),
            "clock": CLOCKS,
            "confidence": CONFIDENCES,
        }
        for name in ("workload", "variant", "dataset", "input_shape", "energy_note", "locator", "notes"):
            if not isinstance(getattr(self, name), str):
                self._refuse(name, repr(getattr(self, name)), "a text")
        for name, words in allowed.items():
            if getattr(self, name) not in words:
                self._refuse(name, repr(getattr(self, name)), f"one of {', '.join(words)}")
        for name in ("device", "model", "precision", "source"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                self._refuse(name, repr(value), "a text that is not empty")

    def _check_counts(self):
        for name, least in (("batch_size", 0), ("warmup", 0), ("year", 0), ("steps_per_sample", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 2**31:
                self._refuse(name, repr(value), f"a whole number of at least {least}")
        for name in ("energy_j", "relative_uncertainty", "throughput_per_s", "macs_per_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
                self._refuse(name, repr(value), "a number")

    def _refuse(self, name, value, wanted):
        value, source, locator = (str(one)[:200] for one in (value, self.source, self.locator))
        raise MeasurementError(f"measurement.{name} is {value} ({source}, {locator}): give {wanted}")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is trained in the steps that are measured."""

    model: str
    batch_size: int  # per device
    precision: str = "fp32"
    workload: str = ""
    variant: str = ""
    dataset: str = ""
    input_shape: str = ""  # e.g. "3x224x224"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How steps were timed."""

    mode: str = "eager"
    scope: str = JUDGED_SCOPE
    warmup: int = 0  # steps run before the first sample
    steps_per_sample: int = 1  # back-to-back steps that a sample averages, at least


EAGER = Timing()


def from_samples(
    samples_s: ArrayLike,
    subject: Subject,
    context: Mapping,
    timing: Timing = EAGER,
    *,
    block: ArrayLike | None = None,
    energy_j: float = math.nan,
    energy_note: str = "not measured",
    notes: str = "",
) -> Measurement:
    """The live Measurement of steps that were timed elsewhere, e.g. by a StepTimer around a training loop.

    samples_s: float (samples,), seconds per step, warm-up left out, in the order they were taken.
    context: what `device_context` returned; the device's name, kind and clock come from it.
    block: int (samples,); where None, successive samples, which are correlated, are cut into at most 10 equal blocks.
    energy_j: joules per step. Raises MeasurementError.
    """
    for name in ("device", "device_kind", "clock"):
        if name not in context:
            raise MeasurementError(
                f"the context of a measurement lacks {name!r}: pass what device_context(...) returns"
            )
    samples_s = np.asarray(samples_s, np.float64)
    return Measurement(
        device=context["device"],
        device_kind=context["device_kind"],
        kind="live",
        samples_s=samples_s,
        block=cut(samples_s.size) if block is None else block,
        clock=context["clock"],
        source="measured here",
        confidence="measured",
        energy_j=energy_j,
        energy_note=energy_note,
        context=dict(context),
        notes=notes,
        **asdict(subject),
        **asdict(timing),
    )


def _column(measurement, name, dtype):
    """Store the field `name` as a read-only 1-D array of `dtype` and return it; raises MeasurementError."""
    try:
        given = np.asarray(getattr(measurement, name))
        column = given.astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise MeasurementError(f"measurement.{name} is no array of numbers: {error}") from None
    if column.ndim != 1:
        raise MeasurementError(f"measurement.{name} has shape {column.shape}: give one axis, the samples")
    if dtype is np.int64 and given.dtype.kind not in "iu" and given.size:
        raise MeasurementError(f"measurement.{name} is of type {given.dtype}: give whole numbers")
    column.flags.writeable = False
    object.__setattr__(measurement, name, column)
    return column
