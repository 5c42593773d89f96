"""What a person sees of a trace, a design and a report: a short table with units, however large they are."""

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from accel_model.formats.listing import ROWS, listing
from tests.helpers.designs import designs
from tests.helpers.traces import random_traces

WIDEST = 140  # characters


def shown():
    trace = random_traces(np.random.default_rng(0))[2]
    many = designs(500)
    return {"Trace": trace, "Design": many, "Report": replay(trace, many), "sums": replay(trace, many, per_op=False)}


@pytest.mark.parametrize("name", ["Trace", "Design", "Report", "sums"])
def test_a_large_table_prints_a_few_rows_and_how_many_more(name):
    value = shown()[name]
    title, head, *rows, more = str(value).splitlines()
    assert title.startswith(f"{'Report' if name == 'sums' else name} o")
    assert len(rows) == ROWS and more.strip() == f"... and {len(value) - ROWS} more"
    assert all(len(line) <= WIDEST for line in (title, head, *rows))
    assert "array(" not in str(value) + repr(value) and "\n" not in repr(value) and len(repr(value)) < WIDEST


def test_printed_numbers_are_those_of_the_table():
    trace = Trace.from_gemms(2000, 3, 4)
    design = Design.grid(name="mine", rows=8, cols=4, clock_hz=2e9, buffer_bytes=2**20, dram_bytes_per_s=5e10)
    report = replay(trace, design)
    assert str(trace).splitlines()[2].split() == [
        "0",
        "-",
        "forward",
        "gemm",
        "bf16",
        "1",
        "2,000",
        "3",
        "4",
        "0.024",
        "0",
    ]
    row = str(design).splitlines()[2].split()
    assert row == ["0", "mine", "8", "x", "4", "x", "1", "2", "os", "pipelined", "no", "1", "50"]
    row = str(report).splitlines()[2].split()
    assert float(row[1]) == pytest.approx(report.step_s[0] * 1e3, rel=1e-3)
    assert float(row[3]) == pytest.approx(report.utilisation[0] * 100, rel=1e-3)
    assert row[4] == max(report.by_bound(), key=lambda name: report.by_bound()[name][0])


def test_an_empty_table_is_its_title():
    assert str(designs(10)[:0]).splitlines() == ["Design of 0 accelerators"]
    assert listing("none", ("a", "b"), [], 0) == "none"


def test_columns_line_up():
    text = listing("t", ("name", "count"), [("a", 1), ("longer", 12345), ("b", 0.00012345)], 3)
    assert text.splitlines() == [
        "t",
        "  name        count",
        "  a               1",
        "  longer     12,345",
        "  b       0.0001234",
    ]
