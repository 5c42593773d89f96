"""Energy of a training sample: what the simulated joules go to, and measured devices beside them."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from harness.flows.claim_map.values import ClaimMap, Step
from harness.report.pictures.canvas import Picture, Slot, Theme, figure, plain_axes
from harness.report.selection import measured_energies, shown_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOT = Slot(section="energy", order=10)
HUES = {  # of a Theme, by part of the energy
    "macs": "blue",
    "registers": "sky",
    "buffer": "purple",
    "dram": "orange",
    "vector": "green",
    "static": "grey",
}


def pictures(claim_map: ClaimMap) -> list[Picture]:
    """The Picture of the energy of the shown Steps beside measured devices."""
    steps = [step for step in shown_steps(claim_map) if step.energy_j > 0]
    title = "Energy of a training sample: simulated by part, and beside measured devices"
    alt = "Share of each part in the simulated energy, and joules a sample of the accelerator and of measured devices."
    draw = partial(energy, steps, measured_energies(claim_map), title)
    return [Picture("energy", title, alt, draw)] if steps else []


def energy(steps: list[Step], measured: dict[str, list[tuple[str, float]]], title: str, theme: Theme) -> Figure:
    """A Figure of the parts of each Step's energy, and of its joules a sample beside the measured ones.

    measured: {workload: [(device, J a sample)]}.
    """
    canvas = figure(9, 2.0 + 0.36 * max(len(steps), 1))
    shares, totals = canvas.subplots(1, 2, sharey=True)
    colors, used = part_colors(theme), set()
    for row, step in enumerate(steps):
        parts, left = step.energy_by_part_j or {}, 0.0
        whole = sum(parts.values()) or 1.0
        for part, color in colors.items():
            if value := 100 * parts.get(part, 0.0) / whole:
                shares.barh(row, value, 0.66, left, color=color, linewidth=0)
                left += value
                used.add(part)
        if not parts:
            shares.text(1, row, "parts not known", va="center", fontsize=8, color=theme.muted)
        if step.energy_j > 0:
            totals.plot(1e3 * step.energy_j / step.batch_size, row, "D", color=theme.orange, markersize=7)
        for _, joules in measured.get(step.workload, ()):
            if joules > 0 and math.isfinite(joules):
                totals.plot(1e3 * joules, row, "o", color=theme.blue, markersize=6, markerfacecolor="none")
    for part in colors:
        if part in used:
            shares.bar(0, 0, color=colors[part], label=part)
    shares.set_xlim(0, 100)
    shares.set_xlabel("share of the simulated energy (%)")
    if used:
        shares.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.25), ncols=3, fontsize=8)
    totals.plot([], [], "D", color=theme.orange, label="simulated accelerator")
    totals.plot([], [], "o", color=theme.blue, markerfacecolor="none", label="measured device, each mode and batch")
    totals.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.25), ncols=1, fontsize=8)
    totals.set_xscale("log")
    totals.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    totals.set_xlabel("energy (mJ per training sample)")
    for axes in (shares, totals):
        plain_axes(axes)
    shares.set_yticks(range(len(steps)), [f"{s.workload}, b{s.batch_size}, {s.precision}" for s in steps], fontsize=8)
    shares.set_ylim(max(len(steps), 1) - 0.5, -0.5)
    canvas.suptitle(title, x=0.01, ha="left", fontsize=11)
    return canvas


def part_colors(theme: Theme) -> dict[str, str]:
    """{part of the energy: colour}."""
    return {part: getattr(theme, hue) for part, hue in HUES.items()}
