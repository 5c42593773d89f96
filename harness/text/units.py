"""How a number reads: the one table of units, and one function for each way of writing."""

from __future__ import annotations

import math
from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Unit:
    """A unit that people read."""

    size: float  # in the unit that values are kept in
    name: str


UNITS = {  # by the ending of a value's name, the longer one first
    "_j_per_byte": Unit(1e-12, "pJ/B"),
    "_bytes_per_s": Unit(1e9, "GB/s"),
    "_bytes": Unit(MIB, "MiB"),
    "_hz": Unit(1e9, "GHz"),
    "_s": Unit(1e-6, "µs"),
    "_nm": Unit(1, "nm"),
    "_w": Unit(1, "W"),
    "macs": Unit(1, "MAC units"),
}
LABELS = {  # of values whose name alone says too little
    "buffer_bytes": "on-chip memory",
    "dram_efficiency": "DRAM efficiency",
    "launch_s": "launch cost",
    "host_bytes_per_s": "host link",
    "dram_bytes_per_s": "DRAM bandwidth",
    "clock_hz": "clock",
}


def unit(name: str) -> Unit | None:
    """The Unit of the value called `name`, or None where it has none."""
    return next((UNITS[ending] for ending in UNITS if name.endswith(ending)), None)


def label(name: str) -> str:
    """A field of Design as people read it."""
    return LABELS.get(name, name.replace("_", " "))


def heading(name: str) -> str:
    """A field's own name with the unit that `bare` gives its values in, for the head of a column."""
    for ending, one in UNITS.items():
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')} ({one.name})"
    return name.replace("_", " ")


def bare(name: str, value: object) -> str:
    """A value of the field `name` without its unit, for a column that names it: numbers, texts, booleans, mappings."""
    if name == "array":
        rows, cols, cores = value
        return f"{cores} x ({rows} x {cols})" if cores > 1 else f"{rows} x {cols}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if one := unit(name):
        return digits(value / one.size)
    return digits(value) if isinstance(value, float) else str(value)


def with_unit(name: str, value: object) -> str:
    """A value of the field `name` as people read it, e.g. 0.25 MiB."""
    one = unit(name)
    return f"{bare(name, value)} {one.name}" if one else bare(name, value)


def phrase(name: str, value: object) -> str:
    """A field with its value as people read it, e.g. on-chip memory 4 MiB, or no fusion."""
    if name in ("array", "dataflow"):
        return bare(name, value)
    if isinstance(value, bool):
        return label(name) if value else f"no {label(name)}"
    return f"{label(name)} {with_unit(name, value)}"


def quantity(name: str, value: float) -> str:
    """A value that may be large, with three digits or in full, and its unit: 2.5 GHz, 1,048,576 MAC units."""
    one = unit(name)
    scaled = value / one.size
    return f"{scaled:,.0f} {one.name}" if scaled >= 100 else f"{scaled:.3g} {one.name}"


def digits(value: float, count: int = 4) -> str:
    """A number with `count` digits."""
    return f"{value:.{count}g}"


def grouped(value: float, count: int = 4) -> str:
    """A number with `count` digits and commas between thousands."""
    return f"{value:,.{count}g}"


def number(value: float) -> str:
    """A number with four digits, and without an exponent where it is large."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < math.inf else digits(value)


def milli(value: float) -> str:
    """A value in thousandths of its unit, for a column that says so: ms of seconds, mJ of joules."""
    return number(1e3 * value)


def ms(seconds: float, count: int = 4) -> str:
    """Seconds as text in milliseconds."""
    return f"{digits(1e3 * seconds, count)} ms"


def duration(seconds: float) -> str:
    """Seconds as text in the unit that suits."""
    return ms(seconds) if seconds < 1 else f"{digits(seconds)} s"


def times(factor: float) -> str:
    """A factor with three digits, e.g. 2.1x."""
    return f"{digits(factor, 3)}x"


def times_in_full(factor: float) -> str:
    """A factor that may be large, without an exponent, e.g. 1,234x."""
    return f"{factor:,.0f}x" if factor >= 100 else times(factor)


def percent(fraction: float) -> str:
    """A signed percentage, e.g. +50 % or -12 %."""
    return f"{100 * fraction:+.0f} %".replace("-0 %", "+0 %")
