"""The trace file: a zip archive of three Parquet tables and metadata in JSON; only here this package uses pyarrow.

A file of a few kB can state that it holds gigabytes. So what it states is compared with `limit_bytes` before anything
is unpacked, and what it holds is unpacked piece by piece up to that limit, whatever it states.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from dataclasses import fields
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from accel_model.errors import TraceError
from accel_model.formats.atomic import write_bytes
from accel_model.formats.parquet_pages import pages
from accel_model.formats.reading import limit_of
from accel_model.formats.shown import quoted, shown
from accel_model.tables import LARGEST_SUM, SCHEMA_VERSION, Ops, Tensors, Uses, filled

if TYPE_CHECKING:
    from accel_model.trace import Trace

TABLES = {"ops": Ops, "tensors": Tensors, "uses": Uses}
LARGEST_BYTES = 640 * 2**20  # of all members and tables of a trace together, unpacked: about 1.5 million ops
LIMIT = "HALFSTEP_TRACE_BYTES"  # environment variable that stands for LARGEST_BYTES
HEAD_SHARE = 20  # trace.json may have this fraction of the limit ...
LISTS_SHARE = 640  # ... one list or mapping for so many bytes of the limit ...
VALUES_SHARE = 160  # ... and one value
DEEPEST = 32  # lists and mappings within each other in trace.json
LARGEST_DIRECTORY = 2**16  # bytes of the archive's list of members, of which a trace has four
MOST_COLUMNS, MOST_GROUPS = 200, 10_000  # of a Parquet table
PAGE_SLACK = 2**20  # bytes that a column may have unpacked beyond three times its values
ENDS, LOCATOR = b"PK\5\6", b"PK\6\7"  # of an archive, and of one that is larger than its format
DAMAGES = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, RuntimeError, EOFError, OverflowError)
END_BYTES, LOCATOR_BYTES = 22, 20


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


def load(path: str | PathLike, kind: type[Trace], limit_bytes: int | None = None) -> Trace:
    """The trace in the file at `path`, made by `kind` (Trace) of its tables, layers, names, uncounted ops and metadata.

    limit_bytes: that it may take unpacked; None stands for the environment variable HALFSTEP_TRACE_BYTES, or else for
    LARGEST_BYTES. Raises TraceError where the file is missing, damaged, larger than that or of another schema version,
    or where its tables contradict each other.
    """
    import pyarrow as pa

    limit = limit_of(limit_bytes, LIMIT, LARGEST_BYTES, TraceError)
    try:
        with open(path, "rb") as file:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                budget = _Budget(limit)
                head = _head(budget.member(archive, "trace.json", limit // HEAD_SHARE), limit)
                tables = {
                    name: _from_parquet(kind, budget.member(archive, f"{name}.parquet", limit), budget)
                    for name, kind in TABLES.items()
                }
        _check_order(tables["ops"], tables["uses"])
        return kind(
            **tables,
            layers=_texts(head, "layers"),
            names=_texts(head, "names"),
            uncounted=_uncounted(head),
            meta=_mapping(head, "meta"),
        )
    except TraceError as error:
        raise TraceError(f"{path} is not a valid trace: {error}") from None
    except FileNotFoundError:
        raise TraceError(f"there is no trace at {path}: check the path, or make one with task=capture") from None
    except (OSError, *DAMAGES, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno:
            raise TraceError(f"cannot read the trace at {path}: {error.strerror}") from None
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TraceError(
            f"{path} is damaged or no trace ({shown(detail, 200)}): capture it again with task=capture"
        ) from None


class _Budget:
    """Bytes that may still be unpacked of one file."""

    def __init__(self, limit):
        self.limit, self.left = limit, limit

    def spend(self, size, what):
        """Take `size` bytes for `what`, a text; raises TraceError where they are not left."""
        if size > self.left:
            raise TraceError(
                f"{what}, and a trace may take {self.limit:,} bytes unpacked: if you trust the file, raise that with "
                f"{LIMIT}=... in the environment or Trace.load(path, limit_bytes=...)"
            )
        self.left -= size

    def member(self, archive, name, most):
        """The bytes of a member of the archive, at most `most`; raises TraceError beyond."""
        info = archive.getinfo(name)
        if archive.namelist().count(name) > 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise TraceError(f"its member {name} is there twice, or packed in another way than by deflate")
        if info.file_size > most:
            self.spend(self.left + 1, f"its member {name} states {info.file_size:,} bytes")
        self.spend(info.file_size, f"its member {name} states {info.file_size:,} bytes")
        with archive.open(info) as file:
            data = file.read(info.file_size + 1)
        if len(data) != info.file_size:
            raise TraceError(f"its member {name} is not of the {info.file_size:,} bytes that it states")
        return data


def _check_directory(file):
    """Raise BadZipFile unless `file` ends as a small archive does: its list of members is read as a whole."""
    size = file.seek(0, os.SEEK_END)
    file.seek(-min(size, END_BYTES + LOCATOR_BYTES), os.SEEK_END)
    tail = file.read()
    end = tail[-END_BYTES:]
    if len(end) < END_BYTES or not end.startswith(ENDS) or tail[:-END_BYTES].startswith(LOCATOR):
        raise zipfile.BadZipFile("it is no zip archive, or one that is cut")
    if int.from_bytes(end[12:16], "little") > LARGEST_DIRECTORY:
        raise zipfile.BadZipFile("its list of members is too long")
    file.seek(0)


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


def _from_parquet(kind, data, budget):
    """The table of `kind` in the Parquet file `data`, read column by column."""
    from pyarrow import parquet

    name = kind.__name__.lower()
    file = parquet.ParquetFile(
        io.BytesIO(data), thrift_string_size_limit=2**24, thrift_container_size_limit=MOST_GROUPS * MOST_COLUMNS
    )
    head = file.metadata
    if head.num_columns > MOST_COLUMNS or head.num_row_groups > MOST_GROUPS:
        raise TraceError(f"its {name} table has {head.num_columns} columns in {head.num_row_groups} groups: too many")
    width = sum(f.metadata["dtype"].itemsize * (1 if f.metadata["rank"] == 1 else 3) for f in fields(kind))
    budget.spend(head.num_rows * width, f"its {name} table states {head.num_rows:,} rows of {width} bytes")
    places = {head.schema.column(i).path: i for i in range(head.num_columns)}
    columns = {}
    for f in fields(kind):
        parts = [f.name] if f.metadata["rank"] == 1 else [f"{f.name}_{axis}" for axis in range(3)]
        arrays = [_column(file, data, part, places, f"{name}.{part}", f.metadata["dtype"]) for part in parts]
        whole = arrays[0] if f.metadata["rank"] == 1 else np.stack(arrays)
        columns[f.name] = filled(kind, f.name, whole, head.num_rows)
    return kind(**columns)


def _column(file, data, part, places, where, dtype):
    """One column as a numpy array, once its type is seen to be that of `dtype`, and its pages to fit its rows."""
    import pyarrow as pa

    if file.schema_arrow.names.count(part) != 1:
        raise TraceError(f"its {where.partition('.')[0]} table lacks the column {part}, or has it twice")
    found = file.schema_arrow.field(part).type
    if not (pa.types.is_boolean(found) if dtype.kind == "b" else pa.types.is_integer(found)):
        wanted = "true or false" if dtype.kind == "b" else "whole numbers"
        raise TraceError(f"its column {where} holds {shown(found)} from row 0 on: {wanted} belong there")
    head, place, rows = file.metadata, places[part], 0
    for group in map(head.row_group, range(head.num_row_groups)):
        chunk = group.column(place)
        _check_chunk(chunk, group.num_rows, data, where)
        rows += group.num_rows
    if rows != head.num_rows:
        raise TraceError(f"its column {where} has {rows} rows where its table states {head.num_rows}")
    values = file.read(columns=[part], use_threads=False)[part]
    if values.null_count:
        row = int(np.argmax(values.is_null().to_numpy()))
        raise TraceError(f"its column {where} has empty cells, the first in row {row}: give a value for each row")
    return values.to_numpy()


def _check_chunk(chunk, rows, data, where):
    """Raise TraceError where the pages of a column chunk do not fit its rows."""
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
        start = chunk.dictionary_page_offset
    found = pages(data, start, chunk.total_compressed_size)
    unpacked = sum(size for _, size, _ in found)
    values = sum(count for is_dictionary, _, count in found if not is_dictionary)
    entries = sum(count for is_dictionary, _, count in found if is_dictionary)
    if chunk.num_values != rows or values != rows or entries > rows:
        raise TraceError(f"its column {where} states {values} values and {entries} distinct ones for {rows} rows")
    if unpacked > 3 * 8 * rows + PAGE_SLACK:
        raise TraceError(f"its column {where} has pages of {unpacked:,} bytes for {rows} rows: more than they take")


def _head(data, limit):
    """The mapping in trace.json, refused before it is parsed where it holds more values than `limit` allows."""
    lists, values = data.count(b"[") + data.count(b"{"), data.count(b",")
    if lists > limit // LISTS_SHARE or values > limit // VALUES_SHARE:
        raise TraceError(
            f"its trace.json holds {max(lists, values):,} values or more, and a trace that may take {limit:,} bytes "
            f"unpacked has at most {limit // VALUES_SHARE:,}, {limit // LISTS_SHARE:,} of them lists: if you trust "
            f"the file, raise that with {LIMIT}=... in the environment or Trace.load(path, limit_bytes=...)"
        )
    try:
        head = json.loads(data)
    except RecursionError:
        raise TraceError(f"its trace.json is deeper than {DEEPEST} lists or mappings within each other") from None
    found = head.get("schema") if isinstance(head, dict) else None
    if found != SCHEMA_VERSION or isinstance(found, bool):
        raise TraceError(
            f"it is a trace of schema {shown(found)}, this version reads schema {SCHEMA_VERSION}: capture it again"
        )
    level = [head]
    for _ in range(DEEPEST):
        level = [one for each in level for one in (each.values() if isinstance(each, dict) else each) if _holds(one)]
    if level:
        raise TraceError(f"its trace.json is deeper than {DEEPEST} lists or mappings within each other")
    return head


def _holds(value):
    return isinstance(value, dict | list)


def _check_order(ops, uses):
    """Raise TraceError where a call's rows are apart, or an op uses a tensor in the same way in two rows.

    The one would count a launch twice, the other the tensor's bytes.
    """
    if (back := np.diff(ops.call, prepend=0) < 0).any():
        raise TraceError(
            f"ops.call in row {int(back.argmax())} is below the row before: rows stand in the calls' order"
        )
    order = np.lexsort((uses.operand, uses.write, uses.tensor, uses.op))
    columns = [column[order] for column in (uses.op, uses.tensor, uses.write, uses.operand)]
    same = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
    if same.any():
        row = int(order[1:][same].min())
        raise TraceError(f"uses.tensor in row {row} is there twice for its op, as the same operand: keep one row")


def _texts(head, name):
    values = head.get(name)
    if not isinstance(values, list):
        raise TraceError(f"its {name} are not a list of texts")
    if wrong := next(((row, one) for row, one in enumerate(values) if not isinstance(one, str)), None):
        raise TraceError(f"its {name} are not a list of texts: row {wrong[0]} is {quoted(wrong[1])}")
    return tuple(values)


def _mapping(head, name):
    if not isinstance(head.get(name), dict):
        raise TraceError(f"its {name} is not a mapping")
    return head[name]


def _uncounted(head):
    pairs = _mapping(head, "uncounted")
    for name, pair in pairs.items():
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_count, pair))):
            raise TraceError(f"its uncounted entry {quoted(name)} is not a pair of counts")
    for what, counts in zip(("ops", "bytes"), zip(*pairs.values(), strict=True), strict=False):
        if sum(counts) > LARGEST_SUM:
            raise TraceError(f"its uncounted {what} are {sum(counts)} in sum: give at most {LARGEST_SUM}")
    return {name: tuple(pair) for name, pair in pairs.items()}


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_SUM
