"""Closed forms of compute cycles against arrays stepped by hand, fold by fold and PE by PE."""

import sys

import array_api_strict
import numpy as np
import pytest

from accel_model.array import dataflows
from accel_model.array.dataflow import Dataflow, found, records_of, scalesim_cycles
from accel_model.array.dataflows import ideal
from accel_model.array.folds import padded_cycles
from accel_model.array.record import Arrays, Gemm, Overlap
from accel_model.errors import DesignError
from tests.helpers import oracles
from tests.helpers.designs import cycles_of
from tests.helpers.house import house, python

SYSTOLIC = (Dataflow.OS, Dataflow.WS, Dataflow.IS)
MODES = [(d, o, t) for d in SYSTOLIC for o in Overlap for t in (False, True)]


def random_shapes(rng, count):
    """m, n, k, rows, cols, groups, cores: int64 (count,), small enough to step, edges of 1 included."""
    return (
        *rng.integers(1, 24, size=(3, count)),
        *rng.integers(1, 8, size=(2, count)),
        *rng.integers(1, 6, size=(2, count)),
    )


@pytest.mark.parametrize(("dataflow", "overlap", "trim"), MODES)
def test_closed_form_equals_folds_played_one_by_one(dataflow, overlap, trim):
    m, n, k, rows, cols, groups, cores = random_shapes(np.random.default_rng(1), 1500)
    fast = cycles_of(dataflow, (m, n, k, groups), (rows, cols, cores), overlap, trim)
    cases = zip(m, n, k, rows, cols, groups, cores, strict=True)
    slow = [oracles.cycles(dataflow, *map(int, c[:5]), overlap, trim, int(c[5]), int(c[6])) for c in cases]
    np.testing.assert_array_equal(fast, slow)


def test_one_fold_equals_an_array_stepped_pe_by_pe():
    rng = np.random.default_rng(2)
    for _ in range(60):
        rows, cols, k = (int(x) for x in rng.integers(1, 7, size=3))
        m, n = int(rng.integers(1, rows + 1)), int(rng.integers(1, cols + 1))
        for overlap in Overlap:
            fast = cycles_of(Dataflow.OS, (m, n, k), (rows, cols), overlap)
            assert int(fast) == oracles.os_array_edges(m, n, k, rows)
        padded = padded_cycles(1, k, Arrays(rows, cols, overlap=Overlap.NONE))
        assert int(padded) == oracles.os_array_edges(rows, cols, k, rows)


@pytest.mark.parametrize(("dataflow", "overlap", "trim"), MODES)
def test_no_array_does_more_than_one_mac_per_pe_and_cycle(dataflow, overlap, trim):
    rng = np.random.default_rng(3)
    m, n, k = rng.integers(1, 4096, size=(3, 3000))
    rows, cols = rng.integers(1, 257, size=(2, 40, 1))
    groups, cores = rng.integers(1, 40, size=3000), rng.integers(1, 17, size=(40, 1))
    cycles = cycles_of(dataflow, (m, n, k, groups), (rows, cols, cores), overlap, trim)
    assert (cycles * rows * cols * cores >= groups * m * n * k).all()
    assert (cycles >= ideal.cycles(Gemm(m, n, k, groups), Arrays(rows, cols, cores))).all()


@pytest.mark.parametrize("dataflow", SYSTOLIC)
def test_more_overlap_and_trimming_are_never_slower(dataflow):
    m, n, k, rows, cols, groups, cores = random_shapes(np.random.default_rng(4), 20_000)

    def cycles(overlap, trim):
        return cycles_of(dataflow, (m, n, k, groups), (rows, cols, cores), overlap, trim)

    for trim in (False, True):
        assert (cycles(Overlap.PIPELINED, trim) <= cycles(Overlap.BUFFERED, trim)).all()
        assert (cycles(Overlap.BUFFERED, trim) <= cycles(Overlap.NONE, trim)).all()
    for overlap in Overlap:
        assert (cycles(overlap, True) <= cycles(overlap, False)).all()


@pytest.mark.parametrize(("dataflow", "overlap", "trim"), MODES)
def test_floating_point_and_strict_arrays_give_the_same_whole_numbers(dataflow, overlap, trim):
    shapes = random_shapes(np.random.default_rng(5), 2000)
    large = np.random.default_rng(6).integers(1, 200_000, size=(3, 2000))
    for m, n, k, rows, cols, groups, cores in (shapes, (*large, *shapes[3:])):
        whole = cycles_of(dataflow, (m, n, k, groups), (rows, cols, cores), overlap, trim)
        for convert in (lambda x: x.astype(np.float64), array_api_strict.asarray):
            given = [convert(x) for x in (m, n, k, rows, cols, groups, cores)]
            same = cycles_of(dataflow, (*given[:3], given[5]), (*given[3:5], given[6]), overlap, trim)
            np.testing.assert_array_equal(whole, np.asarray(same))


def test_scalesim_convention_is_the_sum_of_padded_folds_less_one():
    gemm, arrays = Gemm(50, 40, 30), Arrays(16, 8)

    def cycles(dataflow):
        (record,) = records_of(dataflow)
        return int(scalesim_cycles(record, gemm, arrays))

    assert cycles(Dataflow.OS) == 4 * 5 * (16 + 8 + 30 - 2) - 1
    assert cycles(Dataflow.WS) == 2 * 5 * (2 * 16 + 8 + 50 - 2) - 1
    assert cycles(Dataflow.IS) == 2 * 7 * (2 * 16 + 8 + 40 - 2) - 1


def test_the_numbers_of_the_dataflows_stand_for_good():
    # kept designs, explorations and digests hold them
    numbers = {"OS": 0, "WS": 1, "IS": 2, "RS": 3, "BEST": 4, "IDEAL": 5}
    assert {choice.name: int(choice) for choice in Dataflow} == numbers
    assert [record.name for record in records_of(Dataflow.BEST)] == ["os", "ws", "is"]


SNAKE = """
from accel_model.array.dataflows import output_stationary as os
from accel_model.array.record import TiledDataflow

def cycles(gemm, arrays):
    return 2 * os.cycles(gemm, arrays)

def reads(gemm, arrays):
    return gemm.k * (gemm.m + gemm.n)

RECORD = TiledDataflow("snake", 17, cycles, reads, os.spills, "rows", "cols", stretches=(1024,))
"""
SLUG = """
from accel_model.array.dataflows import ideal
from accel_model.array.record import WholeDataflow

def run(units, arrays):
    cycles, moved = ideal.run(units, arrays)
    return 3 * cycles, moved

RECORD = WholeDataflow("slug", 18, run)
"""


def test_a_dataflow_is_one_file(tmp_path):
    place = house(tmp_path)
    (place / "accel_model" / "array" / "dataflows" / "snake.py").write_text(SNAKE)
    (place / "accel_model" / "array" / "dataflows" / "slug.py").write_text(SLUG)
    (place / "conf" / "accelerator" / "den.yaml").write_text("dataflow: snake\nrows: 16\ncols: 16\nsource: a test\n")
    code = """
import numpy as np
from accel_model import Design, Trace, replay
trace = Trace.from_gemms([300, 64], [200, 64], [100, 64], groups=[1, 3])
design = Design.grid(dataflow=["os", "snake", "ideal", "slug", "best"], rows=16, cols=16)
report = replay(trace, design)
assert (report.compute_cycles[1] == 2 * report.compute_cycles[0]).all()
assert (report.compute_cycles[3] == 3 * report.compute_cycles[2]).all()
assert (report.op_s[1] > report.op_s[0]).all() and (report.op_s[4] <= report.op_s[0]).all()
assert [row["dataflow"] for row in design.to_rows()] == ["os", "snake", "ideal", "slug", "best"]
alone = replay(trace, Design.load("den"))
assert (alone.op_s[0] == report.op_s[1]).all() and Design.load("den").to_rows()[0]["dataflow"] == "snake"
print(Design.grid(dataflow="snake").dataflow[0])
"""
    assert python(code, place).split() == ["17"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "slug.py has no RECORD"),
        (SLUG.replace('"slug"', '"os"'), "takes 'os', which"),
        (SLUG.replace("18", "4"), "takes 4, which best has"),
        (SLUG.replace("18", "300"), "has the number 300: give one from 0 to 127"),
        (SLUG.replace('"slug"', '"Slug 2"'), "is called 'Slug 2': give a name"),
    ],
)
def test_a_file_that_is_no_dataflow_says_what_to_write(tmp_path, monkeypatch, text, says):
    place = tmp_path / "slug.py"
    place.write_text(text)
    monkeypatch.setattr(dataflows, "__path__", [*dataflows.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "accel_model.array.dataflows.slug", raising=False)
    with pytest.raises(DesignError, match=says):
        found()
    monkeypatch.delitem(sys.modules, "accel_model.array.dataflows.slug", raising=False)
