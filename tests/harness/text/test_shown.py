"""A text from outside is shown as itself: every way of writing it is tried with names that something would obey."""

import csv
import io
import re

import pytest

from harness.text.shown import as_cell, as_code, as_file_name, as_markdown_text, message, printable, shown
from harness.text.table import Table, as_csv, as_markdown
from tests.helpers.hostile import NAMES, is_seen

hostile = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
ORDINARY = (
    "resnet50",
    "layer1.0.conv2",
    "NVIDIA H100 80GB HBM3",
    "µ-controller (2017)",
    "显卡",
    "a_b-c.d",
    "3 × 4 → 5 ✓",
)


@hostile
def test_what_is_shown_is_seen_and_no_more_than_a_line(name):
    assert is_seen(shown(name), keep="") and is_seen(printable(name), keep="")
    assert len(shown(name)) <= 120
    assert is_seen(printable(name, keep="\n")) and printable(name, keep="\n").count("\n") == name.count("\n")
    name.encode(errors="replace"), printable(name).encode()


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_name_is_left_as_it_is(name):
    assert shown(name) == printable(name) == as_cell(name) == message(name) == name
    assert as_markdown_text(name) == name


def test_what_is_not_seen_is_told_apart():
    assert printable("\x1b[0m") != printable("\x1b[1m") and printable("a\u202eb") == "a\\u202eb"
    assert shown("x" * 500).startswith("xxx") and "..." in shown("x" * 500)


@hostile
def test_markdown_shows_it_and_holds_no_more_cells_links_or_tags(name):
    lines = as_markdown(Table(name, (name, "value"), ((name, "1"),), name)).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3 and all(len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3 for row in rows)
    text = "\n".join(lines)
    assert is_seen(text) and not re.search(r"(?<!\\)(?:\\\\)*[<`*]|(?<!\\)(?:\\\\)*\]\(", text)


@hostile
def test_code_in_markdown_is_not_left(name):
    code = as_code(name)
    fence = re.match("`+", code)[0]
    assert code.endswith(fence) and fence not in code[len(fence) : -len(fence)] and is_seen(code, keep="")


@hostile
def test_no_text_of_csv_is_a_formula_and_every_row_is_a_line(name):
    text = as_csv(("name", name), [{"name": name, name: 1}])
    assert text.count("\n") == 2 and is_seen(text)
    for cell in (cell for row in csv.reader(io.StringIO(text)) for cell in row):
        assert cell.lstrip(" ")[:1] not in tuple("=+-@＝＋－＠\t\r")


@pytest.mark.parametrize("value", [-1, 1.5e-7, float("-inf"), True, None, "-12.5", "+50 %", "-1e-9", "1,234"])
def test_numbers_of_csv_stay_numbers(value):
    assert as_cell(value) == value


@hostile
def test_a_file_s_name_is_no_path(name):
    made = as_file_name(name)
    assert made and not set(made) & set('/\\:\0"<>|') and not made.startswith(".") and len(made.encode()) < 255


@hostile
def test_an_error_repeats_no_more_than_some_200_letters_of_its_input(name):
    for text in (f"layer {name!r} is none: give one", f"layer '{name}' is none: give one", f"no {name}"):
        told = message(text)
        assert is_seen(told) and len(told.splitlines()) <= 12
    assert len(message(f"the name {name!r} is none: give another")) < 260
    assert message(f"the name {name!r} is none: give another").endswith("give another")
