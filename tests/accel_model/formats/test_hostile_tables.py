"""Topologies and tables from strangers, and counts that no int64 holds: right, or refused with the place."""

import time

import numpy as np
import pytest

from accel_model import Design, Trace
from accel_model.errors import AccelModelError, DesignError, TraceError
from accel_model.formats import reading
from accel_model.formats.reading import read_table
from accel_model.formats.scalesim_topology import load_topology, save_topology
from accel_model.tables import Ops, table
from tests.helpers.hostile import NAMES, is_seen, trace

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
GEMM = "Layer, M, N, K,\n"
BOMBS = {
    "a depthwise row of a million layers": (f"{CONV}DP, 9, 9, 3, 3, 1000000, 1, 1,\n", "line 2, column 6"),
    "depthwise rows of many layers": (CONV + "DP, 9, 9, 3, 3, 60000, 1, 1,\n" * 2, "line 3, column 6"),
    "a row of a million columns": (GEMM + "a" + ", 1" * 1_000_000 + "\n", "line 2: has more than 10,000 characters"),
    "a line without an end": ("x" * 60_000_000, "line 1: has more than"),
    "a million rows": (GEMM + "a,1,1,1\n" * 200_000, "line 100002: has more than 100,000 layers"),
    "nothing but line ends": ("\n" * 1_000_000, "is empty"),
    "a NUL": (GEMM + "a,1,1,1\nb\0,1,1,1\n", "line 3: holds a NUL"),
}


@pytest.mark.parametrize(("text", "says"), BOMBS.values(), ids=BOMBS)
def test_a_topology_that_is_too_large_is_refused_soon(tmp_path, text, says):
    path = tmp_path / "t.csv"
    path.write_text(text)
    began = time.monotonic()
    with pytest.raises(TraceError, match=says) as error:
        load_topology(path)
    assert time.monotonic() - began < 5 and str(path) in str(error.value) and len(str(error.value)) < 500


def test_the_limit_of_layers_can_be_raised(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text(f"{CONV}DP, 9, 9, 3, 3, 300, 1, 1,\n")
    with pytest.raises(TraceError, match="HALFSTEP_TOPOLOGY_LAYERS"):
        load_topology(path, limit_layers=299)
    monkeypatch.setenv("HALFSTEP_TOPOLOGY_LAYERS", "200")
    with pytest.raises(TraceError, match="limit_layers"):
        load_topology(path)
    assert len(load_topology(path, limit_layers=300)) == 300


@pytest.mark.parametrize(
    "row",
    [
        "4294967296, 4294967296, 1, 1, 1, 1, 1",  # 2^64 pixels, which is 0 in an int64
        "3037000500, 3037000500, 1, 1, 1, 1, 1",  # beyond 2^63
        "9007199254740993, 1, 1, 1, 1, 1, 1",
        "4294967296, 4294967296, 4294967296, 4294967296, 1, 1, 1",  # one output of 2^64 products
        "4294967296, 4294967296, 1, 1, 1, 1, 4294967296",  # few outputs of a large image
        "2, 2, 1, 1, 9007199254740992, 9007199254740992, 1",
    ],
)
def test_a_convolution_whose_counts_pass_two_to_the_53_is_refused_by_its_line(tmp_path, row):
    path = tmp_path / "t.csv"
    path.write_text(f"{CONV}fine, 9, 9, 3, 3, 1, 1, 1,\nlarge, {row},\n")
    with pytest.raises(TraceError, match="line 3"):
        load_topology(path)


@pytest.mark.parametrize("row", ["4294967296, 4294967296, 1", "4194304, 4194304, 4194304", "1, 1, 9007199254740993"])
def test_a_gemm_whose_counts_pass_two_to_the_53_is_refused_by_its_line(tmp_path, row):
    path = tmp_path / "t.csv"
    path.write_text(f"{GEMM}fine, 9, 9, 3,\nlarge, {row},\n")
    with pytest.raises(TraceError, match="line 3"):
        load_topology(path)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_written_topology_has_names_that_nothing_obeys_and_reads_back(tmp_path, name):
    path = tmp_path / "t.csv"
    assert save_topology(trace(name), path) == 2
    text = path.read_text()
    assert is_seen(text) and all(line[0].isalnum() or line[0] in "._" for line in text.splitlines())
    assert len(load_topology(path)) == 2


WRONG = {
    "above 2^53": [1, 2**53 + 1],
    "above int64": np.array([1, 2**63 + 5], dtype=np.uint64),
    "above all": [1, 2**70],
    "below": [1, -3],
    "zero": [1, 0],
    "booleans": [True, False],
    "floats": [1.0, 2.0],
    "not a number": [1.0, float("nan")],
    "texts": ["1", "2"],
    "nothing": [1, None],
    "times": np.array([1, 2], dtype="datetime64[s]"),
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_sizes_of_gemms_that_are_no_counts_are_refused_with_their_row(given):
    for position in range(3):
        sizes = [[2, 2], [2, 2], [2, 2]]
        sizes[position] = given
        with pytest.raises(TraceError, match="row"):
            Trace.from_gemms(*sizes)
    with pytest.raises(TraceError, match="row"):
        Trace.from_gemms(2, 2, 2, groups=given)


def test_macs_bytes_and_their_sums_are_right_or_refused():
    rng = np.random.default_rng(0)
    for _ in range(200):
        groups, m, n, k = (int(2 ** rng.uniform(0, 26)) for _ in range(4))
        right = groups * m * n * k
        try:
            found = Trace.from_gemms(m, n, k, groups=groups, dtype="fp32")
        except TraceError:
            largest = 4 * groups * max(m * k, k * n, m * n)
            assert right > 2**53 or largest >= 2**53
        else:
            assert int(found.ops.macs.sum()) == right
            assert int(found.tensors.bytes.sum()) == 4 * groups * (m * k + k * n + m * n)
    with pytest.raises(TraceError, match="in sum"):
        Trace.from_gemms(np.full(2000, 2**25), 2**14, 2**14)


@pytest.mark.parametrize("given", [[1.5, 2], [float("nan"), 1], ["a", "b"], [True, False], [2**40, 1], [None, 1]])
def test_a_column_that_is_no_count_is_named_with_its_row(given):
    with pytest.raises(TraceError, match=r"ops\.layer holds .* row \d"):
        table(Ops, 2, layer=np.array(given))


def test_a_trace_of_columns_that_are_no_counts_is_refused():
    from dataclasses import replace

    bare = Trace.from_gemms([2, 3], 4, 5)
    for values in (np.array([2.0, np.nan]), np.array([2, 3], dtype=np.uint64), [2, 3], np.array([[2, 3]])):
        with pytest.raises(TraceError, match=r"ops\.m "):
            replace(bare, ops=replace(bare.ops, m=values))
    for name in ("input_size", "filter_size", "output_size"):
        with pytest.raises(TraceError, match=rf"ops\.{name}|elements"):
            replace(bare, ops=replace(bare.ops, **{name: np.full((3, 2), 2**30)}))


@pytest.mark.parametrize(
    "values",
    [
        {"rows": 2**20, "cols": 2**20},
        {"rows": 2**32, "cols": 2**32},
        {"rows": 2**63},
        {"cores": 10**30},
        {"rows": True},
        {"array": [[True, 2, 3]]},
        {"array": [[2**63, 2, 3]]},
        {"array": [[2**31, 2**31, 4]]},
        {"rows": "1" * 5000},
        {"buffer_bytes": float("nan")},
    ],
)
def test_designs_whose_sizes_are_no_counts_are_refused_in_few_words(values):
    with pytest.raises(DesignError) as error:
        Design.grid(**values)
    assert len(str(error.value)) < 600


def test_a_table_is_bounded_in_lines_and_columns(tmp_path):
    path = tmp_path / "t.csv"
    for text, says in (
        ("a,b\n" + "1,2\n" * (reading.MOST_LINES + 1), "lines"),
        (",".join(f"c{i}" for i in range(10_000)) + "\n", "columns"),
        ("a,b\n1,\0\n", "line 2: holds a NUL"),
        ("x" * 1_000_000, "is no CSV|lacks the column"),
    ):
        path.write_text(text)
        with pytest.raises(AccelModelError, match=says) as error:
            read_table(path, ("a", "b"))
        assert len(str(error.value)) < 500
