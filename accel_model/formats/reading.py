"""Small text files and commented CSV tables, read up to a bound, with errors that name file and line."""

import csv
import io
import os
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from accel_model.errors import AccelModelError
from accel_model.formats.shown import quoted

PACKAGE = Path(__file__).parents[1]
LARGEST_FILE = 64 * 2**20  # bytes
MOST_LINES, MOST_COLUMNS = 200_000, 500  # of a table
WHOLE = re.compile(r"\+?[0-9]+(_[0-9]+)*")


class TableError(AccelModelError):
    """A table is missing, damaged or lacks a column."""


def read_text(path: str | PathLike, error_type: type[AccelModelError] = TableError) -> str:
    """The text of the file at `path`.

    Raises error_type where it is missing, over 64 MiB, not text in UTF-8, or holds a NUL.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise error_type(f"cannot read {path}: {error.strerror or error}") from None
    if len(data) > LARGEST_FILE:
        raise error_type(f"{path} is larger than {LARGEST_FILE} bytes: give a smaller file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise error_type(f"{path}, line {line}: is not text in UTF-8: save it as such") from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise error_type(f"{path}, line {line}: holds a NUL, which no text has: save it as text")
    return text


def limit_of(given: int | None, variable: str, default: int, error_type: type[AccelModelError] = TableError) -> int:
    """The limit `given`, or else that of the environment variable called `variable`, or else `default`.

    Raises error_type for one that is no whole number above 0.
    """
    value = os.environ.get(variable, default) if given is None else given
    try:
        limit = int(value)
    except (TypeError, ValueError, OverflowError):
        limit = 0
    if limit < 1 or isinstance(value, bool):
        raise error_type(f"the limit {variable} is {quoted(value)}: give a whole number above 0, e.g. {default}")
    return limit


def whole_number(text: str, most_digits: int = 15) -> int | None:
    """The whole number above 0 in a text, as Python's int() reads it, or None."""
    digits = text.strip().removeprefix("+").replace("_", "")
    written = WHOLE.fullmatch(text.strip())
    return int(digits) if written and len(digits) <= most_digits and int(digits) > 0 else None


def read_table(path: str | PathLike, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file as a list of {column: text}; lines that start with # are comments.

    path: of the file; one that is not absolute is of this package. columns: names that its head line must have, each
    once. Raises TableError for a file that cannot be read, lacks a column, or has a row of more or fewer cells.
    """
    path = PACKAGE / path
    text = read_text(path)
    if text.count("\n") > MOST_LINES:
        raise TableError(f"{path} has more than {MOST_LINES:,} lines: give a table of published figures")
    lines = enumerate(io.StringIO(text, newline=""), 1)
    numbered = [(number, line) for number, line in lines if not line.startswith("#")]
    reader = csv.DictReader((line for _, line in numbered), strict=True)
    rows = []
    try:
        if len(reader.fieldnames or []) > MOST_COLUMNS:
            raise TableError(f"{path} has more than {MOST_COLUMNS} columns: give a table of published figures")
        if missing := [name for name in columns if (reader.fieldnames or []).count(name) != 1]:
            raise TableError(f"{path} lacks the column {missing[0]}: its head line must name it, once")
        for row in reader:
            if None in row or None in row.values():
                number = numbered[reader.line_num - 1][0]
                raise TableError(f"{path}, line {number}: the row has more or fewer cells than the head line")
            rows.append(row)
    except csv.Error as error:
        number = numbered[min(reader.line_num, len(numbered) - 1)][0]  # the line that broke off is not counted
        raise TableError(f"{path}, line {number}: is no CSV ({error})") from None
    return rows
