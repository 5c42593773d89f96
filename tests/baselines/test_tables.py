"""Commented CSV tables: every row keeps its line, a fault is told by file, line and column, units come from names."""

import math

import pytest

from baselines.errors import FileError
from baselines.tables import DATA, MAX_BYTES, UNITS, number, read_csv, read_table, unit_of


@pytest.fixture
def write(tmp_path):
    def to_file(content):
        path = tmp_path / "some.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to_file


def test_rows_keep_their_line_wherever_comments_stand(write):
    table = read_csv(write('# one\na,b\n1,2\n# two\n# three\n3,"two\nlines"\n# four\n5,6\n'))
    assert table.head == ("a", "b")
    assert [(row["a"], row["line"]) for row in table.rows] == [("1", 3), ("3", 7), ("5", 9)]  # the line that ends a row


def test_every_shipped_table_is_read_and_its_rows_stand_where_they_say():
    paths = sorted(DATA.glob("*.csv"))
    assert len(paths) >= 8
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        table = read_csv(path)
        assert table.rows
        for row in table.rows:
            assert row[table.head[0]].strip('"') in lines[row["line"] - 1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\n1\n", "lacks the columns b"),
        ("", "lacks the columns a, b"),
        ("# only a comment\n", "lacks the columns a, b"),
        ("a,b\n1,2\n# no\n1\n", r"line 4: the row has another number of cells"),
        ("a,b\n1,2,3\n", r"line 2: the row has another number of cells"),
        (b"a,b\n\xff,2\n", "no CSV table in UTF-8"),
        ('a,b\n"unclosed', "no CSV table"),
        (b"x" * (MAX_BYTES + 1), "larger than 16 MiB"),
    ],
)
def test_a_broken_table_is_one_error_that_names_the_file(write, content, said):
    with pytest.raises(FileError, match=rf"some\.csv.*{said}"):
        read_table(write(content), ("a", "b"))


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileError, match=r"none\.csv cannot be read"):
        read_csv(tmp_path / "none.csv")


def test_a_number_is_in_the_unit_that_its_column_s_name_ends_in():
    """SI prefixes: T = 10^12, G = 10^9, M = 10^6; memory sizes are binary, GB = 2^30 bytes and MB = 2^20."""
    units = {"tflops": 10**12, "mhz": 10**6, "gbs": 10**9, "gb": 1024**3, "mb": 1024**2, "w": 1}
    assert units == UNITS
    for unit, factor in units.items():
        assert number({"line": 1, f"some_{unit}": "2.5"}, f"some_{unit}", "t.csv") == 2.5 * factor
    for plain in ("year", "batch_size", "images_per_s", "mb_of_all"):
        assert unit_of(plain) == 1


@pytest.mark.parametrize("text", ["fast", "", "nan", "inf", "-inf", "1,5"])
def test_a_cell_without_a_number_is_told_by_file_line_and_column(text):
    with pytest.raises(FileError, match=r"t\.csv, line 7, column clock_mhz: "):
        number({"line": 7, "clock_mhz": text}, "clock_mhz", "t.csv")
    with pytest.raises(FileError, match=r"line 7, column bits: '-1': .* above 0"):
        number({"line": 7, "bits": "-1"}, "bits", "t.csv", above=0)
    assert math.isnan(number({"line": 7, "clock_mhz": ""}, "clock_mhz", "t.csv", empty=math.nan))
