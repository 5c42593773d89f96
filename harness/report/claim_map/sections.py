"""The report's content in order: sections of paragraphs, tables and pictures that the page and Markdown show alike."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from harness.report import words
from harness.report.claim_map import tables as of
from harness.report.claim_map.answers import WORDS
from harness.report.claim_map.drawings import (
    breakeven_picture,
    completions_picture,
    energy_picture,
    heatmap_picture,
    layers_picture,
    roofline_picture,
    sensitivity_picture,
    time_pictures,
)
from harness.report.claim_map.modes import explanation, modes_table
from harness.report.claim_map.panels import Panel, panels
from harness.report.energies import energy_table
from harness.report.parity import parity_table
from harness.report.pictures.canvas import Picture
from harness.settings.metrics import percent
from harness.text.table import Table


@dataclass(frozen=True)
class Block:
    """One piece of a section: a paragraph, a heading, a list, a table or a picture; the page shows a panel instead."""

    text: str = ""
    heading: str = ""
    items: tuple[str, ...] = ()
    table: Table | None = None
    picture: Picture | None = None
    panel: Panel | None = None


@dataclass(frozen=True)
class Section:
    """A part of the report under one title."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def sections(claim_map, command, versions):
    """The Sections of a report, without those that have nothing to show."""
    found = [
        Section("map", "The claim map", _map(claim_map)),
        Section("completions", "Best, median and worst completion", _completions(claim_map)),
        Section("sensitivity", "Which open values decide", _sensitivity(claim_map)),
        Section("layers", "Measured and simulated, layer by layer", _layers(claim_map)),
        Section("time", "Where the time goes", _time(claim_map)),
        Section("roofline", "Roofline, every op", _rooflines(claim_map)),
        Section("breakeven", "What it would take", _breakeven(claim_map)),
        Section("modes", "Small models: launches or arithmetic?", _modes(claim_map)),
        Section("energy", "Energy", _energy(claim_map)),
        Section("assumptions", "What is compared, and what is assumed", _assumptions(claim_map)),
        Section("failures", "What could not be done", _table(of.failures_table(claim_map))),
        Section("cells", "Every cell", _cells(claim_map)),
        Section("sources", "Sources of every baseline", _table(of.sources_table(claim_map))),
        Section("reproduce", "Versions and command", _reproduce(command, versions)),
    ]
    return [section for section in found if section.blocks]


def _table(table):
    return (Block(table=table),) if table.rows else ()


def _map(claim_map):
    text = (
        "Each cell is one baseline at one batch. Its colour and sign give the verdict over all completions; its number "
        "is what the nominal completion reaches. Context is shown and not judged; the tables of every cell say why."
    )
    blocks = [Block(text=text)]
    for panel in panels(claim_map):
        blocks.append(Block(heading=panel.workload))
        blocks.append(Block(picture=heatmap_picture(panel), panel=panel))
    if not claim_map.cells:
        blocks = [Block(text="No baseline was compared, so there is no cell to show.")]
    return (*_table(of.counts_table(claim_map)), *blocks)


def _completions(claim_map):
    found = [completions_picture(claim_map, workload) for workload in of.workloads(claim_map)]
    blocks = [Block(picture=picture) for picture in found if picture]
    if blocks:
        text = (
            "The design leaves values open, so it is a set of designs. Each line runs from its worst to its best "
            "completion against one baseline. Where a device was measured at several batches the picture shows the one "
            "at which the device is fastest per sample; the tables show all."
        )
        blocks.insert(0, Block(text=text))
    return (*blocks, *_table(of.some_table(claim_map)), *_table(of.steps_table(claim_map)))


def _sensitivity(claim_map):
    steps = [step for step in of.shown_steps(claim_map) if step.effects]
    pictures = tuple(Block(picture=sensitivity_picture(step)) for step in steps)
    tables = (of.open_table(claim_map), of.sensitivity_table(claim_map), parity_table(claim_map))
    return (*pictures, *(block for table in tables for block in _table(table)))


def _layers(claim_map):
    if not claim_map.layers or not claim_map.layers.get("layer"):
        return ()
    text = (
        "The measured time of a layer is its share of a profiled pass, scaled to the unprofiled step; the simulated "
        "time is that of the nominal design."
    )
    return Block(text=text), Block(picture=layers_picture(claim_map)), Block(table=of.layers_table(claim_map))


def _time(claim_map):
    return tuple(Block(picture=picture) for picture in time_pictures(of.shown_steps(claim_map)))


def _rooflines(claim_map):
    return tuple(
        block
        for profile in claim_map.profiles.values()
        for block in roofline_blocks(*roofline_picture(profile, claim_map.design))
    )


def roofline_blocks(picture, note):
    """The Blocks of a roofline and, where ops have no place on it, of the sentence that says so."""
    return (Block(picture=picture), *((Block(text=note),) if note else ()))


def _breakeven(claim_map):
    pictures = tuple(
        Block(picture=picture)
        for workload in of.workloads(claim_map)
        if (picture := breakeven_picture(claim_map, workload))
    )
    tables = (of.breakeven_table(claim_map, workload) for workload in of.workloads(claim_map))
    if pictures:
        text = (
            "Each picture takes the baseline of its workload that comes nearest to what a claim asks for, and shows "
            "what share of its time each design of the MAC units and bandwidth on its axes would save."
        )
        pictures = (Block(text=text), *pictures)
    return (*pictures, *(block for table in tables for block in _table(table)))


def _modes(claim_map):
    return (*(Block(text=line) for line in explanation(claim_map)), *_table(modes_table(claim_map)))


def _energy(claim_map):
    steps = [step for step in of.shown_steps(claim_map) if step.energy_j > 0]
    picture = (Block(picture=energy_picture(claim_map, steps)),) if steps else ()
    return (*picture, *_table(energy_table(claim_map)))


def _assumptions(claim_map):
    error = claim_map.model_error
    blocks = list(assumptions())
    blocks.append(Block(heading="How wrong the model is"))
    blocks.append(
        Block(
            text=f"A simulated time stands for {error.low:.3g} to {error.high:.3g} times itself "
            f"({percent(error.low - 1)} to {percent(error.high - 1)}): {error.basis}."
        )
    )
    return (*blocks, *_table(of.error_table(claim_map)))


def assumptions():
    """The Blocks of templates/assumptions.md: headings and lists."""
    text = files("harness.report.claim_map").joinpath("templates/assumptions.md").read_text(encoding="utf-8")
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


def _cells(claim_map):
    kinds = {cell.baseline.kind for cell in claim_map.cells}
    items = tuple(words.KINDS[kind] for kind in words.KINDS if kind in kinds)
    tables = (of.cells_table(claim_map, workload) for workload in of.workloads(claim_map))
    rows = tuple(block for table in tables for block in _table(table))
    text = "The file cells.csv beside this report holds the same cells with every number in full."
    return (Block(text=text), Block(items=items), *rows) if rows else ()


def _reproduce(command, versions):
    rows = tuple((str(name), str(version)) for name, version in versions.items())
    text = "The command that makes this report again:"
    return (Block(text=text), Block(table=Table("Versions", ("package", "version"), rows), items=(command,)))


LEGEND = {**WORDS, "context": "context: the claim does not speak of it, or no claim can rest on it"}
