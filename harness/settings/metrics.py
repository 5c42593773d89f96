"""What a claim may be about: one record a metric. Each is a function of one ratio, simulated over measured."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.text.units import percent, times


@dataclass(frozen=True)
class Metric:
    """One metric of claims; its value falls as the ratio rises, since less time or energy is better."""

    name: str
    quantity: str  # whose ratio it is taken of: time or energy
    value: Callable  # of a ratio, float or float64 (any shape)
    ratio: Callable  # of a value: what `value` undoes
    text: Callable  # of a value: how people read it
    noun: str  # what a value is a value of, as in "+50 % less time"
    above: float  # no threshold lies at or below it
    below: float  # or at or above it
    why: str  # what a threshold outside would ask for
    example: str  # a threshold, with what it means


def inverse(ratio):
    """float64, 1 / ratio; infinite where a measured time has no upper end."""
    with np.errstate(divide="ignore"):
        return 1 / np.asarray(ratio, float)


def _complement(value):
    return 1 - value


_INF = float("inf")

METRICS = {
    one.name: one
    for one in (
        Metric(
            *("time_reduction", "time", _complement, _complement, percent, "less time"),
            *(-_INF, 1, "no time falls by 100 % or more", "0.5 for 50 %"),
        ),
        Metric(
            *("throughput_gain", "time", lambda ratio: inverse(ratio) - 1, lambda value: 1 / (1 + value)),
            *(percent, "throughput", -1, _INF, "no throughput falls by 100 % or more", "2.0 for +200 %"),
        ),
        Metric(
            *("speedup", "time", inverse, lambda value: 1 / value, times, "speed-up"),
            *(0, _INF, "no speed-up is 0 or less", "2.0 for twice as fast"),
        ),
        Metric(
            *("energy_reduction", "energy", _complement, _complement, percent, "less energy"),
            *(-_INF, 1, "no energy falls by 100 % or more", "0.5 for 50 %"),
        ),
    )
}


def metric_text(metric: str, value: float) -> str:
    """A value of a metric as text, e.g. +50 % or 2.1x."""
    return METRICS[metric].text(value)
