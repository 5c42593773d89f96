"""Published training figures of GPUs, CPUs and FPGAs as Measurements, from the tables in data/."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from baselines.errors import BaselineError, FileError
from baselines.matching import find_match, read_matches
from baselines.measurement import Measurement
from baselines.selection import EVERYTHING, Filter, given, select
from baselines.tables import DATA, bad_cell, read_csv, read_table, unit_of
from baselines.vocabulary import PRECISION_CLASSES, UNSTATED

TABLES = "*_training_published.csv"
UNCERTAINTY_BELOW = 0.5  # the half-width of a figure's interval, as a share of it

COMMON_COLUMNS = (
    *("device", "year", "model", "dataset", "batch_size", "precision", "power_w"),
    *("source_title", "source_ref", "source_locator", "confidence", "notes"),
)
IMAGE_COLUMNS = (
    *COMMON_COLUMNS,
    *("device_kind", "framework", "input_shape", "images_per_s", "n_devices", "step_ms", "derived"),
)
OPERATION_COLUMNS = (*COMMON_COLUMNS, "clock_mhz", "dsp_or_macs", "metric", "value", "unit", "certainty")

OPERATIONS_PER_S = {"GOPS": 1e9, "GFLOPS": 1e9}
TRAINING_RATES = ("throughput", "throughput_avg", "throughput_max", "training_throughput")


@dataclass(frozen=True)
class LeftOut:
    """A published row that is no baseline, and why."""

    where: str  # file and line
    device: str
    model: str
    source: str
    locator: str
    reason: str
    workload: str = ""  # that its model, data set and input match, or ""
    precision: str = ""
    device_kind: str = ""
    year: int = 0


class _Unfit(Exception):
    """A row cannot serve as a baseline; its text is the reason."""


@dataclass(frozen=True)
class Layout:
    """One kind of table of published figures: its columns, and what it alone tells of a row."""

    columns: tuple[str, ...]
    fields_of: Callable[[dict, dict], dict]  # (row, sources by title) to fields of the Measurement


def published(
    wanted: Filter = EVERYTHING,
    *,
    relative_uncertainty: float = 0.0,
    folder: Path | str = DATA,
) -> list[Measurement]:
    """The published Measurements that pass `wanted`: rates of images first, then rates of operations, file by file.

    Rows are matched to a workload by model, variant, data set and input (data/matches.csv); without one in `wanted`
    those of no workload are taken too.
    relative_uncertainty: half-width of a figure's interval, as a share of it that no source states; rows of an unstated
    variant have more.
    folder: where the tables, *_training_published.csv, lie, in place of the shipped ones.
    Rows of several devices, without a figure, or marked SUSPECT or IMPLAUSIBLE are left out: see `left_out`.
    Raises FileError for a broken table, BaselineError for an uncertainty that cannot be.
    """
    if not (isinstance(relative_uncertainty, int | float) and 0 <= relative_uncertainty < UNCERTAINTY_BELOW):
        raise BaselineError(
            f"relative_uncertainty is {relative_uncertainty}: give a share of the value, e.g. 0.05 for 5 %"
        )
    return select(_read(folder, relative_uncertainty)[0], wanted)


def left_out(wanted: Filter = EVERYTHING, folder: Path | str = DATA) -> list[LeftOut]:
    """The rows of the published tables that are no baselines and pass `wanted`, with their reasons.

    Raises FileError for a broken table, BaselineError for a filter by what is not told of such rows.
    """
    told = [field.name for field in fields(Filter) if field.name in {one.name for one in fields(LeftOut)}]
    if untold := [name for name in given(wanted) if name not in told]:
        raise BaselineError(f"{untold[0]} is not told of rows that are left out: filter by {', '.join(told)}")
    return select(_read(folder, 0.0)[1], wanted)


def _read(folder, relative_uncertainty):
    """(Measurements, LeftOuts) of every table in `folder`."""
    matches, classes = read_matches(), _precision_classes()
    sources = {
        row["source_title"]: row
        for row in read_table(DATA / "sources.csv", ("source_title", "synthetic", "real", "note"))
    }
    kept, refused = [], []
    for table, layout in _tables(folder):
        for row in table.rows:
            try:
                kept.append(_measurement(row, layout.fields_of(row, sources), matches, classes, relative_uncertainty))
            except (_Unfit, BaselineError) as error:
                where = f"{table.path.name}, line {row['line']}"
                refused.append(_left_out(where, row, str(error), matches, classes))
    return kept, refused


def _tables(folder):
    """[(CsvTable, its Layout)] of every table in `folder`, by layout and name; raises FileError."""
    paths = sorted(Path(folder).glob(TABLES))
    if not paths:
        raise FileError(f"{folder} holds no table of published figures: give a folder with a {TABLES}")
    found = []
    for table in map(read_csv, paths):
        lacking = [[name for name in layout.columns if name not in table.head] for layout in LAYOUTS]
        nearest = min(range(len(LAYOUTS)), key=lambda index, lacking=lacking: len(lacking[index]))
        if lacking[nearest]:
            raise FileError(
                f"{table.path} lacks the columns {', '.join(lacking[nearest])}: its head line must name them"
            )
        found.append((nearest, table))
    return [(table, LAYOUTS[index]) for index, table in sorted(found, key=lambda one: one[0])]


def _precision_classes():
    """{precision as a source words it, in lower case: one of PRECISION_CLASSES}; raises FileError."""
    path = DATA / "precisions.csv"
    rows = read_table(path, ("text", "class"))
    for row in rows:
        if row["class"] not in PRECISION_CLASSES:
            raise bad_cell(row, "class", path, f"give one of {', '.join(PRECISION_CLASSES)}")
    return {row["text"].lower(): row["class"] for row in rows}


def _left_out(where, row, reason, matches, classes):
    """The LeftOut of a row, with what can be told of it however broken it is."""
    match = find_match(matches, row["model"], row["source_title"], row["dataset"], row.get("input_shape", ""))
    return LeftOut(
        where=where,
        device=row["device"],
        model=row["model"],
        source=row["source_title"],
        locator=row["source_locator"],
        reason=reason,
        workload=match.workload if match else "",
        precision=classes.get(row["precision"].lower(), row["precision"]),
        device_kind=row.get("device_kind", "fpga").lower(),
        year=int(row["year"]) if row["year"].isdecimal() else 0,
    )


def _measurement(row, told, matches, classes, relative_uncertainty):
    """The Measurement of one row, given what its table alone knows (`told`)."""
    for mark in ("SUSPECT", "IMPLAUSIBLE"):
        if mark in row["notes"]:
            raise _Unfit(row["notes"])
    if row["precision"].lower() not in classes:
        raise _Unfit(f"precision {row['precision']!r} is none of data/precisions.csv")
    precision = classes[row["precision"].lower()]
    match = find_match(matches, row["model"], row["source_title"], row["dataset"], told["input_shape"])
    notes = [row["notes"], told.pop("note"), match.note if match else ""]
    batch_size = _batch_size(row["batch_size"], precision)
    rate = told.pop("images_per_s")
    return Measurement(
        device=row["device"],
        kind="published",
        workload=match.workload if match else "",
        model=row["model"],
        variant=match.variant if match else "",
        dataset=row["dataset"],
        samples_s=np.array([batch_size / rate] if rate and batch_size else []),
        block=np.zeros(1 if rate and batch_size else 0, np.int64),
        batch_size=batch_size,
        throughput_per_s=rate or math.nan,
        precision=precision,
        clock="published",
        energy_note="no energy was measured",
        source=f"{row['source_title']}, {row['source_ref']}",
        locator=row["source_locator"],
        year=int(_above_zero(row, "year")) if row["year"] else 0,
        confidence=row["confidence"],
        relative_uncertainty=relative_uncertainty + (match.extra_uncertainty if match else 0.0),
        notes="; ".join(note for note in notes if note),
        **told,
    )


def _image_fields(row, sources):
    """What only a table of rates of images tells: scope, rate in images a second, framework."""
    if row["n_devices"] != "1":
        raise _Unfit(f"{row['n_devices'] or 'an unstated number of'} devices: only single devices are compared")
    if not row["images_per_s"]:
        raise _Unfit("no rate in images per second is given")
    if row["source_title"] not in sources:
        raise _Unfit(f"what its times cover is not told in data/sources.csv ({row['source_title']})")
    source = sources[row["source_title"]]
    scope = source["synthetic" if "synthetic" in row["dataset"].lower() else "real"]
    if not scope:
        raise _Unfit(f"what its times cover is not told in data/sources.csv for {row['dataset']!r}")
    return {
        "device_kind": row["device_kind"].lower(),
        "input_shape": row["input_shape"],
        "images_per_s": _above_zero(row, "images_per_s"),
        "scope": scope,
        "note": source["note"],
        "context": _stated(row, framework="framework", precision_text="precision", derived="derived")
        | _stated_numbers(row, board_power_limit_w="power_w"),
    }


def _operation_fields(row, _):
    """What only a table of rates of operations tells: a rate of operations, of which two make a MAC."""
    if row["metric"] not in TRAINING_RATES:
        raise _Unfit(f"its metric {row['metric']!r} is no rate of training on one device")
    if row["unit"] not in OPERATIONS_PER_S:
        raise _Unfit(f"its unit {row['unit']!r} is none of {', '.join(OPERATIONS_PER_S)}")
    operations_per_s = _above_zero(row, "value") * OPERATIONS_PER_S[row["unit"]]
    return {
        "device_kind": "fpga",
        "input_shape": "",
        "images_per_s": None,
        "macs_per_s": operations_per_s / 2,
        "scope": UNSTATED,
        "note": f"MAC rate derived from {row['value']} {row['unit']}: 1 MAC = 2 OP",
        "context": _stated(row, precision_text="precision", dsp_or_macs="dsp_or_macs", certainty="certainty")
        | _stated_numbers(row, power_w="power_w", clock_hz="clock_mhz"),
    }


def _batch_size(text, precision):
    """The batch per device, 0 where it is not stated; "128 (fp32)/256 (AMP)" gives one for each precision."""
    if text.isdecimal():
        return int(text)
    by_precision = {
        label.lower().replace("amp", "fp16"): int(size) for size, label in re.findall(r"(\d+) \((\w+)\)", text)
    }
    return by_precision.get(precision, 0)


def _above_zero(row, column):
    """The number in a cell, in SI units; raises _Unfit."""
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise _Unfit(f"{column} is {row[column]!r}, no number above 0")
    return value * unit_of(column)


def _stated(row, **columns):
    """{name: text} of the columns that the row fills."""
    return {name: row[column] for name, column in columns.items() if row[column]}


def _stated_numbers(row, **columns):
    """{name: value in SI units} of the columns that the row fills."""
    return {name: _above_zero(row, column) for name, column in columns.items() if row[column]}


LAYOUTS = (Layout(IMAGE_COLUMNS, _image_fields), Layout(OPERATION_COLUMNS, _operation_fields))
