"""One GPU in several modes: what launching op by op costs it, and what that makes of a claim."""

from __future__ import annotations

import math

from baselines import MODES
from harness.flows.claim_map.values import Cell, ClaimMap
from harness.report import words
from harness.text.table import Table
from harness.text.units import digits, duration, milli, percent, times

LAUNCH_BOUND = 1.5  # of eager over graphs, from which a step waits for launches for a third of its time


def groups(claim_map: ClaimMap) -> list[dict[str, Cell]]:
    """[{mode: Cell}] of the same work on the same device in eager mode and at least one other."""
    found = {}
    for cell in claim_map.cells:
        one = cell.baseline
        if one.mode in MODES and math.isfinite(cell.measured_s[1]):
            key = (one.device, one.kind, one.precision, one.scope, cell.step.workload, cell.step.batch_size)
            found.setdefault((*key, cell.step.precision), {}).setdefault(one.mode, cell)
    return [modes for modes in found.values() if "eager" in modes and len(modes) > 1]


def modes_table(claim_map: ClaimMap) -> Table:
    """Each such device with its time in every mode and the time that the accelerator saves of it."""
    found, rows = groups(claim_map), []
    shown = [mode for mode in MODES if any(mode in modes for modes in found)]
    for modes in found:
        cell = modes["eager"]
        eager_s = cell.measured_s[1]
        row = [cell.step.workload, words.device(cell.baseline), f"{cell.step.batch_size:,}", words.precision(cell)]
        row += [milli(modes[m].measured_s[1]) if m in modes else "" for m in shown]
        row += [times(eager_s / modes[m].measured_s[1]) if m in modes else "" for m in shown[1:]]
        row += [milli(cell.simulated_s[1])]
        row += [percent(saved(modes[m])) if m in modes else "" for m in shown]
        rows.append(tuple(row))
    columns = (
        *("workload", "device", "batch", "precision"),
        *(f"{mode} (ms)" for mode in shown),
        *(f"eager / {mode}" for mode in shown[1:]),
        "simulated (ms)",
        *(f"time saved of {mode}" for mode in shown),
    )
    return Table("The same GPU launched op by op, as a graph and compiled", columns, tuple(rows))


def saved(cell: Cell) -> float:
    """The share of the baseline's time that the nominal design saves, between the middles."""
    return 1 - cell.simulated_s[1] / cell.measured_s[1]


def explanation(claim_map: ClaimMap) -> list[str]:
    """Why the modes of one device differ, with the numbers of its cells; an empty list where no cell shows it."""
    graphed = [modes for modes in groups(claim_map) if "graphs" in modes]
    if not graphed:
        return []
    most = max(graphed, key=_gain)
    lines = [
        "A GPU in eager mode starts every op by itself. The host needs a few microseconds for each, however small the "
        "op is; in a step of a model the size of LeNet-5 that is longer than the arithmetic, and the GPU waits. A CUDA "
        "graph starts the whole step at once, so the same GPU does the same work without the waiting. The accelerator "
        "is charged its own launch cost per op in both comparisons.",
        _numbers(most),
    ]
    least = min(graphed, key=_gain)
    if least is not most:
        lines.append(_numbers(least))
    bound = sum(_gain(modes) >= LAUNCH_BOUND for modes in graphed)
    return [
        *lines,
        f"In {bound} of {len(graphed)} comparable pairs the graph is at least {LAUNCH_BOUND:g} times as fast: a time "
        f"saved of the eager step there is mostly the saving of launches, which the owner of the GPU can have without "
        f"an accelerator.",
    ]


def _gain(modes):
    return modes["eager"].measured_s[1] / modes["graphs"].measured_s[1]


def _numbers(modes):
    eager, graphs = modes["eager"], modes["graphs"]
    one = eager.baseline
    return (
        f"{eager.step.workload} at batch {eager.step.batch_size:,}, {one.precision}, on {one.device}: "
        f"{duration(eager.measured_s[1])} a step in eager mode, {duration(graphs.measured_s[1])} as a graph "
        f"({times(_gain(modes))}). The nominal design takes {duration(eager.simulated_s[1])}: "
        f"{_beside(eager)} the eager step, {_beside(graphs)} the graph."
    )


def _beside(cell):
    share = saved(cell)
    return f"{100 * share:.0f} % less than" if share >= 0 else f"{digits(1 - share, 3)} times as long as"
