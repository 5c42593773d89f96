"""The report: every number is the ClaimMap's, nothing in it can act or load, and its files are whole or not there."""

import csv
import io
import math
import re
from dataclasses import replace

import pytest

from accel_model.formats import atomic
from harness.judging.claims import contradiction
from harness.report import words
from harness.report.claim_map import page
from harness.report.claim_map.answers import answers, by_kind, headline
from harness.report.claim_map.cells import cells_csv
from harness.report.claim_map.modes import explanation
from harness.report.claim_map.page import write
from harness.report.claim_map.tables import tables
from harness.report.panels import panels
from harness.settings.errors import OutputError
from harness.text.shown import as_markdown_text
from harness.text.table import as_markdown
from tests.helpers import claim_maps
from tests.helpers.page import Page

LOADS = {"src", "srcset", "href", "action", "data", "poster", "background", "style"}


def test_every_number_of_the_cells_file_is_the_claim_map_s(small, written):
    rows = list(csv.DictReader(io.StringIO((written / "cells.csv").read_text())))
    expected = [(cell, index) for cell in small.cells for index in range(len(cell.verdicts))]
    assert len(rows) == len(expected) > 0
    for row, (cell, index) in zip(rows, expected, strict=True):
        one, step, verdict = cell.baseline, cell.step, cell.verdicts[index]
        for name, values in (("measured", cell.measured_s), ("simulated", cell.simulated_s)):
            assert [float(row[f"{name}{end}_s"]) for end in ("_low", "", "_high")] == list(values)
        assert [float(row[f"speedup{end}"]) for end in ("_low", "", "_high")] == list(cell.speedup)
        assert [float(row[f"nominal_value{end}"]) for end in ("_low", "", "_high")] == list(verdict.nominal.value)
        for name in ("nominal", "best", "median", "worst"):
            completion = getattr(verdict, name)
            assert float(row[f"{name}_completion_s"]) == completion.step_s
            assert float(row[f"{name}_completion_value"]) == completion.value[1]
        assert {name: int(row[f"completions_{name}"]) for name in verdict.counts} == verdict.counts
        assert float(row["threshold"]) == verdict.threshold and float(row["ceiling"]) == verdict.ceiling
        assert float(row["step_floor_s"]) == step.floor_s and float(row["step_nominal_s"]) == step.nominal_s
        assert int(row["step_macs"]) == step.macs and int(row["batch_size"]) == step.batch_size
        assert float(row["simulated_energy_j"]) == step.energy_j
        measured_j = float(row["measured_energy_j"])
        assert measured_j == one.energy_j or (math.isnan(measured_j) and math.isnan(one.energy_j))
        for name, answer in cell.break_even[index].items():
            value = float(row[f"break_even_{name}"])
            assert value == answer.value or (math.isnan(value) and math.isnan(answer.value))
            assert row[f"break_even_{name}_why"] == answer.why
        texts = (row["device"], row["claim"], row["workload"], row["verdict"], row["why_context"], row["source"])
        assert texts == (one.device, verdict.claim, step.workload, words.key_of(verdict), verdict.scope, one.source)


def test_the_page_holds_no_markup_of_its_values_and_loads_nothing(written):
    text = (written / "report.html").read_text()
    parsed = Page(text)
    assert not parsed.open
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "base", "svg"}
    assert claim_maps.HOSTILE in "".join(parsed.text)
    assert "<script" not in text
    for tag, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in LOADS & set(attributes):
            value = attributes[name]
            allowed = value.startswith("data:image/png;base64,") or re.fullmatch(r"#[a-z-]+", value)
            assert allowed or ((tag, name) == ("span", "style") and re.fullmatch(r"flex: \d+", value))
    style = "".join(re.findall(r"<style>.*?</style>", text, re.S))
    assert "url(" not in style and "@import" not in style and "<script" not in style


def test_the_page_fits_in_a_mail(written):
    assert (written / "report.html").stat().st_size < 8e6


def test_every_link_within_the_page_has_its_place(written):
    tags = Page((written / "report.html").read_text()).tags
    places = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(places) == len(set(places))
    assert {attributes["href"][1:] for tag, attributes in tags if tag == "a"} == set(places)


def test_every_cell_stands_in_the_map_and_in_the_tables(small, written):
    text = "".join(Page((written / "report.html").read_text()).text)
    shown = sum(len(panel.cells) for panel in panels(small))
    assert shown == len(small.cells)
    rows = [row for table in tables(small) if table.title.endswith(": every baseline") for row in table.rows]
    assert len(rows) == len(small.cells)
    for cell in small.cells:
        assert words.device(cell.baseline) in text


def test_markdown_tables_have_as_many_cells_in_every_row(small, written):
    lines = (written / "report.md").read_text().splitlines()
    assert sum(line.startswith("| ---") for line in lines) == len(tables(small)) + 1  # and the versions
    width = 0
    for line in lines:
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        if cells and width:
            assert cells == width, line
        width = cells
    assert not re.search(r"(?<!\\)<script", "\n".join(lines))


def test_markdown_points_to_pictures_that_are_there(written):
    names = re.findall(r"\]\((pictures/[^)]+)\)", (written / "report.md").read_text())
    assert names and all((written / name).is_file() for name in names)
    assert sorted({path.stem for path in (written / "pictures").iterdir()}) == sorted(
        name[len("pictures/") : -len(".png")] for name in names
    )


def test_page_and_markdown_say_the_same(small, written):
    shown = "".join(Page((written / "report.html").read_text()).text)
    markdown = (written / "report.md").read_text()
    for answer in answers(small):
        assert answer.short in shown and answer.short in markdown
    for table in tables(small):
        assert table.title in shown and as_markdown_text(table.title, "|") in markdown
    for line in explanation(small):
        assert line in shown


def test_the_answer_counts_every_verdict_that_decides_once(small):
    for index, answer in enumerate(answers(small)):
        deciding = [cell.verdicts[index] for cell in small.cells if cell.verdicts[index].decides]
        assert answer.total == len(deciding)
        assert answer.counts["impossible"] == sum(v.outcome == "none" and v.impossible for v in deciding)
        assert sum(sum(counts.values()) for counts in by_kind(small, index).values()) == answer.total
        assert any(str(answer.total) in line and answer.claim in line for line in headline(small))
    assert contradiction(small.claims) in headline(small)


@pytest.fixture
def unpainted(monkeypatch):
    """Pictures are not drawn, which takes most of the time of a report."""
    blank = "data:image/png;base64,"
    monkeypatch.setattr(page, "render", lambda block: page.Rendered(b"png", b"svg", blank, blank))


def test_an_interrupted_write_leaves_the_old_report(unpainted, tmp_path, monkeypatch):
    few = claim_maps.one_cell()
    write(few, tmp_path, "first", {})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def refuses(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "replace", refuses)
    with pytest.raises(OutputError, match="No space left"):
        write(few, tmp_path, "second", {})
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_map_without_cells_says_so(tmp_path):
    nothing = claim_maps.empty()
    path = write(nothing, tmp_path, "halfstep task=claims", {})
    assert "No baseline was compared" in "".join(Page(path.read_text()).text)
    assert all("no verdict" in line for line in headline(nothing)[:2])
    assert (tmp_path / "cells.csv").read_text() == "workload\n" == cells_csv(nothing)


def test_the_same_map_gives_the_same_bytes(unpainted, tmp_path):
    for name in ("a", "b"):
        write(claim_maps.one_cell(), tmp_path / name, "halfstep task=claims", {"python": "3.11"})
    files = [sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("a", "b")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


def test_a_table_of_the_report_is_one_that_markdown_can_hold(small):
    for table in tables(small):
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert "\n\n\n" not in as_markdown(table)


def test_modes_are_explained_only_where_cells_show_them(small):
    text = " ".join(explanation(small))
    assert "H200 141GB" in text and "mnist_lenet5" in text
    plain = [cell for cell in small.cells if cell.baseline.mode != "graphs"]
    assert explanation(replace(small, cells=tuple(plain))) == []
