"""task=baselines: list what is known of measured devices, filtered, with what is left out and why."""

import difflib
import re
from collections import Counter
from dataclasses import dataclass, fields, replace

from baselines import Filter, left_out, load
from baselines.vocabulary import KINDS, LOADED_KINDS
from harness.report.baselines import baseline_table, source_lines
from harness.settings.errors import ConfigError
from harness.settings.fields import check, one_of
from harness.tasks.job import Job
from harness.text.console import console, show
from harness.text.shown import shown
from harness.text.table import Table

NEAR = 8  # names shown of what there is
PART_OF = {"gpu": "device", "fpga": "device", "device": "device", "model": "model"}  # filters by a part of a name


@dataclass
class ListConfig:
    """What task=baselines lists: filters beside workload and precision, parts of a name in any spelling; None: all."""

    gpu: str | None
    fpga: str | None
    device: str | None  # of any kind
    model: str | None
    year: int | None
    left_out: bool  # list the published rows that are no baselines too, with their reasons
    kind: str | None = one_of(KINDS[1:])

    def __post_init__(self):
        check(self, "")


SECTION, SCHEMA = "", ListConfig


def baselines(job: Job) -> dict:
    """List the recorded and published baselines that pass the filters, with their sources; returns how many."""
    config = job.config
    workload, precision = (getattr(config, name).name if job.sets(name) else None for name in ("workload", "precision"))
    found, lines, count = tables(config, workload, precision)
    out = console()
    show(out, found, [])
    out.print(*lines, sep="\n", soft_wrap=True)
    return {"rows": count}


def tables(config, workload=None, precision=None):
    """(Tables, lines of sources, number of rows) of the baselines that pass the filters of `config` (RunConfig).

    workload, precision: names, where the user chose one. Without any filter the run's own workload is listed.
    """
    settings = config.task
    names = [one.name for one in fields(settings) if one.name != "left_out"]
    given = {name: getattr(settings, name) for name in names if getattr(settings, name) is not None}
    if workload is None and precision is None and not given:
        workload = config.workload.name
    filters = replace(filter_of(given), workload=workload, precision=precision)
    kinds = [settings.kind] if settings.kind else [kind for kind in config.baseline.kinds if kind in LOADED_KINDS]
    found = load(filters, kinds)
    without = [] if kinds == ["recorded"] else left_out(filters)
    asked = given | {name: value for name, value in (("workload", workload), ("precision", precision)) if value}
    title = f"Baselines: {' '.join(f'{name}={value}' for name, value in asked.items())}"
    notes = [f"{len(found)} rows." if found else nothing(asked, kinds)]
    notes += [_without_note(without)] if without and not settings.left_out else []
    shown = [baseline_table(title, found, " ".join(notes))]
    shown += [left_out_table(without)] if settings.left_out else []
    return shown, source_lines(found), len(found)


def nothing(asked, kinds):
    """Why no baseline passes the filters `asked` ({name: value}), and what there is, as text."""
    rows, found = load(kinds=kinds), []
    for name, value in asked.items():
        count = len(load(filter_of({name: value}), kinds)) if name != "kind" else len(rows)
        text = f"{name}={value} alone passes {count}"
        if not count:
            there = rows
            if name in ("gpu", "fpga"):
                there = [row for row in rows if row.device_kind == name]
            values = dict.fromkeys(getattr(row, PART_OF.get(name, name)) for row in there)
            text += f" ({name} can be {_near(value, [one for one in values if one])})"
        found.append(text)
    return f"No row passes: {'; '.join(found)}. Record one on your GPU, or add a published row with its source."


def left_out_table(without):
    """The published rows that are no baselines, each with its reason."""
    rows = tuple(
        (shown(one.device), shown(one.model), one.reason, f"{one.source}; {one.locator}", one.where) for one in without
    )
    note = "" if rows else "None."
    return Table("Left out", ("device", "model", "why", "source", "where"), rows, note, ("where", "source"))


def filter_of(given):
    """The Filter of the settings `given`, {name: value}; raises ConfigError for two devices."""
    if len(names := [name for name in given if PART_OF.get(name) == "device"]) > 1:
        raise ConfigError(f"{' and '.join(names)} are both given: give one, e.g. {names[0]}={given[names[0]]}")
    filters = {PART_OF.get(name, name): value for name, value in given.items() if name != "kind"}
    return Filter(**filters | ({"device_kind": names[0]} if names and names[0] != "device" else {}))


def _near(value, names):
    """The names closest to a value, or some of them, as text; of numbers the least and the largest."""
    if names and isinstance(value, int):
        return f"{min(names)} to {max(names)}"
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(str(value).lower(), list(lower), n=NEAR, cutoff=0.4)
    shown = [lower[one] for one in near] or names[:NEAR]
    return ", ".join(shown) + (" ..." if len(shown) < len(names) else "") if names else "nothing"


def _without_note(without):
    """How many rows are left out, by reason, as text."""
    counts = Counter(map(_class, without)).most_common()
    reasons = "; ".join(f"{count}: {reason}" for reason, count in counts[:4])
    return f"{len(without)} further rows are left out ({reasons}{'; ...' if len(counts) > 4 else ''}): left_out=true."


def _class(one):
    """The reason of a row that is left out, without what is its own."""
    for mark in ("SUSPECT", "IMPLAUSIBLE"):
        if mark in one.reason:
            return f"marked {mark}"
    if one.reason.endswith("only single devices are compared"):
        return "of several devices"
    return re.sub(r"'[^']*' |\([^)]*\)", "", one.reason)[:60].strip()
