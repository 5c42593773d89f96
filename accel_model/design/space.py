"""Space: all combinations of some choices around one accelerator, any part of which becomes a Design."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from accel_model.array.chunks import ARRAY, CLASS, SPEED
from accel_model.design.file import nominal
from accel_model.design.table import Design, combined, parsed
from accel_model.errors import DesignError

SLOWEST_FIRST = tuple(dict.fromkeys(("fusion", "residency", "buffer_bytes", *CLASS, "array", *ARRAY, *SPEED)))
"""Axes in the order in which they vary, the slowest first, so that designs next to each other share work in replay."""
RANGE_KEYS = ("low", "high", "steps", "scale")
SCALES = ("linear", "log")
LARGEST_STEPS = 100_000
SIDES = ("rows", "cols", "cores")
COUNTS = tuple(f.name for f in fields(Design) if f.name != "name" and f.metadata["kind"] == "count")


@dataclass(frozen=True, eq=False)
class Space:
    """Choices for each axis, and one value for every other field that the accelerator states."""

    axes: dict  # {field or "array": its choices, (n,) or for arrays (n, 3)}
    fixed: dict  # {field or "array": the accelerator's one value, as an array of length 1}
    name: str
    where: str  # what to name in an error

    def __repr__(self):
        axes = " x ".join(f"{len(choices)} {key}" for key, choices in self.axes.items())
        return f"Space({axes} around {self.name})"

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of choices of each axis."""
        return tuple(len(choices) for choices in self.axes.values())

    @property
    def count(self) -> int:
        """The number of designs, a whole number of any size."""
        return math.prod(self.sizes)

    def digits(self, first: int, last: int) -> np.ndarray:
        """int64 (axes, n), which choice of each axis the designs numbered `first` to below `last` have."""
        return np.stack(np.unravel_index(np.arange(first, last), self.sizes))

    def at(self, digits: np.ndarray) -> Design:
        """The Design of `digits`, int64 (axes, n); raises DesignError where a combination is no accelerator."""
        digits = np.asarray(digits)
        count = digits.shape[1]
        whole = [np.zeros(count, dtype=np.int64)] * len(self.fixed)
        return combined(self.fixed | self.axes, [*whole, *digits], count, self.name, self.where)

    @classmethod
    def around(cls, mapping: Mapping[str, Any], choices: Mapping[str, Any], name: str, where: str) -> Self:
        """The Space of `choices` around the nominal design that `mapping` holds.

        mapping: in the form of conf/accelerator/*.yaml. choices: {field, or array: a list, or a mapping of low, high,
        steps and scale (linear or log)}. Raises DesignError.
        """
        if not isinstance(choices, dict) or not choices:
            raise DesignError(
                f"{where} names no field: give some choices, e.g. +{where}.buffer_bytes=[1048576,4194304]"
            )
        axes = parsed({key: _listed(key, given, where) for key, given in choices.items()}, where)
        base = nominal(mapping, f"accelerator {name}")
        if "array" in axes:
            base = {key: value for key, value in base.items() if key not in SIDES}
        elif set(SIDES) & set(axes) and "array" in base:
            base |= {side: [value] for side, value in zip(SIDES, base.pop("array")[0], strict=True)}
        fixed = parsed({key: value for key, value in base.items() if key not in axes}, f"accelerator {name}")
        order = dict.fromkeys([key for key in SLOWEST_FIRST if key in axes] + list(axes))
        found = cls({key: axes[key] for key in order}, fixed, name, where)
        found.at(found._each_choice())  # a value that no accelerator has is refused here
        return found

    def _each_choice(self):
        """int64 (axes, n), digits in which every choice of every axis is there."""
        longest = max(self.sizes)
        return np.stack([np.minimum(np.arange(longest), size - 1) for size in self.sizes])


def _listed(key, given, where):
    """The choices of one axis as a list; raises DesignError."""
    place = f"{where}.{key}"
    if not isinstance(given, dict):
        return given
    if unknown := set(given) - set(RANGE_KEYS):
        raise DesignError(
            f"{place} has the unknown part {sorted(unknown)[0]!r}: use {', '.join(RANGE_KEYS)}, or a list"
        )
    if missing := [part for part in ("low", "high", "steps") if given.get(part) is None]:
        raise DesignError(f"{place} lacks {missing[0]}: write {place}={{low: 1e9, high: 4e9, steps: 7, scale: log}}")
    low, high, steps, scale = (given.get(part, "linear") for part in RANGE_KEYS)
    numbers = all(isinstance(one, int | float) and math.isfinite(one) for one in (low, high))
    if not numbers or isinstance(low, bool) or isinstance(high, bool) or low > high:
        raise DesignError(f"{place} spans {low} to {high}: give two numbers, low not above high")
    if isinstance(steps, bool) or not isinstance(steps, int) or not 0 < steps <= LARGEST_STEPS:
        raise DesignError(f"{place}.steps is {steps}: give a whole number from 1 to {LARGEST_STEPS}")
    if scale not in SCALES:
        raise DesignError(f"{place}.scale is {scale}: use {' or '.join(SCALES)}")
    if scale == "log" and low <= 0:
        raise DesignError(f"{place}.low is {low}: a scale of log needs a number above 0")
    values = np.geomspace(low, high, steps) if scale == "log" else np.linspace(low, high, steps)
    return np.unique(np.round(values).astype(np.int64) if key in COUNTS else values).tolist()
