"""Choosing among measurements, whatever their kind."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TypeVar

from baselines.errors import BaselineError
from baselines.vocabulary import CONFIDENCES, DEVICE_KINDS, SCOPES

PARTS = ("device", "model", "dataset")  # a row's text holds the filter's, whatever its case, blanks and hyphens
WORDS = ("workload", "precision")  # equal but for case
CHOICES = {"device_kind": DEVICE_KINDS, "confidence": CONFIDENCES, "scope": tuple(SCOPES)}
COUNTS = ("batch_size", "year")

Row = TypeVar("Row")


@dataclass(frozen=True)
class Filter:
    """What a baseline must be to be taken; None takes all.

    Raises BaselineError for a value that no baseline can have.
    """

    workload: str | None = None  # the whole word in any case
    device: str | None = None  # a part of the text ("v100" finds "V100-SXM2")
    device_kind: str | None = None  # one of DEVICE_KINDS
    model: str | None = None  # a part of the text ("resnet50" finds "ResNet-50")
    precision: str | None = None  # the whole word, so that "fp32" does not admit "fp32_or_tf32"
    batch_size: int | None = None
    dataset: str | None = None  # a part of the text
    year: int | None = None
    confidence: str | None = None  # one of CONFIDENCES
    scope: str | None = None  # one of SCOPES

    def __post_init__(self):
        for name, value in given(self).items():
            if name in CHOICES:
                if value not in CHOICES[name]:
                    raise BaselineError(f"{name} is {value!r}: give one of {', '.join(CHOICES[name])}")
            elif name in COUNTS:
                if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                    raise BaselineError(f"{name} is {value!r}: give a whole number")
            elif not isinstance(value, str):
                raise BaselineError(f"{name} is {value!r}: give a text")


def given(wanted: Filter) -> dict[str, str | int]:
    """{name: value} of what a Filter asks for."""
    values = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    return {name: value for name, value in values.items() if value is not None}


EVERYTHING = Filter()


def select(rows: Iterable[Row], wanted: Filter) -> list[Row]:
    """Those of `rows` that pass every filter of `wanted`, in their order; each row has what is asked for as a field."""
    asked = given(wanted).items()
    return [row for row in rows if all(_passes(getattr(row, name), name, value) for name, value in asked)]


def _passes(found, name, value):
    if name in PARTS:
        return _bare(value) in _bare(found)
    return found.lower() == value.lower() if name in WORDS else found == value


def _bare(text):
    """Letters, digits and points of a text, in lower case."""
    return re.sub(r"[^a-z0-9.]", "", text.lower())
