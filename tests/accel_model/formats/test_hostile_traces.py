"""Trace files from strangers: what would unpack to gigabytes or is no trace is refused before it is unpacked."""

import io
import json
import re
import subprocess
import sys
import time
import zipfile
from dataclasses import fields

import numpy as np
import pytest

from accel_model import Trace
from accel_model.errors import TraceError
from accel_model.formats import trace_file
from accel_model.formats.parquet_pages import pages
from accel_model.tables import Ops
from tests.helpers.program import ROOT

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
SMALL = Trace.from_gemms([4, 8], [4, 8], [4, 8])
HEAD = {"schema": 1, "layers": [""], "names": [""], "uncounted": {}, "meta": {}}


def columns_of(name):
    """{column: numpy array} of a table of SMALL, as it is saved."""
    return {
        column: parquet.read_table(io.BytesIO(trace_file._to_parquet(getattr(SMALL, name))))[column].to_numpy()
        for column in parquet.read_schema(io.BytesIO(trace_file._to_parquet(getattr(SMALL, name)))).names
    }


def packed(columns, **options):
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink, **({"compression": "zstd"} | options))
    return sink.getvalue()


def made(folder, pack=zipfile.ZIP_DEFLATED, **members):
    """The path of a trace file whose members, by name without ending, are those of SMALL but for `members`, bytes."""
    path = folder / "made.halfstep"
    whole = {"trace": json.dumps(HEAD).encode()}
    whole |= {name: packed(columns_of(name)) for name in ("ops", "tensors", "uses")}
    with zipfile.ZipFile(path, "w", pack) as archive:
        for name, data in (whole | members).items():
            archive.writestr(f"{name}.json" if name == "trace" else f"{name}.parquet", data)
    return path


def refused(path, says, **options):
    """The error of loading `path`, asserted to be ours, to name the file and to say `says`."""
    with pytest.raises(TraceError, match=says) as error:
        Trace.load(path, **options)
    assert str(path) in str(error.value) and len(str(error.value)) < 1000
    return str(error.value)


def test_what_is_made_here_loads(tmp_path):
    assert len(Trace.load(made(tmp_path))) == 2
    assert len(Trace.load(made(tmp_path, pack=zipfile.ZIP_STORED))) == 2


def test_rows_are_counted_before_they_are_read(tmp_path):
    many = packed({f.name: np.zeros(30_000_000, dtype=np.int8) for f in fields(Ops)[:2]})
    assert len(many) < 1_000_000
    text = refused(made(tmp_path, ops=many), "its ops table states 30,000,000 rows of 224 bytes")
    assert "HALFSTEP_TRACE_BYTES" in text and "limit_bytes" in text


def test_a_limit_is_raised_and_lowered_by_argument_and_by_environment(tmp_path, monkeypatch):
    SMALL.save(tmp_path / "t.halfstep")
    refused(tmp_path / "t.halfstep", "may take 1,000 bytes", limit_bytes=1000)
    monkeypatch.setenv("HALFSTEP_TRACE_BYTES", "2000")
    refused(tmp_path / "t.halfstep", "may take 2,000 bytes")
    assert len(Trace.load(tmp_path / "t.halfstep", limit_bytes=10**6)) == 2
    for wrong in ("many", "0", "-1"):
        monkeypatch.setenv("HALFSTEP_TRACE_BYTES", wrong)
        with pytest.raises(TraceError, match="give a whole number above 0"):
            Trace.load(tmp_path / "t.halfstep")


@pytest.mark.parametrize("name", ["trace", "ops", "uses"])
def test_a_member_is_unpacked_up_to_the_limit(tmp_path, name):
    refused(made(tmp_path, **{name: bytes(10**7)}), "states 10,000,000 bytes", limit_bytes=10**6)


@pytest.mark.parametrize("stated", [0, 10, 2**32 - 2])
def test_a_member_that_lies_about_its_size_is_refused(tmp_path, stated):
    path = made(tmp_path)
    data = bytearray(path.read_bytes())
    for found in re.finditer(b"PK\1\2", bytes(data)):  # of the list of members
        data[found.start() + 24 : found.start() + 28] = stated.to_bytes(4, "little")
    path.write_bytes(data)
    refused(path, "damaged|states|is not of")


def test_an_archive_of_endless_members_or_of_two_of_a_name_is_refused(tmp_path):
    path = made(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(5000):
            archive.writestr(f"{number}.txt", b"")
    refused(path, "list of members is too long")
    path = made(tmp_path)
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("trace.json", json.dumps(HEAD))
    refused(path, "trace.json is there twice")


def test_a_member_packed_in_a_way_that_unpacks_at_once_is_refused(tmp_path):
    refused(made(tmp_path, pack=zipfile.ZIP_BZIP2), "packed in another way than by deflate")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"schema": 1, "layers": [' + "[]," * 2_000_000 + "0]}", "or more"),
        ('{"schema": 1, "meta": [' + "0," * 4_300_000 + "0]}", "or more"),
        ("[" * 100_000, "deeper than"),
        (json.dumps(HEAD | {"meta": json.loads('{"a":' * 200 + "0" + "}" * 200)}), "deeper than"),
        ('{"schema": 1' + "0" * 10_000 + "}", "damaged|schema"),
        (json.dumps(HEAD | {"schema": True}), "schema True"),
        (json.dumps(HEAD | {"layers": ["", 7]}), "layers are not a list of texts: row 1 is 7"),
        (json.dumps(HEAD | {"uncounted": {"x": [True, 1]}}), "is not a pair of counts"),
        (json.dumps(HEAD | {"uncounted": {"x": [1, 2**63]}}), "is not a pair of counts"),
        (json.dumps(HEAD | {"uncounted": {"x": [1, 2**62], "y": [1, 1]}}), "uncounted bytes are .* in sum"),
        (json.dumps(HEAD | {"uncounted": {"x" * 10_000: [1.5, 2]}}), "is not a pair of counts"),
        ("\ud800".encode("utf-8", "surrogatepass"), "damaged"),
    ],
    ids=range(12),
)
def test_the_head_is_bounded_in_values_and_depth(tmp_path, text, says):
    refused(made(tmp_path, trace=text), says)


WRONG = {
    "booleans": pa.array([True, False]),
    "timestamps": pa.array([1, 2], pa.timestamp("ns")),
    "floats": pa.array([1.0, 2.0]),
    "not a number": pa.array([float("nan"), 2.0]),
    "texts": pa.array(["1", "2"]),
    "decimals": pa.array([1, 2], pa.decimal128(10, 0)),
    "dates": pa.array([1, 2], pa.date32()),
    "durations": pa.array([1, 2], pa.duration("s")),
    "lists": pa.array([[1], [2]]),
    "structures": pa.array([{"a": 1}, {"a": 2}]),
    "bytes": pa.array([b"1", b"2"]),
    "a dictionary of texts": pa.array(["1", "2"]).dictionary_encode(),
    "nothing": pa.nulls(2),
    "empty cells": pa.array([1, None], pa.int64()),
    "another length": pa.array([1, 2], pa.int64()),
    "negative": pa.array([1, -2], pa.int64()),
    "beyond int64": pa.array([1, 2**63 + 5], pa.uint64()),
    "beyond 2^53": pa.array([1, 2**53 + 5], pa.int64()),
}


@pytest.mark.parametrize("key", [key for key in WRONG if key != "another length"])
def test_a_column_of_another_type_or_meaning_is_named(tmp_path, key):
    columns = columns_of("ops") | {"m": WRONG[key]}
    text = refused(made(tmp_path, ops=packed(columns)), r"ops\.m")
    assert "row" in text


@pytest.mark.parametrize(
    ("table", "column", "given", "says"),
    [
        ("ops", "layer", [0, 1], r"ops\.layer holds 1 in row 1"),
        ("ops", "kind", [0, 77], r"ops\.kind holds 77 in row 1"),
        ("ops", "dtype", [0, -1], r"ops\.dtype holds -1 in row 1"),
        ("ops", "layer", [0, 2**40], r"ops\.layer holds 1099511627776 in row 1"),
        ("ops", "call", [1, 0], r"ops\.call in row 1 is below"),
        ("ops", "transposed", [0, 1], r"ops\.transposed"),
        ("ops", "m", [4, 0], r"ops\.m: .*\(row 1\)"),
        ("tensors", "born", [0, 0, 0, 9, 1, 1], r"tensors\.born holds 9 in row 3"),
        ("tensors", "freed", [1, 1, 1, 0, 2, 2], r"tensors\.freed: .*\(row 3\)"),
        ("uses", "tensor", [0, 1, 2, 3, 4, 6], r"uses\.tensor holds 6 in row 5"),
        ("uses", "op", [0, 0, 1, 0, 1, 1], r"uses\.op: .*\(row 3\)"),
        ("uses", "bytes", [2**40] * 6, r"uses\.bytes: .*\(row 0\)"),
    ],
)
def test_an_index_out_of_range_or_order_is_named_with_table_column_and_row(tmp_path, table, column, given, says):
    columns = columns_of(table) | {column: np.array(given)}
    refused(made(tmp_path, **{table: packed(columns)}), says)


def test_a_use_that_is_there_twice_is_refused(tmp_path):
    columns = {name: np.concatenate([values[:1], values]) for name, values in columns_of("uses").items()}
    refused(made(tmp_path, uses=packed(columns)), r"uses\.tensor in row 1 is there twice")


def test_lists_too_many_columns_and_groups_are_refused(tmp_path):
    columns = columns_of("ops")
    wide = columns | {f"x{i}": np.zeros(2, dtype=np.int8) for i in range(300)}
    refused(made(tmp_path, ops=packed(wide)), "columns in 1 groups: too many")
    missing = {name: values for name, values in columns.items() if name != "m"}
    refused(made(tmp_path, ops=packed(missing)), "its ops table lacks the column m")


@pytest.mark.parametrize(
    "options",
    [
        *({}, {"use_dictionary": False}, {"data_page_version": "2.0"}, {"row_group_size": 1}),
        *({"compression": "gzip"}, {"compression": "none"}, {"compression": "snappy"}, {"write_page_checksum": True}),
    ],
)
def test_tables_that_others_write_load(tmp_path, options):
    assert len(Trace.load(made(tmp_path, ops=packed(columns_of("ops"), **options)))) == 2


def varint(number):
    out = bytearray()
    while True:
        number, low = number >> 7, number & 127
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


def page_header(unpacked, packed_size, values, dictionary=False):
    """A PageHeader in Thrift's compact protocol, of int32 fields and one structure."""
    zigzag = [varint(2 * one) for one in (2 if dictionary else 0, unpacked, packed_size, values)]
    numbers = b"".join(b"\x15" + one for one in zigzag[:3])
    return numbers + (b"\x4c" if dictionary else b"\x2c") + b"\x15" + zigzag[3] + b"\0\0"


def test_pages_state_what_they_unpack_to():
    data = page_header(2**30, 3, 5, dictionary=True) + b"abc" + page_header(8, 2, 1) + b"de"
    assert pages(b"PAR1" + data, 4, len(data)) == [(True, 2**30, 5), (False, 8, 1)]


@pytest.mark.parametrize("cut", range(1, 12, 2))
def test_damaged_headers_are_refused(cut):
    data = page_header(8, 2, 1) + b"de"
    with pytest.raises(ValueError, match=r"page|column"):
        pages(data[:-cut], 0, len(data) - cut % 3)
    rng = np.random.default_rng(cut)
    for _ in range(300):
        noise = rng.bytes(40)
        try:
            pages(noise, 0, 40)
        except ValueError:
            continue


def test_a_page_that_states_more_than_its_rows_take_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    """The header of a real page is rewritten; without slack two rows have room for 48 bytes."""
    monkeypatch.setattr(trace_file, "PAGE_SLACK", 0)
    columns = columns_of("ops") | {"m": np.array([4, 8])}
    data = bytearray(packed(columns))
    assert len(Trace.load(made(tmp_path, ops=bytes(data)))) == 2
    chunk = parquet.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(0).column(list(columns).index("m"))
    start = chunk.dictionary_page_offset
    assert bytes(data[start : start + 4]) == b"\x15\x04\x15\x20"  # a dictionary of 16 bytes
    data[start + 3] = 0x7E  # of 63
    refused(made(tmp_path, ops=bytes(data)), r"ops\.m has pages of \d+ bytes for 2 rows")


BOMBS = r"""
import pathlib, re, sys, time
from accel_model import Trace
from accel_model.errors import TraceError
began = time.monotonic()
try:
    Trace.load(sys.argv[1])
    print("loaded")
except TraceError as error:
    print("refused")
most = re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]
print(time.monotonic() - began, int(most) * 1024)
"""


def spent(path):
    """(what became of a trace, seconds, bytes of memory at the most), in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    outcome, numbers = done.stdout.splitlines()
    return outcome, *map(float, numbers.split())


@pytest.mark.parametrize("bomb", ["rows", "member", "texts", "lists"])
def test_a_bomb_costs_little(tmp_path, bomb):
    if bomb == "rows":
        names = list(columns_of("ops"))
        path = made(tmp_path, ops=packed({name: np.zeros(20_000_000, dtype=np.int64) for name in names[:1]}))
    elif bomb == "member":
        path = made(tmp_path, uses=bytes(700 * 2**20))
    elif bomb == "texts":
        path = made(tmp_path, trace='{"schema": 1, "layers": ["' + "a" * 33_000_000 + '"]}')
    else:
        path = made(tmp_path, trace='{"schema": 1, "layers": [' + "[]," * 999_000 + "0]}")
    assert path.stat().st_size < 2_000_000
    outcome, seconds, memory = spent(path)
    assert outcome == "refused" and seconds < 5 and memory < 1e9


def test_a_large_trace_loads_within_a_gigabyte(tmp_path):
    rng = np.random.default_rng(0)
    Trace.from_gemms(*rng.integers(1, 4096, size=(3, 9456))).save(tmp_path / "step.halfstep")
    assert len(Trace.load(tmp_path / "step.halfstep")) == 9456
    began = time.monotonic()
    Trace.from_gemms(*rng.integers(1, 4096, size=(3, 1_000_000))).save(tmp_path / "large.halfstep")
    outcome, _, memory = spent(tmp_path / "large.halfstep")
    assert outcome == "loaded" and memory < 1.3e9 and time.monotonic() - began < 120
