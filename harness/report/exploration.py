"""What an exploration found, as texts, tables and values; nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from accel_model import Design
from accel_model.design.fields import Setting
from harness.flows.explore.search import LIMITS, METRICS, Problem, State
from harness.settings.schema import RunConfig
from harness.text.shown import as_code, as_markdown_text, shown
from harness.text.table import Table, as_markdown
from harness.text.units import bare, digits, heading, ms, times

SHOWN = 16  # designs of the front in a table, the nominal one not counted
LOGGED = 2000  # in the table that is logged; all are in pareto.parquet
FIELDS = {f.name: f for f in fields(Design)}
WHY_LEFT_OUT = {
    "macs_most": "have more MAC units than explore.macs_most",
    "area_most_mm2": "are larger than explore.area_most_mm2 (a proxy)",
    "no_tile": "have too little on-chip memory for one tile",
    "dram_capacity": "have too little DRAM for the step's tensors",
    "watts_most": "draw more than explore.watts_most",
}
NAMES = {"step_s": "time", "energy_j": "energy", "area_mm2": "area (a proxy)", "watts": "power"}


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished or interrupted exploration."""

    problem: Problem
    state: State
    rows: dict  # of the front, as in State
    nominal: Design
    own: dict  # METRICS of the nominal design
    whole: bool  # every design of the space is replayed, or some are sampled

    def columns(self) -> dict:
        """{name: array or list} of the front: METRICS, and the value of every axis."""
        found = {name: self.rows[name] for name in METRICS}
        design = self.problem.space.at(self.rows["digits"])
        return found | {name: plain(design, name) for name in axes(self.problem)}


def axes(problem: Problem) -> list[str]:
    """The fields that differ between the designs of the space."""
    return [name for axis in problem.space.axes for name in (("rows", "cols", "cores") if axis == "array" else (axis,))]


def plain(design: Design, name: str) -> list:
    """The column `name` of `design` as a list of numbers, texts, booleans or mappings."""
    return [Setting.plain(FIELDS[name], value) for value in getattr(design, name)]


def table(found: Outcome) -> Table:
    """The nominal design, and at most SHOWN of the front, evenly spaced by time."""
    count, names = len(found.rows["excess"]), [name for name in axes(found.problem) if name not in ("cols", "cores")]
    kept = np.unique(np.linspace(0, count - 1, min(count, SHOWN)).round().astype(int))
    at = {name: values[..., kept] for name, values in found.rows.items()}
    design = Design.stack([found.nominal, found.problem.space.at(at["digits"])]) if count else found.nominal
    shown = {"step_s": 1e3, "energy_j": 1e3, "area_mm2": 1, "watts": 1}  # in ms, mJ, mm2 and W
    cells = [[digits(size * value) for value in (found.own[name], *at[name])] for name, size in shown.items()]
    titles = ["design", "step (ms)", "energy (mJ)", "area proxy (mm2)", "power (W)"]
    for name in names:
        if name == "rows":
            titles.append("array")
            sides = zip(design.rows, design.cols, design.cores, strict=True)
            cells.append([f"{r}x{c}" + (f" x{n}" if n > 1 else "") for r, c, n in sides])
        else:
            titles.append(heading(name))
            cells.append([bare(name, value) for value in plain(design, name)])
    labels = ["nominal", *(str(1 + row) for row in kept)]
    note = f"{len(kept)} of the {count:,} designs of the front, evenly spaced by time; all are in pareto.parquet."
    what = ", ".join(NAMES[name] for name in found.problem.objectives)
    spare = ("power (W)", *(titles[-2:][::-1]))
    rows = tuple(zip(labels, *cells, strict=True))
    return Table(f"Pareto front of {what}", tuple(titles), rows, note if count else "No design was found yet.", spare)


def lines(found: Outcome) -> list[str]:
    """What was searched, and how the nominal design stands beside it, in sentences."""
    state, rows, own = found.state, found.rows, found.own
    count, rate = found.problem.space.count, state.done / state.seconds if state.seconds else 0.0
    what = "all designs of the space" if state.done == count else f"the first of {count:,}"
    what = what if found.whole else f"sampled by NSGA-II from {count:,}"
    told = [
        f"{state.done:,} designs, {what}, in {digits(state.seconds, 3)} s: {rate:,.0f} designs/s. "
        f"{state.feasible:,} run and meet the limits; {len(rows['excess']):,} are on the front.",
        *left_out(state),
    ]
    if not len(rows["excess"]):
        return told
    told.append(f"Fastest: {beside(rows, 0, own)}.")
    within = np.flatnonzero((rows["area_mm2"] <= own["area_mm2"]) & (rows["energy_j"] <= own["energy_j"]))
    if len(within) and rows["step_s"][within[0]] < own["step_s"]:
        told.append(f"Fastest with no more area and energy than the nominal design: {beside(rows, within[0], own)}.")
    else:
        told.append("No design of the front is faster than the nominal one with no more area and energy.")
    return told


def left_out(state: State) -> list[str]:
    """A sentence on the designs that each limit excludes, or nothing."""
    parts = [f"{count:,} {WHY_LEFT_OUT[name]}" for name, count in zip(LIMITS, state.excluded, strict=True) if count]
    return [f"Left out: {', '.join(parts)}."] if parts else []


def nothing(problem: Problem, state: State) -> str:
    """Why no design was found, and what to change."""
    limits = [f"explore.{name}={value:g}" for name, value in problem.limits.items() if value]
    change = f"loosen {', '.join(limits)}, or " if limits else ""
    return (
        f"none of {state.done:,} designs runs and meets the limits. {' '.join(left_out(state))} "
        f"To find some, {change}give explore.space other choices, e.g. more of explore.space.buffer_bytes"
    )


def beside(rows: dict[str, np.ndarray], at: int, own: dict[str, float]) -> str:
    """The metrics of one design of the front, each with its factor over the nominal design's."""
    parts = (("step_s", 1e3, "ms"), ("energy_j", 1e3, "mJ"), ("area_mm2", 1, "mm2 (a proxy)"))
    told = (f"{digits(rows[name][at] * size)} {of}, {times(rows[name][at] / own[name])}" for name, size, of in parts)
    return f"number {at + 1}, {'; '.join(told)} of the nominal design"


def markdown(found: Outcome, config: RunConfig, command: str) -> str:
    """The summary as Markdown."""
    problem = found.problem
    choices = "\n".join(
        f"- {axis}: {len(values)} choices, {_span(axis, values)}" for axis, values in problem.space.axes.items()
    )
    name = as_markdown_text(shown(problem.space.name))
    title = as_markdown_text(f"Designs around {shown(problem.space.name)} for {subject(config)}")
    told = "\n".join(f"- {as_markdown_text(line)}" for line in lines(found))
    return (
        f"# {title}, {problem.precision} MAC units\n\n{told}\n{as_markdown(table(found))}\n\n## Space\n\n{choices}\n\n"
        f"All else is the nominal {name}. The area is a proxy: arithmetic, registers, memory and memory "
        f"interface, no wiring or control (accel_model/silicon/area.py).\n\n"
        f"Made by {as_code(command)}.\n"
    )


def answer(found: Outcome) -> str:
    """The fastest design of the front beside the nominal one, in a few words."""
    if not len(found.rows["excess"]):
        return "no design found"
    fastest = float(found.rows["step_s"][0])
    return f"fastest step {ms(fastest)}, {times(fastest / found.own['step_s'])} of the nominal design"


def note(found: Outcome, config: RunConfig, command: str) -> str:
    """The description of the MLflow run: the answer, the picture, then the summary."""
    picture = "![Pareto front](artifact:pareto.png)\n\n" if len(found.rows["excess"]) else ""
    return f"**{as_markdown_text(answer(found).capitalize())}.**\n\n{picture}{markdown(found, config, command)}"


def subject(config: RunConfig) -> str:
    """The trace that was searched for, in words."""
    if config.task.trace:
        return shown(Path(config.task.trace).name)
    return f"{config.workload.name}, batch {config.batch_size}, {config.precision.name}"


def params(found: Outcome, config: RunConfig) -> dict:
    """{name: value} to log."""
    limits = {f"explore.{name}": value for name, value in found.problem.limits.items() if value}
    return limits | {
        "task": "explore",
        "workload": config.workload.name,
        "trace": config.task.trace or "captured",
        "batch_size": config.batch_size,
        "precision": config.precision.name,
        "accelerator": found.problem.space.name,
        "objectives": ", ".join(found.problem.objectives),
        "search": "grid" if found.whole else "NSGA-II",
        "axes": ", ".join(f"{axis} {len(values)}" for axis, values in found.problem.space.axes.items()),
    }


def metrics(found: Outcome) -> dict[str, float]:
    """{name: float} to log."""
    state, rows, own = found.state, found.rows, found.own
    values = {
        "explore/designs_count": state.done,
        "explore/feasible_count": state.feasible,
        "explore/front_count": len(rows["excess"]),
        "explore/designs_per_s": state.done / state.seconds if state.seconds else 0.0,
        "nominal/step_ms": 1e3 * own["step_s"],
        "nominal/energy_mj": 1e3 * own["energy_j"],
        "nominal/area_proxy_mm2": own["area_mm2"],
    }
    if len(rows["excess"]):
        values |= {
            "front/least_step_ms": 1e3 * float(rows["step_s"].min()),
            "front/least_energy_mj": 1e3 * float(rows["energy_j"].min()),
            "front/least_area_proxy_mm2": float(rows["area_mm2"].min()),
        }
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}


def logged(found: Outcome) -> dict[str, list]:
    """{column: list} of the front, evenly thinned to LOGGED designs."""
    count = len(found.rows["excess"])
    kept = np.unique(np.linspace(0, count - 1, min(count, LOGGED)).round().astype(int))
    return {name: [list(values)[i] for i in kept] for name, values in found.columns().items()}


def as_json(found: Outcome, config: RunConfig, command: str) -> dict:
    """What an exploration found, as plain values."""
    state = found.state
    excluded = {name: int(count) for name, count in zip(LIMITS, state.excluded, strict=True)}
    return {
        "command": command,
        "params": params(found, config),
        "metrics": metrics(found),
        "designs_in_space": found.problem.space.count,
        "designs_looked_at": state.done,
        "left_out": excluded,
        "nominal": found.own,
    }


def _span(axis, values):
    """The choices of one axis in words."""
    if axis == "array":
        return ", ".join("x".join(map(str, value)) for value in values)
    if FIELDS[axis].metadata["kind"] in ("choice", "flag", "per_precision"):
        return ", ".join(bare(axis, Setting.plain(FIELDS[axis], value)) for value in values)
    return f"{heading(axis)} {bare(axis, values[0])} to {bare(axis, values[-1])}"
