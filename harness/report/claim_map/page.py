"""The report's files: one self-contained HTML page, the same in Markdown, the pictures and every cell as CSV."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.flows.claim_map.values import ClaimMap
from harness.report.claim_map.answers import CLASSES, WORDS, answers, headline, remarks, sentence
from harness.report.claim_map.cells import cells_csv
from harness.report.claim_map.glossary import linker, terms
from harness.report.claim_map.sections import LEGEND, Block, Section, sections
from harness.report.pictures.canvas import DARK, LIGHT, MARKS, drawn, png, svg
from harness.store.files import write as write_file
from harness.text.shown import as_file_name, as_markdown_text, printable, shown
from harness.text.table import as_markdown
from harness.text.units import quantity, with_unit

FEW = 8  # pictures that are not worth a process
PICTURES = "pictures"  # the folder beside the report
WIDE = 13  # columns from which a table is printed on a page across
NUMBER = re.compile(r"[-+−<]?[\d.,]+([eE][-+]?\d+)?( ?(%|x|ms|s))?$")


@dataclass(frozen=True)
class Rendered:
    """The bytes of a picture: files for the folder, and an address that holds it in each theme."""

    png: bytes
    svg: bytes
    light: str
    dark: str


def write(claim_map: ClaimMap, folder: Path | str, command: str, versions: dict[str, str]) -> Path:
    """Write report.html, report.md, cells.csv and the pictures (PNG and SVG) into `folder`, each atomically.

    The report's own files go last, so that what they point to is there. command: that makes the report again.
    versions: {package: version}. Returns the Path of report.html. Raises OutputError where the disk refuses.
    """
    folder = Path(folder)
    content = sections(claim_map, command, versions)
    blocks = [block for part in content for block in part.blocks if block.picture]
    rendered = dict(zip((block.picture.name for block in blocks), rendered_all(blocks), strict=True))
    for name, files in rendered.items():
        write_file(folder / PICTURES / f"{as_file_name(name)}.png", files.png)
        write_file(folder / PICTURES / f"{as_file_name(name)}.svg", files.svg)
    write_file(folder / "cells.csv", cells_csv(claim_map))
    write_file(folder / "report.md", as_text(claim_map, content, command))
    write_file(folder / "report.html", as_html(claim_map, content, rendered))
    return folder / "report.html"


def rendered_all(blocks: list[Block]) -> list[Rendered]:
    """The Rendered of each Block's picture, in processes of their own where there are many: each takes a second."""
    workers = min(os.cpu_count() or 1, len(blocks) // FEW)
    if workers < 2:
        return [render(block) for block in blocks]
    from joblib import Parallel, delayed

    return Parallel(n_jobs=workers)(delayed(render)(block) for block in blocks)


def render(block: Block) -> Rendered:
    """The Rendered of a Block's Picture; a dark one is not drawn where the page shows a panel instead."""
    light, vectors = drawn(block.picture, LIGHT, png, svg)
    dark = light if block.picture.panel else drawn(block.picture, DARK, png)[0]
    return Rendered(light, vectors, address(light), address(dark))


def address(data: bytes) -> str:
    """A data: address that holds PNG bytes."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def as_html(claim_map: ClaimMap, content: list[Section], rendered: dict[str, Rendered]) -> str:
    """The page as text; every value is escaped by the template, and written out where it is not seen."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("harness.report.claim_map"),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else printable(value, keep="\n"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["number"] = lambda text: bool(NUMBER.match(text))
    return environment.get_template("report.html.j2").render(
        map=claim_map,
        design=facts(claim_map),
        answers=answers(claim_map),
        sentence=sentence,
        remarks=remarks(claim_map),
        sections=content,
        rendered=rendered,
        themes=(LIGHT, DARK),
        classes=CLASSES,
        words=WORDS,
        marks=MARKS,
        legend=LEGEND,
        wide=WIDE,
        linker=partial(linker, terms()),
    )


def facts(claim_map: ClaimMap) -> str:
    """What is stated of the nominal design, in words."""
    design = claim_map.design
    return (
        f"{int(design.pes[0]):,} multiply-accumulate (MAC) units, "
        f"{quantity('clock_hz', float(design.clock_hz[0]))}, "
        f"{with_unit('dram_bytes_per_s', float(design.dram_bytes_per_s[0]))} of memory bandwidth"
    )


def as_text(claim_map: ClaimMap, content: list[Section], command: str) -> str:
    """The report as Markdown, pictures as links to the files beside it."""
    escape, name = partial(as_markdown_text, but=""), as_markdown_text(shown(claim_map.accelerator), but="")
    lines = [f"# Does the accelerator {name} keep its claims?", ""]
    lines += [f"{facts(claim_map)}; {claim_map.completions:,} completions of what nobody states.", ""]
    lines += [
        f"- *{escape(one.statement)}* {as_markdown_text(one.claim)}: **{one.short}**." for one in answers(claim_map)
    ]
    lines += ["", *(f"- {escape(line)}" for line in headline(claim_map))]
    for section in content:
        lines += ["", f"## {section.title}"]
        for block in section.blocks:
            lines += ["", *_block(block)]
    return "\n".join([*lines, ""])


def _block(block):
    escape = partial(as_markdown_text, but="")
    lines = [f"### {escape(block.heading)}"] if block.heading else []
    lines += [escape(block.text)] if block.text else []
    lines += [f"- {escape(item)}" for item in block.items]
    if block.picture:
        lines.append(f"![{escape(block.picture.alt)}]({PICTURES}/{as_file_name(block.picture.name)}.png)")
    if block.table:
        lines += ([""] if lines else []) + [as_markdown(block.table, but="").lstrip("\n").replace("## ", "### ", 1)]
    return lines
