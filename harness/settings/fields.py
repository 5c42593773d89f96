"""Fields of a schema: the bound, the unit and an example stand with the type, and are checked where a value enters.

A schema is a dataclass whose fields have no defaults, since the values stand in conf/. It can not be frozen: OmegaConf
fills it field by field.
"""

import math
from dataclasses import dataclass, field, fields

from harness.settings.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """What values a field takes: numbers in [low, high) or above 0; texts, or a list's members, of `words`."""

    example: object
    unit: str = ""
    above_zero: bool = False
    low: float = -math.inf
    high: float = math.inf
    words: tuple = ()
    filled: bool = False  # a list has a member at least
    distinct: bool = False  # a list has each member once


def above_zero(example, unit="", filled=True):
    """A number above 0, or a list of such; whole where the field's type is int. filled: a list has one at least."""
    return field(metadata={"bound": Limits(example, unit, above_zero=True, filled=filled)})


def optional(one):
    """The same field, None where no file of conf/ states it."""
    return field(default=None, metadata=one.metadata)


def between(low, high, example, unit=""):
    """A number in [low, high)."""
    return field(metadata={"bound": Limits(example, unit, low=low, high=high)})


def one_of(words):
    """One of `words`; None where the field's type allows it."""
    return field(metadata={"bound": Limits(words[0], words=tuple(words))})


def some_of(words, filled=True, distinct=False):
    """A list of some of `words`."""
    return field(metadata={"bound": Limits(words[0], words=tuple(words), filled=filled, distinct=distinct)})


def some(example):
    """A list with a member at least."""
    return field(metadata={"bound": Limits(example, filled=True)})


def check(settings, where):
    """Raise ConfigError where a field of a schema is out of its Limits. where: the schema's place, "" for the top."""
    for one in fields(settings):
        value, bound = getattr(settings, one.name), one.metadata.get("bound")
        if bound is None or value is None:
            continue
        name = f"{where}.{one.name}" if where else one.name
        if isinstance(value, list | tuple):
            _check_list(name, value, bound)
        elif bound.words:
            _check_word(name, value, bound)
        else:
            _check_number(name, value, bound, whole=one.type in (int, int | None))


def _check_list(name, values, bound):
    if bound.words:
        if (bound.filled and not values) or set(values) - set(bound.words):
            unknown = next((value for value in values if value not in bound.words), None)
            found = f"{name} is empty" if unknown is None else f"{name} holds {unknown!r}"
            raise ConfigError(
                f"{found}: give some of {', '.join(map(str, bound.words))}, e.g. {name}=[{bound.example}]"
            )
    elif bound.filled and not values:
        raise ConfigError(f"{name} is empty: give some, e.g. {name}=[{bound.example}]")
    if bound.distinct and len(set(values)) < len(values):
        raise ConfigError(f"{name} is {list(values)}: give each once, e.g. {name}=[{bound.example}]")
    if bound.above_zero and (wrong := [value for value in values if not value > 0]):
        raise ConfigError(f"{name} holds {wrong[0]}: give whole numbers above 0, e.g. {name}=[{bound.example}]")


def _check_word(name, value, bound):
    if value not in bound.words:
        words = ", ".join("null" if word is None else str(word) for word in bound.words)
        example = "null" if bound.example is None else bound.example
        raise ConfigError(f"{name} is {value}: use one of {words}, e.g. {name}={example}")


def _check_number(name, value, bound, whole):
    if bound.above_zero and not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
        kind = "whole number" if whole else "number"
        raise ConfigError(f"{name} is {value}: give a {kind} above 0, e.g. {name}={bound.example}")
    if not bound.above_zero and not bound.low <= value < bound.high:
        raise ConfigError(
            f"{name} is {value}: give a number from {bound.low} to below {bound.high}, e.g. {name}={bound.example}"
        )
