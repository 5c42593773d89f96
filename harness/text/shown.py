"""How a text from outside (a name, a source) is written where people or programs read it: as itself, never obeyed.

One function for each place: the terminal and pages (`printable`, `shown`), errors (`message`), Markdown, CSV and names
of files.
"""

import re
from typing import Any

from accel_model.formats.shown import message, printable, quoted, shown

__all__ = [
    "LONGEST_SOURCE",
    "as_cell",
    "as_code",
    "as_file_name",
    "as_markdown_text",
    "message",
    "printable",
    "quoted",
    "shown",
]

LONGEST_SOURCE = 400  # characters of where a figure was published

MARKS = "\\`*_[]<>|"  # that Markdown would obey
FORMULA = "=+-@\t\r"  # that make a spreadsheet take a cell for a formula
FORMULA_WIDE = "＝＋－＠"  # the same in full width
NUMBER = re.compile(r"[+-]?(\d[\d,]*\.?\d*|\.\d+)([eE][+-]?\d+)?( ?%)?|[+-]?(inf|nan)")


def as_markdown_text(text: Any, but: str = "_") -> str:
    """`text` in one line that Markdown shows as it is, without HTML or links; the marks of `but` stay bare.

    An underscore is bare where nothing else is said: within a word, as in most names, Markdown does not obey it.
    """
    marks = {mark: f"\\{mark}" for mark in MARKS if mark not in but}
    return printable(" ".join(str(text).split())).translate(str.maketrans(marks))


def as_code(text: Any) -> str:
    """`text` in one line as code in Markdown, between more backticks than it has in a row."""
    text = printable(" ".join(str(text).split()))
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def as_cell(value: Any) -> Any:
    """A value as a cell of CSV: numbers as they are; a text that a spreadsheet would execute with an apostrophe before.

    That is one whose first character but spaces is one of = + - @, a tab or a carriage return, and that is no number.
    """
    if not isinstance(value, str):
        return value
    first = value.lstrip(" ")[:1]
    runs = first and first in FORMULA + FORMULA_WIDE and not NUMBER.fullmatch(value)
    return f"{chr(39) if runs else ''}{printable(value)}"


def as_file_name(text: Any) -> str:
    """`text` as a part of a file's name: letters, digits and any of . _ - only, at most a line."""
    return re.sub(r"[^\w.-]+", "_", printable(text)).lstrip(".")[:100] or "_"
