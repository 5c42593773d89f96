"""Published training figures of GPUs, CPUs and FPGAs as Measurements, from the tables in data/."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselines.errors import BaselineError
from baselines.matching import find_match, read_matches
from baselines.measurement import Measurement
from baselines.selection import select
from baselines.tables import DATA, read_table

RELATIVE_UNCERTAINTY = 0.05
"""Half-width of the interval of a published figure without samples, as a share of it: a choice, not a source."""

COMMON_COLUMNS = (
    *("device", "year", "model", "dataset", "batch_size", "precision", "power_w"),
    *("source_title", "source_ref", "source_locator", "confidence", "notes"),
)
GPU_COLUMNS = (
    *COMMON_COLUMNS,
    "device_kind",
    "framework",
    "input_shape",
    "images_per_s",
    "n_devices",
    "step_ms",
    "derived",
)
FPGA_COLUMNS = (*COMMON_COLUMNS, "clock_mhz", "dsp_or_macs", "metric", "value", "unit", "certainty")

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


def published(
    workload=None,
    *,
    device=None,
    device_kind=None,
    model=None,
    precision=None,
    batch_size=None,
    dataset=None,
    year=None,
    confidence=None,
    scope=None,
    relative_uncertainty=RELATIVE_UNCERTAINTY,
    folder=DATA,
):
    """The published Measurements that pass every filter given, in the order of the tables.

    workload: rows matched to it by model, variant, data set and input (data/matches.csv); None takes all rows, also
    those of no workload. For the other filters see `select`.
    relative_uncertainty: half-width of a figure's interval as a share of it; rows of an unstated variant have more.
    folder: where gpu_training_published.csv and fpga_training_published.csv lie, in place of the shipped ones.
    Rows of several devices, without a figure, or marked SUSPECT or IMPLAUSIBLE are left out: see `left_out`.
    Raises FileError for a broken table, BaselineError for a filter or an uncertainty that cannot be.
    """
    if not (isinstance(relative_uncertainty, int | float) and 0 <= relative_uncertainty < 0.5):
        raise BaselineError(
            f"relative_uncertainty is {relative_uncertainty}: give a share of the value, e.g. 0.05 for 5 %"
        )
    rows, _ = _read(folder, relative_uncertainty)
    return select(
        rows,
        workload=workload,
        device=device,
        device_kind=device_kind,
        model=model,
        precision=precision,
        batch_size=batch_size,
        dataset=dataset,
        year=year,
        confidence=confidence,
        scope=scope,
    )


def left_out(folder=DATA, *, workload=None, device=None, device_kind=None, model=None, precision=None, year=None):
    """The rows of the published tables that are no baselines and pass the filters, as LeftOuts with their reasons.

    For the filters see `select`. Raises FileError for a broken table, BaselineError for a filter that cannot be.
    """
    return select(
        _read(folder, RELATIVE_UNCERTAINTY)[1],
        workload=workload,
        device=device,
        device_kind=device_kind,
        model=model,
        precision=precision,
        year=year,
    )


def _read(folder, relative_uncertainty):
    """(Measurements, LeftOuts) of both tables in `folder`."""
    matches = read_matches()
    classes = {row["text"].lower(): row["class"] for row in read_table(DATA / "precisions.csv", ("text", "class"))}
    sources = {
        row["source_title"]: row for row in read_table(DATA / "sources.csv", ("source_title", "synthetic", "real"))
    }
    kept, refused = [], []
    for name, columns, fields_of in (
        ("gpu_training_published.csv", GPU_COLUMNS, _gpu_fields),
        ("fpga_training_published.csv", FPGA_COLUMNS, _fpga_fields),
    ):
        path = Path(folder) / name
        for row in read_table(path, columns):
            try:
                kept.append(_measurement(row, fields_of(row, sources), matches, classes, relative_uncertainty))
            except (_Unfit, BaselineError) as error:
                refused.append(_left_out(f"{name}, line {row['line']}", row, str(error), matches, classes))
    return kept, refused


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


def _measurement(row, fields, matches, classes, relative_uncertainty):
    """The Measurement of one row, given what its table alone knows (`fields`)."""
    for mark in ("SUSPECT", "IMPLAUSIBLE"):
        if mark in row["notes"]:
            raise _Unfit(row["notes"])
    if row["precision"].lower() not in classes:
        raise _Unfit(f"precision {row['precision']!r} is none of data/precisions.csv")
    precision = classes[row["precision"].lower()]
    match = find_match(matches, row["model"], row["source_title"], row["dataset"], fields["input_shape"])
    notes = [row["notes"], fields.pop("note"), match.note if match else ""]
    batch_size = _batch_size(row["batch_size"], precision)
    rate = fields.pop("images_per_s")
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
        year=int(_number(row["year"], "year")) if row["year"] else 0,
        confidence=row["confidence"],
        relative_uncertainty=relative_uncertainty + (match.extra_uncertainty if match else 0.0),
        notes="; ".join(note for note in notes if note),
        **fields,
    )


def _gpu_fields(row, sources):
    """What only the table of GPUs tells: scope, rate in images a second, framework."""
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
        "images_per_s": _number(row["images_per_s"], "images_per_s"),
        "scope": scope,
        "note": source["note"],
        "context": _stated(row, framework="framework", precision_text="precision", derived="derived")
        | _stated_numbers(row, board_power_limit_w=("power_w", 1)),
    }


def _fpga_fields(row, _):
    """What only the table of FPGAs tells: a rate of operations, of which two make a MAC."""
    if row["metric"] not in TRAINING_RATES:
        raise _Unfit(f"its metric {row['metric']!r} is no rate of training on one device")
    if row["unit"] not in OPERATIONS_PER_S:
        raise _Unfit(f"its unit {row['unit']!r} is none of {', '.join(OPERATIONS_PER_S)}")
    operations_per_s = _number(row["value"], "value") * OPERATIONS_PER_S[row["unit"]]
    return {
        "device_kind": "fpga",
        "input_shape": "",
        "images_per_s": None,
        "macs_per_s": operations_per_s / 2,
        "scope": "unstated",
        "note": f"MAC rate derived from {row['value']} {row['unit']}: 1 MAC = 2 OP",
        "context": _stated(row, precision_text="precision", dsp_or_macs="dsp_or_macs", certainty="certainty")
        | _stated_numbers(row, power_w=("power_w", 1), clock_hz=("clock_mhz", 1e6)),
    }


def _batch_size(text, precision):
    """The batch per device, 0 where it is not stated; "128 (fp32)/256 (AMP)" gives one for each precision."""
    if text.isdecimal():
        return int(text)
    by_precision = {
        label.lower().replace("amp", "fp16"): int(size) for size, label in re.findall(r"(\d+) \((\w+)\)", text)
    }
    return by_precision.get(precision, 0)


def _number(text, name):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise _Unfit(f"{name} is {text!r}, no number above 0")
    return value


def _stated(row, **columns):
    """{name: text} of the columns that the row fills."""
    return {name: row[column] for name, column in columns.items() if row[column]}


def _stated_numbers(row, **columns):
    """{name: value in SI units} of the (column, factor) pairs that the row fills."""
    return {name: _number(row[column], column) * factor for name, (column, factor) in columns.items() if row[column]}
