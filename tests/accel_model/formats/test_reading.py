"""Tables: what is read is what stands there, and a file that is no table is refused with its place."""

import pytest

from accel_model.errors import AccelModelError
from accel_model.formats import reading
from accel_model.formats.reading import read_table

HEAD = "# a comment\nname,value\n"


def table(tmp_path, data):
    path = tmp_path / "table.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_rows_are_texts_by_column_and_comments_are_left_out(tmp_path):
    path = table(tmp_path, HEAD + '# another\r\na,"1, or\n2"\n#b,3\nc,\n')
    assert read_table(path, ("name", "value")) == [{"name": "a", "value": "1, or\n2"}, {"name": "c", "value": ""}]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (HEAD + "a,1\n# more\nb\n# end\n", "line 5: the row has more or fewer cells"),
        (HEAD + "a,1,2\n", "line 3: the row has more or fewer cells"),
        ("# c\nname\na\n", "lacks the column value"),
        ("name,value,value\na,1,2\n", "lacks the column value"),
        ("", "lacks the column name"),
        (b"name,value\na,\xff\n", "line 2: is not text in UTF-8"),
        (HEAD + 'a,"1"2"\n', "line 3: is no CSV"),
        (HEAD + 'a,"1\n', "line 3: is no CSV"),
    ],
)
def test_a_broken_table_is_refused_with_its_place(tmp_path, data, says):
    path = table(tmp_path, data)
    with pytest.raises(AccelModelError, match=says) as error:
        read_table(path, ("name", "value"))
    assert str(path) in str(error.value)


def test_a_table_that_is_missing_or_too_large_is_refused(tmp_path, monkeypatch):
    with pytest.raises(AccelModelError, match="cannot read"):
        read_table(tmp_path / "nothing.csv", ("name",))
    monkeypatch.setattr(reading, "LARGEST_FILE", 10)
    with pytest.raises(AccelModelError, match="larger than 10 bytes"):
        read_table(table(tmp_path, HEAD), ("name",))
