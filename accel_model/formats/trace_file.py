"""The trace file: a zip archive of three Parquet tables and metadata in JSON; only here this package uses pyarrow."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from accel_model.errors import TraceError
from accel_model.formats.atomic import write_bytes
from accel_model.tables import SCHEMA_VERSION, Ops, Tensors, Uses, table

if TYPE_CHECKING:
    from accel_model.trace import Trace

TABLES = {"ops": Ops, "tensors": Tensors, "uses": Uses}
LARGEST_ROWS = 20_000_000  # of one table; a file that states more is refused before it is read
LARGEST_BYTES = 4 * 2**30  # of one member, unpacked


def save(trace: Trace, path: str | PathLike) -> None:
    """Write `trace` to one file at `path`, atomically; raises TraceError where it cannot be written."""
    buffer = io.BytesIO()
    head = {
        "schema": SCHEMA_VERSION,
        "layers": trace.layers,
        "names": trace.names,
        "uncounted": trace.uncounted,
        "meta": trace.meta,
    }
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("trace.json", json.dumps(head))
        for name in TABLES:
            archive.writestr(zipfile.ZipInfo(f"{name}.parquet"), _to_parquet(getattr(trace, name)))
    try:
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        raise TraceError(f"cannot write the trace to {path}: {error.strerror or error}") from None


def load(path: str | PathLike, kind: type[Trace]) -> Trace:
    """The trace in the file at `path`, made by `kind` (Trace) of its tables, layers, names, uncounted ops and metadata.

    Raises TraceError where the file is missing, damaged or of another schema version, or where its tables contradict
    each other.
    """
    import pyarrow as pa

    try:
        with zipfile.ZipFile(path) as archive:
            head = json.loads(_member(archive, "trace.json"))
            if not isinstance(head, dict) or head.get("schema") != SCHEMA_VERSION:
                found = head.get("schema") if isinstance(head, dict) else None
                raise TraceError(
                    f"{path} is a trace of schema {found}, this version reads schema {SCHEMA_VERSION}: capture it again"
                )
            tables = {name: _from_parquet(kind, _member(archive, f"{name}.parquet")) for name, kind in TABLES.items()}
        return kind(
            **tables,
            layers=_texts(head, "layers"),
            names=_texts(head, "names"),
            uncounted=_uncounted(head),
            meta=_mapping(head, "meta"),
        )
    except TraceError as error:
        raise error if str(path) in str(error) else TraceError(f"{path} is not a valid trace: {error}") from None
    except FileNotFoundError:
        raise TraceError(f"there is no trace at {path}: check the path, or make one with task=capture") from None
    except OSError as error:
        raise TraceError(f"cannot read the trace at {path}: {error.strerror or error}") from None
    except (zipfile.BadZipFile, pa.ArrowException, ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TraceError(f"{path} is damaged or no trace ({detail}): capture it again with task=capture") from None


def _to_parquet(rows):
    import pyarrow as pa
    from pyarrow import parquet

    columns = {}
    for f in fields(rows):
        values = getattr(rows, f.name)
        if values.ndim == 1:
            columns[f.name] = values
        else:
            columns |= {f"{f.name}_{axis}": values[axis] for axis in range(3)}
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


def _from_parquet(kind, data):
    from pyarrow import parquet

    file = parquet.ParquetFile(io.BytesIO(data))
    groups = range(file.metadata.num_row_groups)
    unpacked = sum(file.metadata.row_group(i).total_byte_size for i in groups)
    if file.metadata.num_rows > LARGEST_ROWS or unpacked > LARGEST_BYTES:
        raise TraceError(
            f"its {kind.__name__.lower()} table states {file.metadata.num_rows} rows and {unpacked} bytes: too large"
        )
    rows = file.read(use_threads=False)
    columns = {}
    for f in fields(kind):
        names = [f.name] if f.metadata["rank"] == 1 else [f"{f.name}_{axis}" for axis in range(3)]
        if missing := [name for name in names if name not in rows.column_names]:
            raise TraceError(f"its {kind.__name__.lower()} table lacks the column {missing[0]}")
        if any(rows[name].null_count for name in names):
            raise TraceError(f"its {kind.__name__.lower()}.{f.name} has empty cells")
        arrays = [rows[name].to_numpy() for name in names]
        columns[f.name] = arrays[0] if f.metadata["rank"] == 1 else np.stack(arrays)
    return table(kind, rows.num_rows, **columns)


def _member(archive, name):
    info = archive.getinfo(name)
    if info.file_size > LARGEST_BYTES:
        raise TraceError(f"its member {name} states {info.file_size} bytes: too large")
    return archive.read(name)


def _texts(head, name):
    values = head.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TraceError(f"its {name} are not a list of texts")
    return tuple(values)


def _mapping(head, name):
    if not isinstance(head.get(name), dict):
        raise TraceError(f"its {name} is not a mapping")
    return head[name]


def _uncounted(head):
    pairs = _mapping(head, "uncounted")
    for name, pair in pairs.items():
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(x, int) and x >= 0 for x in pair)):
            raise TraceError(f"its uncounted entry {name!r} is not a pair of counts")
    return {name: tuple(pair) for name, pair in pairs.items()}
