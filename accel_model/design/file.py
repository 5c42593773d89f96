"""The design file, conf/accelerator/NAME.yaml: one accelerator, each value a number or a sourced range.

A value is a number, a text, or a mapping: `value` (the nominal one), `values` (all that nobody excludes) or `low` and
`high` (for a quantity in which time is monotonic, whose two ends bound it), and `source`. `macs` states the MAC units
of the whole design, which every array must have. `name`, `description` and `source` are for people.
"""

from collections.abc import Mapping
from os import PathLike
from os.path import isfile
from pathlib import Path
from typing import Any

from accel_model.design.fields import ARRAY_DEFAULTS
from accel_model.errors import DesignError
from accel_model.formats.shown import quoted, shown
from accel_model.formats.yaml_file import read_yaml

FOLDER = Path(__file__).resolve().parents[2] / "conf" / "accelerator"
FOR_PEOPLE = ("name", "description", "source")
SPAN_KEYS = {"value", "values", "low", "high", "source"}


def read(name_or_path: str | PathLike) -> tuple[dict[str, Any], str, str]:
    """(mapping, name, where) of a design file, found by its name in conf/accelerator or by its path.

    Raises DesignError where it is missing, too large or no YAML.
    """
    text = str(name_or_path)
    path = Path(text) if "/" in text or text.endswith((".yaml", ".yml")) else FOLDER / f"{text}.yaml"
    if not isfile(path):
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        raise DesignError(
            f"there is no design {quoted(text)} at {quoted(str(path))}: use one of {known}, or the path of a YAML file"
        )
    return read_yaml(path, DesignError)[1], path.stem, str(path)


def nominal(mapping: Mapping[str, Any], where: str) -> dict[str, list]:
    """{field: [value]} of the nominal design in `mapping`; raises DesignError."""
    return _checked(mapping, where, lambda key, span: [_nominal(key, span, where)])


def completions(mapping: Mapping[str, Any], where: str) -> dict[str, list]:
    """{field: [values]} of everything that `mapping` leaves open; raises DesignError."""
    return _checked(mapping, where, lambda key, span: _all(key, span, where))


def _checked(mapping, where, values_of):
    if not isinstance(mapping, dict) or not all(isinstance(key, str) for key in mapping):
        raise DesignError(f"{where} is not a mapping of keys to values: write lines such as `rows: 32`")
    mapping = {key: value for key, value in mapping.items() if key not in FOR_PEOPLE}
    macs = mapping.pop("macs", None)
    values = {key: _as_span(key, value, where) for key, value in mapping.items()}
    values = {key: values_of(key, span) for key, span in values.items()}
    if macs is not None:
        _check_macs(macs["value"] if isinstance(macs, dict) and "value" in macs else macs, values, where)
    return values


def _as_span(key, value, where):
    """`value` as a mapping with SPAN_KEYS; a table by precision is a value."""
    if isinstance(value, dict) and set(value) & (SPAN_KEYS - {"source"}):
        if unknown := set(value) - SPAN_KEYS:
            raise DesignError(
                f"{where} gives {shown(key)} the unknown part {quoted(min(unknown, key=str))}: use {sorted(SPAN_KEYS)}"
            )
        return value
    return {"value": value}


def _nominal(key, span, where):
    if "value" not in span:
        raise DesignError(f"{where} gives {shown(key)} no nominal value: add `value`")
    return span["value"]


def _all(key, span, where):
    if "values" in span:
        if not isinstance(span["values"], list) or not span["values"]:
            raise DesignError(f"{where} gives {shown(key)}.values as {quoted(span['values'])}: give a list")
        return span["values"]
    if ("low" in span) != ("high" in span):
        raise DesignError(f"{where} gives {shown(key)} only one of low and high: give both")
    if "low" in span:
        return [span["low"], span["high"]]
    return [_nominal(key, span, where)]


def _check_macs(macs, values, where):
    if isinstance(macs, bool) or not isinstance(macs, int) or macs <= 0:
        raise DesignError(f"{where} gives macs as {quoted(macs)}: give a whole number above 0")
    if "array" in values:
        arrays = values["array"]
    else:
        sides = [values.get(key, [default]) for key, default in ARRAY_DEFAULTS.items()]
        arrays = [(r, c, n) for r in sides[0] for c in sides[1] for n in sides[2]]
    for array in arrays:
        try:
            rows, cols, cores = (int(side) for side in array)
        except (TypeError, ValueError):
            continue  # what is wrong with it is said where the field is parsed
        if rows * cols * cores != macs:
            raise DesignError(
                f"{where} states macs {macs} and an array of {rows} x {cols} x {cores} = {rows * cols * cores} PEs: "
                "make rows * cols * cores equal macs, or drop macs"
            )
