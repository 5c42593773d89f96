"""Texts from files as people are shown them: nothing that a terminal would obey, and no more than a line of a name."""

import re
import unicodedata
from typing import Any

LONGEST = 120  # characters of a name
LONGEST_QUOTE = 200  # characters of its input that an error repeats
LONGEST_MESSAGE = 3000  # characters of an error
LINES = 12  # of an error

_WORD = re.compile(rf"\S{{{LONGEST_QUOTE + 1},}}")
_QUOTED = re.compile(rf"(?<![^\s(\[{{=:,])(['\"])(.{{{LONGEST_QUOTE + 1},}}?)\1(?!\w)", re.DOTALL)


def printable(text: Any, keep: str = "") -> str:
    r"""`text` with an escape such as \x1b or \u202e for every character that is not seen, those of `keep` apart.

    Not seen are controls (C0, C1), marks that change the direction of text, line ends, surrogates without their other
    half, and what Unicode assigns to nothing; spaces of any width stay.
    """
    text = text if isinstance(text, str) else str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep or unicodedata.category(c) == "Zs" else _escape(c) for c in text)


def shown(text: Any, most: int = LONGEST) -> str:
    """`text` as `printable` gives it, with its middle left out where it has more than `most` characters."""
    return _cut(printable(_cut(text if isinstance(text, str) else str(text), most)), most)


def quoted(value: Any) -> str:
    """A value in an error: a text in quotes, anything else as Python writes it, at most about LONGEST_QUOTE long."""
    return f"'{shown(value, LONGEST_QUOTE)}'" if isinstance(value, str) else shown(repr(value), LONGEST_QUOTE)


def message(text: Any) -> str:
    """The text of an error: at most LINES lines, no word and nothing in quotes longer than LONGEST_QUOTE."""
    text = printable(_cut(text if isinstance(text, str) else str(text), LONGEST_MESSAGE), keep="\n")
    text = _QUOTED.sub(lambda found: f"{found[1]}{_cut(found[2], LONGEST_QUOTE)}{found[1]}", text)
    text = _WORD.sub(lambda found: _cut(found[0], LONGEST_QUOTE), text)
    return _cut("\n".join(text.split("\n")[:LINES]), LONGEST_MESSAGE)


def _escape(character):
    return character.encode("unicode_escape").decode()


def _cut(text, most):
    tail = most // 4
    return text if len(text) <= most else f"{text[: most - 3 - tail]}...{text[-tail:]}"
