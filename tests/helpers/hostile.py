"""Names that a terminal, a page, a spreadsheet or a picture would obey, and what is asked of texts that hold them."""

import unicodedata
from dataclasses import replace

import numpy as np

from accel_model import Trace

NAMES = {
    "markup": "[red]warm[/red]",
    "an end of markup": "x[/bold]",
    "a link": "[link=http://example.org/bad]here[/link]",
    "an emoji code": ":warning: name",
    "a colour": "a\x1b[31mred\x1b[0m",
    "a title": "\x1b]0;own\x07",
    "an 8-bit control": "a\x9b31mb",
    "an override": "abc\u202etxt.exe",
    "an isolate": "\u2066x\u2069",
    "a line end": "one\nerror: two",
    "a return": "one\rtwo",
    "a line separator": "one\u2028two",
    "a tab": "\t=1+1",
    "a NUL": "a\0b",
    "half a pair": "a\ud800b\udfff",
    "a formula": '=HYPERLINK("http://example.org/bad","x")',
    "a formula behind spaces": "  =1+1",
    "a sum": "+1+cmd|' /C calc'!A0",
    "a difference": "-2+3",
    "an at": "@SUM(1,2)",
    "a wide formula": "＝1+1",
    "a script": "<script>alert(1)</script>",
    "an image": "<img src=x onerror=alert(1)>",
    "Markdown": "[a](http://example.org/bad) ![b](x.png) `c` **d**",
    "an artifact": "](artifact:report.html)",
    "bars": "a|b\\|c",
    "backticks": "a``b`",
    "mathematics": r"$\frac{1}{0}$ and \$ $",
    "half a formula": "5 $ and $",
    "XML": "a -- b --> ]]> & <b>",
    "a path": "../../../x",
    "letters": "n" * 10_000,
    "words": "word " * 2000,
}


def is_seen(text, keep="\n"):
    """Whether a terminal or a page shows every character of `text` and obeys none."""
    return all(c.isprintable() or c in keep or unicodedata.category(c) == "Zs" for c in text)


def trace(name):
    """A Trace whose layers, ops and metadata are called `name`."""
    bare = Trace.from_gemms([4, 8], [4, 8], [4, 8])
    ops = replace(bare.ops, layer=np.array([1, 0], dtype=np.int32), name=np.array([1, 1], dtype=np.int32))
    meta = {"workload": name, "batch_size": 4, "precision": "fp32", name: name}
    return replace(bare, ops=ops, layers=("", name), names=("", name), uncounted={name: (1, 10)}, meta=meta)
