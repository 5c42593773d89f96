"""Rewrite the tables and numbers of README and docs from the recorded data: python docs/figures/write.py

A table or list stands between `<!-- figures:NAME -->` and `<!-- /figures -->`, each on a line of its own; a number in a
sentence between `<!-- figure:NAME -->` and `<!-- /figure -->`. generators.py has what each NAME stands for.
"""

import re
import sys
from pathlib import Path

import generators

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(<!-- figures:([a-z][a-z0-9_.]*) -->\n)(.*?)(\n<!-- /figures -->)", re.DOTALL)
INLINE = re.compile(r"(<!-- figure:([a-z][a-z0-9_.]*) -->)(.*?)(<!-- /figure -->)", re.DOTALL)


def pages():
    """README and every page of docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def rewritten(text):
    """A page's text with every figure as the data have it; raises KeyError for a marker without a generator."""
    text = BLOCK.sub(lambda match: f"{match[1]}\n{generators.BLOCKS[match[2]]()}\n{match[4]}", text)
    return INLINE.sub(lambda match: f"{match[1]}{generators.INLINE[match[2]]()}{match[4]}", text)


def main():
    """Rewrite every page whose figures differ from the data, and say which."""
    for page in pages():
        before = page.read_text()
        if (after := rewritten(before)) != before:
            page.write_text(after)
            sys.stdout.write(f"{page.relative_to(ROOT)} is rewritten\n")


if __name__ == "__main__":
    main()
