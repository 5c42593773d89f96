"""Row-stationary convolutions and the chips of conf/accelerator against published silicon."""

import numpy as np
import pytest

from accel_model import Design, replay
from accel_model.array.dataflows import row_stationary
from accel_model.array.dataflows.row_stationary import Planes
from accel_model.array.record import Arrays
from accel_model.chips.errors import summary
from accel_model.chips.validation import cells
from accel_model.design.file import FOLDER
from tests.helpers.house import house, python
from tests.helpers.traces import conv_trace, random_convolutions


@pytest.fixture(scope="module")
def table():
    return cells()


def of(table, chip, metric):
    return [cell for cell in table if cell.chip == chip and cell.metric == metric]


def test_eyeriss_keeps_the_published_pes_active(table):
    found = {cell.layer: round(cell.simulated) for cell in of(table, "Eyeriss v1", "active_pes")}
    assert found == {"CONV1": 154, "CONV2": 135, "CONV3": 156, "CONV4": 156, "CONV5": 156, "Total": 148}


def test_eyeriss_processing_times_are_within_ten_percent_of_silicon(table):
    errors = [cell.error for cell in of(table, "Eyeriss v1", "processing_latency")]
    assert len(errors) == 6 and np.abs(errors).max() < 0.10


def test_every_published_cell_has_a_row_and_says_why_where_it_has_no_figure(table):
    assert len(table) > 350
    for cell in table:
        assert np.isfinite(cell.published) and cell.source
        assert np.isfinite(cell.simulated) or cell.remark == "not modelled"
    assert all(np.isfinite(quantiles).all() for quantiles in summary(table).values())


def test_row_stationary_is_never_faster_than_its_pes():
    rng = np.random.default_rng(0)
    rows_out, pixels, filters, channels = rng.integers(1, 60, size=(4, 4000))
    filter_rows, filter_cols = rng.integers(1, 12, size=(2, 4000))
    rows, cols = rng.integers(1, 20, size=(2, 4000))
    images, cores = rng.integers(1, 5, size=(2, 4000))
    planes = Planes(rows_out, pixels, filters, channels, filter_rows, filter_cols, images)
    cycles = row_stationary.cycles(planes, Arrays(rows, cols, cores))
    macs = rows_out * pixels * filters * channels * filter_rows * filter_cols * images
    assert (cycles * rows * cols * cores >= macs).all()
    active = row_stationary.active_pes(rows_out, filter_rows, rows, cols)
    assert (active <= rows * cols).all() and (active > 0).all()


def test_row_stationary_runs_every_phase_and_counts_its_bytes():
    trace = conv_trace(random_convolutions(np.random.default_rng(1), 6), batch=2)
    report = replay(trace, Design.grid(dataflow=["rs", "ideal"], rows=12, cols=14, residency=False))
    assert (report.op_s[0] >= report.op_s[1]).all()
    touched = np.bincount(trace.uses.op, trace.uses.bytes, len(trace))
    np.testing.assert_array_equal(report.dram_bytes[0], touched)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_design_file_loads_and_says_where_its_numbers_are_from(path):
    nominal, whole = Design.load(path.stem), Design.completions(path.stem)
    assert len(nominal) == 1 and len(whole) >= 1
    assert str(nominal.name[0]) == path.stem
    assert (nominal.macs_per_s > 0).all()
    text = path.read_text(encoding="utf-8")
    assert "source" in text or "http" in text


NEW_CHIP = """
from accel_model import Design, Trace, replay

TIMES = {"Abacus": "total_latency"}


def figures(rows, resnet50):
    report = replay(Trace.from_gemms(64, 64, 64), Design.grid(rows=8, cols=8))
    return {("Abacus", "GEMM", "whole", "1", "total_latency"): (report.step_s[0] * 1e3, "one product")}
"""


def test_a_family_of_chips_is_one_file_beside_its_published_rows(tmp_path):
    place = house(tmp_path) / "accel_model"
    (place / "chips" / "abacus.py").write_text(NEW_CHIP)
    published = place / "data" / "chips_published.csv"
    row = "Abacus,GEMM,whole,1,total_latency,2.5,ms,silicon,recalled,a paper,table 1,\n"
    published.write_text(published.read_text() + row)
    code = """
from accel_model.chips.errors import model_errors
from accel_model.chips.validation import cells
table = cells()
assert table[-1].chip == "Abacus" and table[-1].published == 2.5 and 0 < table[-1].simulated < 1, table[-1]
assert model_errors(table)[-1]["chip"] == "Abacus"
"""
    python(code, place.parent)


def test_a_published_chip_that_no_file_is_about_is_shown_as_not_modelled(tmp_path):
    place = house(tmp_path) / "accel_model"
    published = place / "data" / "chips_published.csv"
    row = "Abacus,GEMM,whole,1,total_latency,2.5,ms,silicon,recalled,a paper,table 1,\n"
    published.write_text(published.read_text() + row)
    code = """
from accel_model.chips.validation import cells
last = cells()[-1]
assert (last.chip, last.remark) == ("Abacus", "not modelled") and last.simulated != last.simulated, last
"""
    python(code, place.parent)
