"""The report's content in order: sections of paragraphs, tables and pictures that the page and Markdown show alike."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from harness.flows.claim_map.values import ClaimMap
from harness.report import words
from harness.report.claim_map import glossary
from harness.report.claim_map import tables as of
from harness.report.claim_map.answers import WORDS
from harness.report.claim_map.modes import explanation, modes_table
from harness.report.pictures import gallery
from harness.report.pictures.canvas import Picture
from harness.report.selection import workloads
from harness.text.table import Table
from harness.text.units import digits, percent

SECTIONS = {  # place in the page: (order, title); a file of harness/report/pictures may add one
    "map": (10, "The claim map"),
    "completions": (20, "Best, median and worst completion"),
    "sensitivity": (30, "Which open values decide"),
    "layers": (40, "Measured and simulated, layer by layer"),
    "time": (50, "Where the time goes"),
    "roofline": (60, "Roofline, every op"),
    "breakeven": (70, "What it would take"),
    "modes": (80, "Small models: launches or arithmetic?"),
    "energy": (90, "Energy"),
    "assumptions": (100, "What is compared, and what is assumed"),
    "failures": (110, "What could not be done"),
    "cells": (120, "Every cell"),
    "sources": (130, "Sources of every baseline"),
    "words": (140, "Words"),
    "reproduce": (150, "Versions and command"),
}
LEGEND = {**WORDS, "context": "context: the claim does not speak of it, or no claim can rest on it"}


@dataclass(frozen=True)
class Block:
    """One piece of a section: a paragraph, a heading, a list, a table or a picture."""

    text: str = ""
    heading: str = ""
    anchor: str = ""  # the heading's place in the page, where texts link to it
    items: tuple[str, ...] = ()
    table: Table | None = None
    picture: Picture | None = None


@dataclass(frozen=True)
class Section:
    """A part of the report under one title."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def sections(claim_map: ClaimMap, command: str, versions: dict[str, str]) -> list[Section]:
    """The Sections of a report in order, without those that have nothing to show: pictures, then words and tables."""
    titles, blocks = dict(SECTIONS), _opening(claim_map)
    for slot, pictures in gallery.found(claim_map):
        titles.setdefault(slot.section, (slot.order, slot.title))
        blocks.setdefault(slot.section, []).extend(_pictured(slot, pictures))
    for anchor, more in _written(claim_map, command, versions).items():
        blocks.setdefault(anchor, []).extend(more)
    ordered = sorted(titles, key=lambda anchor: titles[anchor][0])
    return [Section(anchor, titles[anchor][1], tuple(blocks[anchor])) for anchor in ordered if blocks.get(anchor)]


def _opening(claim_map):
    """{place: Blocks} of what stands above a section's pictures."""
    return {"map": _tables(of.counts_table(claim_map))}


def _pictured(slot, pictures):
    """The Blocks of one file's Pictures."""
    blocks = [Block(text=slot.text)] if slot.text and pictures else []
    for picture in pictures:
        blocks += [Block(heading=picture.heading)] if picture.heading else []
        blocks.append(Block(picture=picture))
        blocks += [Block(text=picture.note)] if picture.note else []
    return blocks


def _written(claim_map, command, versions):
    """{place: Blocks} of the paragraphs, lists and tables, below a section's pictures."""
    names = workloads(claim_map)
    nothing = [] if claim_map.cells else [Block(text="No baseline was compared, so there is no cell to show.")]
    launches = [Block(text=line) for line in explanation(claim_map)]
    open_values = of.open_table(claim_map), of.sensitivity_table(claim_map), of.parity_table(claim_map)
    return {
        "map": nothing,
        "completions": _tables(of.some_table(claim_map), of.steps_table(claim_map)),
        "sensitivity": _tables(*open_values),
        "layers": _tables(of.layers_table(claim_map)),
        "breakeven": _tables(*(of.breakeven_table(claim_map, name) for name in names)),
        "modes": [*launches, *_tables(modes_table(claim_map))],
        "energy": _tables(of.energy_table(claim_map)),
        "assumptions": [*template("assumptions.md"), *_model_error(claim_map)],
        "failures": _tables(of.failures_table(claim_map)),
        "cells": _cells(claim_map),
        "sources": _tables(of.sources_table(claim_map)),
        "words": [block for term in glossary.terms() for block in _term(term)],
        "reproduce": _reproduce(command, versions),
    }


def _tables(*tables):
    """A Block for each Table that has rows."""
    return [Block(table=table) for table in tables if table.rows]


def _model_error(claim_map):
    error = claim_map.model_error
    text = (
        f"A simulated time stands for {digits(error.low, 3)} to {digits(error.high, 3)} times itself "
        f"({percent(error.low - 1)} to {percent(error.high - 1)}): {error.basis}."
    )
    return [Block(heading="How wrong the model is"), Block(text=text), *_tables(of.error_table(claim_map))]


def template(name: str) -> list[Block]:
    """The Blocks of a Markdown file in the folder of templates: headings and lists."""
    text = files("harness.report.claim_map").joinpath("templates", name).read_text(encoding="utf-8")
    blocks, items = [], []
    for line in [*text.splitlines(), "### "]:
        if line.startswith("- "):
            items.append(line[2:])
        elif line.startswith("  ") and items:
            items[-1] += f" {line.strip()}"
        elif line.startswith("### "):
            blocks += [Block(items=tuple(items))] if items else []
            blocks += [Block(heading=line[4:])] if line[4:] else []
            items = []
    return blocks


def _term(term):
    return [Block(heading=term.heading, anchor=term.anchor), Block(text=term.meaning)]


def _cells(claim_map):
    """Every cell by workload, with what the kinds of baseline mean."""
    kinds = {cell.baseline.kind for cell in claim_map.cells}
    items = tuple(words.KINDS[kind] for kind in words.KINDS if kind in kinds)
    text = "The file cells.csv beside this report holds the same cells with every number in full."
    rows = _tables(*(of.cells_table(claim_map, workload) for workload in workloads(claim_map)))
    return [Block(text=text), Block(items=items), *rows] if rows else []


def _reproduce(command, versions):
    rows = tuple((str(name), str(version)) for name, version in versions.items())
    text = "The command that makes this report again:"
    return [Block(text=text), Block(table=Table("Versions", ("package", "version"), rows), items=(command,))]
