"""Tables keep what matters where there is little room."""

from harness.text.table import Table, as_markdown, narrowed, shortened

WIDE = Table("t", ("name", "kind", "value"), (("a" * 30, "b" * 30, "1"), ("c", "d", "2")), "A note.", ("kind",))


def test_a_table_that_fits_is_left_as_it_is():
    assert narrowed(WIDE, 200) is WIDE


def test_spare_columns_go_first_and_are_named():
    narrow = narrowed(WIDE, 60)
    assert narrow.columns == ("name", "value")
    assert narrow.rows == (("a" * 30, "1"), ("c", "2"))
    assert narrow.note == "A note. Left out for want of width: kind."


def test_columns_that_matter_stay_however_narrow_it_is():
    assert narrowed(WIDE, 5).columns == ("name", "value")


def test_a_shortened_table_keeps_its_first_and_last_rows_and_says_so():
    table = Table("t", ("n",), tuple((str(n),) for n in range(100)))
    short = shortened(table, 7)
    assert len(short.rows) == 7
    assert (short.rows[0], short.rows[-1]) == (("0",), ("99",))
    assert "7 of 100 rows" in short.note
    assert shortened(short, 7) is short


def test_markdown_escapes_the_bars_of_cells():
    assert "a\\|b" in as_markdown(Table("t", ("n",), (("a|b",),)))
