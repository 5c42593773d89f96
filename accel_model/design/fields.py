"""The fields of a Design: what each may hold, how a written value becomes an array, and what an error says."""

from __future__ import annotations

from dataclasses import Field, field, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from accel_model.errors import DesignError, shown
from accel_model.tables import LARGEST_EXACT
from accel_model.types import PRECISIONS

if TYPE_CHECKING:
    from accel_model.design.table import Design

ARRAY_DEFAULTS = {"rows": 32, "cols": 32, "cores": 1}

ADVICE = {
    "count": "a whole number above 0",
    "positive": "a finite number above 0",
    "nonnegative": "a finite number of at least 0",
    "unbounded": "a number above 0, or .inf for no limit",
    "fraction": "a number above 0 and at most 1",
    "at_least_one": "a finite number of at least 1",
    "per_precision": f"a finite number above 0, or one for each of {', '.join(PRECISIONS)}",
    "flag": "true or false",
}


def setting(kind: str, default: Any, text: str, vocabulary: type[IntEnum] | None = None) -> Any:
    """A field of Design: kind is a key of ADVICE or "choice"; vocabulary is the IntEnum of a choice."""
    return field(metadata={"kind": kind, "default": default, "text": text, "vocabulary": vocabulary})


class Setting:
    """Functions on a field made by `setting`."""

    @staticmethod
    def parse(f: Field, given: Any, where: str) -> np.ndarray:
        """The values `given` for the field `f` as an array: (n,), or (n, precisions) for one kept by precision.

        given: one value or a list. where: what to name in an error. Raises DesignError.
        """
        kind = f.metadata["kind"]
        values = list(given) if isinstance(given, list | tuple | np.ndarray | range) else [given]
        try:
            if kind == "choice":
                return np.array([_choice(f.metadata["vocabulary"], value) for value in values], dtype=np.int8)
            if kind == "flag":
                return np.array([_flag(value) for value in values], dtype=np.bool_)
            if kind == "per_precision":
                return np.array([_by_precision(value) for value in values], dtype=np.float64).reshape(
                    -1, len(PRECISIONS)
                )
            numbers = [_number(value) for value in values]
            if kind == "count":
                if any(number != number or number != int(number) for number in numbers):
                    raise ValueError
                return np.array([int(number) for number in numbers], dtype=np.int64)
            return np.array(numbers, dtype=np.float64)
        except (ValueError, TypeError, OverflowError, KeyError):
            raise DesignError(f"{where} gives {f.name} as {shown(given)}: give {Setting.advice(f)}") from None

    @staticmethod
    def advice(f: Field) -> str:
        """What the field `f` takes, in words."""
        if f.metadata["kind"] == "choice":
            return f"one of {', '.join(member.name.lower() for member in f.metadata['vocabulary'])}"
        return ADVICE[f.metadata["kind"]]

    @staticmethod
    def plain(f: Field, value: Any) -> Any:
        """One cell of the column `f` as a text, number, boolean or, by precision, a mapping."""
        if f.name == "name":
            return str(value)
        kind = f.metadata["kind"]
        if kind == "choice":
            return f.metadata["vocabulary"](int(value)).name.lower()
        if kind == "per_precision":
            return dict(zip(PRECISIONS, (float(v) for v in value), strict=True))
        return {"flag": bool, "count": int}.get(kind, float)(value)


def check_values(design: Design) -> None:
    """Raise DesignError where a column of `design` holds a value that no accelerator has, or sizes overflow."""
    if not isinstance(design.rows, np.ndarray):
        return  # moved to another backend by Design.to, and checked before that
    length = len(design.name)
    for f in fields(design):
        if f.name == "name":
            continue
        values = getattr(design, f.name)
        shape = (length, len(PRECISIONS)) if f.metadata["kind"] == "per_precision" else (length,)
        if not isinstance(values, np.ndarray) or values.shape != shape:
            raise DesignError(f"{f.name} has shape {np.shape(values)}: give {shape}")
        wrong = ~_valid(f.metadata["kind"], values, f.metadata["vocabulary"])
        if wrong.any():
            raise DesignError(f"{f.name} is {values[wrong].flat[0]}: give {Setting.advice(f)}")
    pes = design.rows.astype(np.float64) * design.cols * design.cores
    if pes.size and pes.max() > 2**31:
        raise DesignError(f"rows x cols x cores is {pes.max():.3g} PEs: give at most 2^31")
    rate = pes * design.clock_hz
    if rate.size and not np.isfinite(rate[:, None] * design.mac_rate).all():
        raise DesignError("rows x cols x cores x clock_hz x mac_rate overflows: give smaller values")


def _valid(kind, values, vocabulary):
    if kind == "flag":
        return np.ones(values.shape, dtype=bool)
    if kind == "choice":
        return np.isin(values, [int(member) for member in vocabulary])
    if kind == "count":
        return (values > 0) & (values <= LARGEST_EXACT)
    if kind == "unbounded":
        return values > 0
    if kind == "nonnegative":
        return (values >= 0) & np.isfinite(values)
    if kind == "fraction":
        return (values > 0) & (values <= 1)
    if kind == "at_least_one":
        return (values >= 1) & np.isfinite(values)
    return (values > 0) & np.isfinite(values)


def _number(value):
    if isinstance(value, bool | np.bool_) or value is None:
        raise TypeError
    return value if isinstance(value, int | np.integer) else float(value)


def _flag(value):
    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


def _choice(vocabulary, value):
    return int(vocabulary[value.upper()]) if isinstance(value, str) else int(vocabulary(value))


def _by_precision(value):
    if not isinstance(value, dict):
        return [_number(value)] * len(PRECISIONS)
    if set(value) != set(PRECISIONS):
        raise KeyError
    return [_number(value[precision]) for precision in PRECISIONS]
