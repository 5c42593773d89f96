"""Recorded measurements: one JSON file each, with units, context and a schema version; read with suspicion."""

import json
import logging
import math
from dataclasses import fields
from pathlib import Path

import numpy as np

from baselines.errors import BaselineError, FileError
from baselines.measurement import Measurement
from baselines.selection import EVERYTHING, Filter, select
from baselines.tables import brief, parse_object
from baselines.vocabulary import LIVE_CLOCKS

RECORDED = Path(__file__).parent / "recorded"
SCHEMA = "halfstep measurement"
SCHEMA_VERSION = 1
UNITS = {"samples_s": "s", "median_step_s": "s", "energy_j": "J", "throughput_per_s": "1/s", "macs_per_s": "1/s"}
REQUIRED_CONTEXT = ("device", "device_kind", "clock", "time_utc", "commit", "python", "torch")
REQUIRED_GPU_CONTEXT = ("driver", "cuda")

MAX_BYTES = 4 * 2**20
MAX_SAMPLES = 100_000
MAX_CONTEXT = 200
MAX_TEXT = 10_000

_NAMES = [field.name for field in fields(Measurement) if field.name != "kind"]
_HEAD = ("schema", "schema_version", "units", "median_step_s")
_log = logging.getLogger(__name__)


def to_json(measurement: Measurement) -> str:
    """The text of a recorded-measurement file; NaN is written as null.

    Raises FileError where the measurement is not one that a device made here, or lacks context.
    """
    if measurement.kind == "published":
        raise FileError(f"{measurement.source} is published: only what a device was seen doing is recorded")
    values = {name: _plain(getattr(measurement, name)) for name in _NAMES}
    head = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "units": UNITS,
        "median_step_s": _plain(measurement.step_s),
    }
    try:
        text = json.dumps(head | values, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise FileError(
            f"the measurement's context cannot be written: {error}; give texts and finite numbers"
        ) from None
    from_json(text, "the new file")
    return text


def from_json(text: str, where: str) -> Measurement:
    """The Measurement, of kind "recorded", that `text` holds.

    where: the file's name, for errors. Raises FileError where the text is not one valid measurement: another or a
    future schema, other units, unknown, missing or doubled fields, values that cannot be, missing context, or a median
    that does not follow from the samples.
    """
    data = parse_object(text, where, MAX_BYTES, "record the measurement again, with fewer samples if it is too large")
    if data.get("schema") != SCHEMA:
        raise FileError(f"{where}: schema is {brief(data.get('schema'))}: a recorded measurement says {SCHEMA!r}")
    version = data.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        advice = "update halfstep to read it" if newer else "record the measurement again"
        raise FileError(
            f"{where}: schema_version is {brief(version)} and this program reads {SCHEMA_VERSION}: {advice}"
        )
    if missing := [name for name in (*_HEAD, *_NAMES) if name not in data]:
        raise FileError(f"{where}: the field {missing[0]} is missing: record the measurement again")
    if unknown := sorted(set(data) - {*_HEAD, *_NAMES}):
        raise FileError(
            f"{where}: no field is called {brief(unknown[0])}: names and units are those of {', '.join(_NAMES)}"
        )
    if data["units"] != UNITS:
        raise FileError(f"{where}: units are {brief(data['units'])}: values must be in {UNITS}")
    values = {name: math.nan if data[name] is None else data[name] for name in _NAMES}
    _check_samples(values, where)
    _check_context(values, where)
    try:
        measurement = Measurement(**values | {"kind": "recorded"})
    except BaselineError as error:
        raise FileError(f"{where}: {error}") from None
    median = data["median_step_s"]
    if not _number(median) or not math.isclose(median, measurement.step_s, rel_tol=1e-9):
        raise FileError(
            f"{where}: median_step_s is {brief(median)} but the samples' median is {measurement.step_s} s: "
            "the file was changed by hand; record the measurement again"
        )
    return measurement


def read_recorded(folder: Path | str = RECORDED) -> tuple[list[Measurement], list[tuple[str, FileError]]]:
    """(Measurements, refusals) of every *.json file in `folder`, by name; a refusal is (file name, FileError)."""
    measurements, refusals = [], []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            with path.open("rb") as file:
                text = file.read(MAX_BYTES + 1).decode("utf-8")
            measurements.append(from_json(text, path.name))
        except (OSError, UnicodeDecodeError) as error:
            refusals.append((path.name, FileError(f"{path.name} cannot be read: {error}")))
        except FileError as error:
            refusals.append((path.name, error))
    return measurements, refusals


def load_recorded(wanted: Filter = EVERYTHING, folder: Path | str = RECORDED) -> list[Measurement]:
    """The recorded Measurements in `folder` that pass `wanted`.

    A file that is not valid is left out with a warning that says why.
    """
    measurements, refusals = read_recorded(folder)
    for _, error in refusals:
        _log.warning("left out: %s", error)
    return select(measurements, wanted)


def _check_samples(values, where):
    """Raise FileError unless samples and blocks are lists of numbers of a sane length, and texts short."""
    for name in ("samples_s", "block"):
        column = values[name]
        if not isinstance(column, list) or not all(map(_number, column)):
            raise FileError(f"{where}: {name} is no list of numbers")
        if not 0 < len(column) <= MAX_SAMPLES:
            raise FileError(f"{where}: {name} has {len(column)} entries: give 1 to {MAX_SAMPLES}")
    if not all(isinstance(one, int) and abs(one) < 2**31 for one in values["block"]):
        raise FileError(f"{where}: block holds numbers that are not whole")
    for name, value in values.items():
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise FileError(f"{where}: {name} has {len(value)} letters: give at most {MAX_TEXT}")
    for name, allowed in (("clock", LIVE_CLOCKS), ("confidence", ("measured",))):
        if values[name] not in allowed:
            raise FileError(
                f"{where}: {name} is {brief(values[name])}: a recorded measurement says {' or '.join(allowed)}"
            )


def _check_context(values, where):
    """Raise FileError unless the context is flat, short, complete and of the same device as the measurement."""
    context = values["context"]
    if not isinstance(context, dict) or len(context) > MAX_CONTEXT:
        raise FileError(f"{where}: context is no JSON object of at most {MAX_CONTEXT} entries")
    for name, value in context.items():
        if not (value is None or isinstance(value, (str, bool)) or _number(value)) or len(str(value)) > MAX_TEXT:
            raise FileError(f"{where}: context.{name[:100]} is no number or short text")
    needed = REQUIRED_CONTEXT + (REQUIRED_GPU_CONTEXT if context.get("clock") == "cuda_event" else ())
    if missing := [name for name in needed if context.get(name) in (None, "")]:
        raise FileError(f"{where}: context.{missing[0]} is missing: record the measurement again")
    for name in ("device", "device_kind", "clock"):
        if context[name] != values[name]:
            raise FileError(f"{where}: {name} is {brief(values[name])} but context.{name} is {brief(context[name])}")


def _number(value):
    """Whether `value` is a finite JSON number; integers too large for a float are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 2**63 if isinstance(value, int) else math.isfinite(value)


def _plain(value):
    """`value` as JSON can hold it: arrays as lists, NaN as None."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
