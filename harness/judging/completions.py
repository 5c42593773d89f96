"""Completions: every design that an under-specified accelerator may be, and which open value each of them has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from accel_model import Design
from accel_model.design.file import completions as every_value
from accel_model.design.file import nominal as nominal_value
from harness.text.units import label, phrase, with_unit


@dataclass(frozen=True)
class OpenValue:
    """A value that the accelerator's file leaves open."""

    name: str
    nominal: str
    values: tuple[str, ...]  # as people read them, e.g. "0.25 MiB"
    source: str


@dataclass(frozen=True)
class Effect:
    """How much one open value decides: geometric mean step times, the others taken over all their values."""

    name: str
    factor: float  # slowest value's mean step time over the fastest's, at least 1
    fastest: str  # that value, as people read it
    slowest: str


@dataclass(frozen=True, eq=False)
class Completions:
    """The nominal design, then every combination of what nobody stated.

    designs: (1 + combinations,) rows, the nominal one first. values: {field: [values]} of all that the file states or
    leaves open, the last one varying fastest. nominal: {field: value}. sources: {field: text}.
    """

    designs: Design
    values: dict
    nominal: dict
    sources: dict

    @classmethod
    def of(cls, mapping: dict) -> Completions:
        """The Completions of an accelerator in the form of conf/accelerator/*.yaml; raises DesignError."""
        name = str(mapping.get("name", "accelerator"))
        where = f"accelerator {name}"
        nominal = Design.from_mapping(mapping, name)
        return cls(
            designs=Design.stack([nominal, Design.completions(mapping, name)]),
            values=every_value(mapping, where),
            nominal={key: value[0] for key, value in nominal_value(mapping, where).items()},
            sources={
                key: str(value.get("source", "")) if isinstance(value, dict) else "" for key, value in mapping.items()
            },
        )

    def __len__(self):
        return len(self.designs)

    @cached_property
    def open(self) -> tuple[str, ...]:
        """Names of the fields that have several values."""
        return tuple(key for key, values in self.values.items() if len(values) > 1)

    @cached_property
    def choices(self) -> dict[str, np.ndarray]:
        """{open field: int (combinations,)}, the index into its values that each combination takes."""
        lengths = [len(values) for values in self.values.values()]
        index = np.unravel_index(np.arange(len(self) - 1), lengths)
        return {key: one for key, one in zip(self.values, index, strict=True) if key in self.open}

    def open_values(self) -> tuple[OpenValue, ...]:
        """An OpenValue for each open field."""
        return tuple(
            OpenValue(
                name=key,
                nominal=with_unit(key, self.nominal[key]),
                values=tuple(with_unit(key, value) for value in self.values[key]),
                source=self.sources.get(key, ""),
            )
            for key in self.open
        )

    def text(self, row: int) -> str:
        """What tells the design at `row` of `designs` from the others, in words."""
        if row == 0:
            return "nominal"
        chosen = {key: self.values[key][self.choices[key][row - 1]] for key in self.open}
        return ", ".join(phrase(key, value) for key, value in chosen.items())

    def common(self, chosen: np.ndarray) -> tuple[str, ...]:
        """What the designs that bool (designs,) `chosen` picks have in common, beyond what all have: texts."""
        picked, found = np.asarray(chosen)[1:], []
        if not picked.any():
            return ()
        for key in self.open:
            values, taken = self.values[key], np.unique(self.choices[key][picked])
            if len(taken) == 1:
                found.append(f"only {phrase(key, values[taken[0]])}")
            elif len(taken) < len(values):
                few = len(taken) <= len(values) - len(taken)
                named = [with_unit(key, value) for i, value in enumerate(values) if (i in taken) == few]
                found.append(f"{label(key)} {'one' if few else 'none'} of {', '.join(named)}")
        return tuple(found)

    def effects(self, step_s: np.ndarray) -> tuple[Effect, ...]:
        """Effects of the open fields on `step_s`, float64 (designs,) seconds, the largest first.

        The factor is the ratio of geometric means over all values of the other fields, slowest value over fastest.
        """
        logs, found = np.log(np.asarray(step_s)[1:]), []
        for key in self.open:
            means = np.bincount(self.choices[key], logs) / np.bincount(self.choices[key])
            values = [with_unit(key, value) for value in self.values[key]]
            factor = float(np.exp(means.max() - means.min()))
            found.append(Effect(label(key), factor, values[int(means.argmin())], values[int(means.argmax())]))
        return tuple(sorted(found, key=lambda effect: -effect.factor))
