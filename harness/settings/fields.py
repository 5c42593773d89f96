"""Fields of a schema: the bound, the unit and an example stand with the type, and are checked where a value enters.

A schema is a dataclass whose fields have no defaults, since the values stand in conf/. It can not be frozen: OmegaConf
fills it field by field.
"""

import math
import re
from dataclasses import dataclass, field, fields

from harness.settings.errors import ConfigError
from harness.text.shown import quoted, shown

NAME = re.compile(r"[^\W_][\w.+-]{0,63}")  # what can stand in the names of files and runs
LARGEST_WHOLE = 2**53  # above it a count is no longer exact as a float, and products of counts overflow


def is_name(value: object) -> bool:
    """Whether `value` is a name: one word without slashes."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


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
    name: bool = False  # a text is a name


def above_zero(example, unit="", filled=True):
    """A number above 0, or a list of such; whole where the field's type is int. filled: a list has one at least."""
    return field(metadata={"bound": Limits(example, unit, above_zero=True, filled=filled)})


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


def named():
    """A name: one word without slashes, since files and runs are named after it."""
    return field(metadata={"bound": Limits("my_own", name=True)})


def check(settings, where):
    """Raise ConfigError where a field of a schema is out of its Limits. where: the schema's place, "" for the top."""
    for one in fields(settings):
        value, bound = getattr(settings, one.name), one.metadata.get("bound")
        if bound is None or value is None:
            continue
        name = f"{where}.{one.name}" if where else one.name
        if isinstance(value, list | tuple):
            _check_list(name, value, bound)
        elif bound.name:
            check_name(name, value)
        elif bound.words:
            _check_word(name, value, bound)
        else:
            _check_number(name, value, bound, whole=one.type in (int, int | None))


def check_name(name, value):
    """Raise ConfigError where `value`, the setting `name`, is no name."""
    if not is_name(value):
        raise ConfigError(
            f"{name} is {quoted(value)}: give a name of letters, digits, dots and dashes, at most 64, e.g. my_own"
        )


def _check_list(name, values, bound):
    if bound.words:
        if (bound.filled and not values) or set(values) - set(bound.words):
            unknown = next((value for value in values if value not in bound.words), None)
            found = f"{name} is empty" if unknown is None else f"{name} holds {quoted(unknown)}"
            raise ConfigError(
                f"{found}: give some of {', '.join(map(str, bound.words))}, e.g. {name}=[{bound.example}]"
            )
    elif bound.filled and not values:
        raise ConfigError(f"{name} is empty: give some, e.g. {name}=[{bound.example}]")
    if bound.distinct and len(set(values)) < len(values):
        raise ConfigError(f"{name} is {shown(list(values))}: give each once, e.g. {name}=[{bound.example}]")
    if bound.above_zero and (wrong := [value for value in values if not 0 < value < LARGEST_WHOLE]):
        raise ConfigError(f"{name} holds {shown(wrong[0])}: give whole numbers above 0, e.g. {name}=[{bound.example}]")


def _check_word(name, value, bound):
    if value not in bound.words:
        words = ", ".join("null" if word is None else str(word) for word in bound.words)
        example = "null" if bound.example is None else bound.example
        raise ConfigError(f"{name} is {shown(value)}: use one of {words}, e.g. {name}={example}")


def _check_number(name, value, bound, whole):
    if bound.above_zero and not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
        kind = "whole number" if whole else "number"
        raise ConfigError(f"{name} is {shown(value)}: give a {kind} above 0, e.g. {name}={bound.example}")
    if whole and abs(value) >= LARGEST_WHOLE:
        raise ConfigError(f"{name} is {shown(value)}: give a whole number below 2^53, e.g. {name}={bound.example}")
    if not bound.above_zero and not bound.low <= value < bound.high:
        raise ConfigError(
            f"{name} is {shown(value)}: give a number from {bound.low} to below {bound.high}, "
            f"e.g. {name}={bound.example}"
        )
