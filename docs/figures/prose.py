"""Which numbers a page has in its prose that no generator wrote: each must be a listed constant (constants.csv).

A number counts where it has a unit, a percent sign or an x behind it, or four digits and more. Code, addresses of
links, numbered formulas and what stands between markers do not count.
"""

import csv
import re
from pathlib import Path

from write import BLOCK, INLINE, ROOT, pages

CONSTANTS = Path(__file__).resolve().parent / "constants.csv"
UNITS = (
    r"%|x\b|[GMTk]?Hz\b|[GMKk]i?B(?:/s)?\b|B/s\b|[munpµ]?s\b|[munpµ]?J\b|W\b|mm²|"
    r"[GMT]?MACs?(?:/s| units)?\b|[GT]?FLOPS?\b|"
    r"(?:million|times|seconds|minutes|hours|designs|completions|samples/s|images/s)\b|"
    r"(?:measurements|variants|shapes|comparisons|cells)\b"
)
NUMBER = re.compile(
    rf"(?<![\w.,/])[+-]?\d[\d,]*(?:\.\d+)?(?: ?(?:{UNITS}))|(?<![\w.,/-])(?:\d{{4,}}|\d{{1,3}}(?:,\d{{3}})+)(?![\w])"
)
LEFT_OUT = (
    re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE),
    re.compile(r"`[^`]*`"),
    re.compile(r"\]\([^)]*\)"),
    re.compile(r"^\*\*\(\d+\)\*\*.*?(?:\n\n|\Z)", re.DOTALL | re.MULTILINE),  # a numbered formula
    BLOCK,
    INLINE,
)
INCLUDE = re.compile(r'^--8<-- "(.*)"$', re.MULTILINE)


def texts():
    """{path from the root: text} of every page and of every file that a page includes."""
    found = {page.relative_to(ROOT).as_posix(): page.read_text() for page in pages()}
    included = [name for text in found.values() for name in INCLUDE.findall(text)]
    return found | {name: (ROOT / name).read_text() for name in included}


def numbers(text):
    """The numbers of a page's prose, as they are written, in order."""
    for pattern in LEFT_OUT:
        text = pattern.sub(" ", text)
    return [match[0].strip() for match in NUMBER.finditer(" ".join(text.split()))]


def constants():
    """{(page, number): reason} of the numbers that are no results."""
    with CONSTANTS.open(newline="") as file:
        return {(row["page"], row["number"]): row["reason"] for row in csv.DictReader(file)}
