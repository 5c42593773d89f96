"""The dataflows of the model: the records found in accel_model/array/dataflows, and the choice that a design makes.

A design's choice is one of them or `best`, which is for each op the fastest of those that are `in_best`.
"""

from __future__ import annotations

import pkgutil
from enum import IntEnum
from importlib import import_module

from accel_model.array import dataflows
from accel_model.array.record import Arrays, Convention, Gemm, TiledDataflow, WholeDataflow
from accel_model.arrays import Array, ceil_div
from accel_model.errors import DesignError

BEST = ("best", 4)  # name and number of the choice that is no record
LARGEST_NUMBER = 127  # a design's column is int8


def found() -> tuple[TiledDataflow | WholeDataflow, ...]:
    """The RECORD of each file in accel_model/array/dataflows, by number.

    Raises DesignError where a file has none, or where two have one name or number.
    """
    taken, records = {BEST[0]: "best", BEST[1]: "best"}, []
    for place in sorted(found.name for found in pkgutil.iter_modules(dataflows.__path__)):
        where = f"accel_model/array/dataflows/{place}.py"
        record = getattr(import_module(f"{dataflows.__name__}.{place}"), "RECORD", None)
        if not isinstance(record, TiledDataflow | WholeDataflow):
            raise DesignError(f"{where} has no RECORD: make it a TiledDataflow or a WholeDataflow")
        if not (record.name.isidentifier() and record.name.islower()):
            raise DesignError(f"{where} is called {record.name!r}: give a name of small letters, such as os")
        if not 0 <= record.number <= LARGEST_NUMBER:
            raise DesignError(f"{where} has the number {record.number}: give one from 0 to {LARGEST_NUMBER}")
        for key in (record.name, record.number):
            if key in taken:
                raise DesignError(f"{where} takes {key!r}, which {taken[key]} has: give another name and number")
            taken[key] = where
        records.append(record)
    return tuple(sorted(records, key=lambda record: record.number))


RECORDS = found()
_CHOICES = sorted([(record.number, record.name) for record in RECORDS] + [BEST[::-1]])
Dataflow = IntEnum("Dataflow", {name.upper(): number for number, name in _CHOICES}, module=__name__)
Dataflow.__doc__ = "What a design may choose: the name in capitals and number of each record, and BEST."


def records_of(dataflow: int) -> tuple[TiledDataflow | WholeDataflow, ...]:
    """The records of which each op takes the fastest: the one that `dataflow` (a Dataflow) chooses, several of BEST."""
    if dataflow == Dataflow.BEST:
        return tuple(record for record in RECORDS if record.in_best)
    return tuple(record for record in RECORDS if record.number == dataflow)


def gemm_cycles(record: TiledDataflow, gemm: Gemm, arrays: Arrays) -> Array:
    """Cycles of a Gemm on Arrays in a TiledDataflow, by the arrays' convention; int64, or float64 as given."""
    if arrays.convention == Convention.SCALESIM and record.scalesim is not None:
        return scalesim_cycles(record, gemm, arrays)
    return record.cycles(gemm, arrays)


def scalesim_cycles(record: TiledDataflow, gemm: Gemm, arrays: Arrays) -> Array:
    """Compute cycles as SCALE-Sim v3 reports them: padded folds one after another, one less than their sum.

    record: one that has a `scalesim` form. Returns int64 (or float64, as given): docs/model.md, (13).
    Source: SCALE-Sim 3.0.0, COMPUTE_REPORT.csv, column "Total Cycles" without stalls; figures in
    tests/accel_model/formats.
    """
    folds, fold = record.scalesim(gemm, arrays)
    return ceil_div(gemm.groups * folds, arrays.cores) * fold - 1
