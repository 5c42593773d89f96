"""The picture of break-even: time saved over MACs and bandwidth, with the lines where each claim is met."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from harness.flows.claim_map.values import Cell, ClaimMap
from harness.judging.breakeven import Curves
from harness.judging.claims import speedup
from harness.report import words
from harness.report.pictures.canvas import Picture, Slot, Theme, figure
from harness.report.selection import claims_on_time, workloads
from harness.text.units import times, unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOT = Slot(
    section="breakeven",
    order=10,
    text="Each picture takes the baseline of its workload that comes nearest to what a claim asks for, and shows what "
    "share of its time each design of the MAC units and bandwidth on its axes would save.",
)
BANDWIDTH = unit("dram_bytes_per_s")
SPEEDUPS = (1 / 30, 0.1, 0.25, 0.5, 1, 4 / 3, 2, 3, 4, 10, 30)  # of the contours
STYLES = ("-", "--", ":", "-.")


def pictures(claim_map: ClaimMap) -> list[Picture]:
    """The Picture of break-even on each workload, against the baseline that is the nearest to what a claim asks for."""
    thresholds = {name: speedup(claim) for name, claim in claims_on_time(claim_map).items()}
    found = []
    for workload in workloads(claim_map):
        if cell := nearest(claim_map, workload, thresholds):
            one, measured_s = cell.baseline, cell.measured_s[1]
            detail = ", ".join(filter(None, [words.precision(cell), words.mode(one), words.scope(one)]))
            title = f"{workload}, batch {cell.step.batch_size:,}, against {words.device(one)}, {detail}"
            alt = f"Time saved over MAC units and memory bandwidth, with the lines where each claim is met. {title}."
            draw = partial(breakeven, cell.step.curves, measured_s, one.scope, thresholds, title)
            found.append(Picture(f"breakeven_{workload}", title, alt, draw))
    return found


def nearest(claim_map: ClaimMap, workload: str, thresholds: dict[str, float]) -> Cell | None:
    """The Cell of a workload whose speed-up is the nearest to one of `thresholds`; None where none has curves."""
    near = {}
    for cell in claim_map.cells:
        asked = [thresholds[v.claim] for v in cell.verdicts if v.decides and v.claim in thresholds]
        known = cell.step.curves is not None and 0 < cell.speedup[1] < math.inf
        if cell.step.workload == workload and known and asked:
            near[min(abs(math.log(cell.speedup[1] / threshold)) for threshold in asked)] = cell
    return near[min(near)] if near else None


def breakeven(
    curves: Curves, measured_s: float, scope: str, thresholds: dict[str, float], title: str, theme: Theme
) -> Figure:
    """A Figure of the share of `measured_s` that each design of the grid of MACs and bandwidth saves.

    curves: harness.judging.breakeven.Curves. measured_s: what `scope` covers, seconds. thresholds: {label: speed-up
    that the claim needs}.
    """
    from matplotlib.colors import BoundaryNorm

    macs, bandwidths = curves.values["macs"], curves.bandwidths / BANDWIDTH.size
    seconds = np.ma.masked_invalid(curves.grid_s(scope)).T
    speedups = np.ma.log(measured_s / seconds)
    levels = np.log(SPEEDUPS)
    canvas = figure(8, 5.6)
    axes = canvas.subplots()
    axes.set_facecolor(theme.grid)  # shows through where no design can run
    colours = {"cmap": "viridis", "norm": BoundaryNorm(levels, 256, extend="both")}
    filled = axes.contourf(macs, bandwidths, speedups, levels=levels, extend="both", **colours)
    bar = canvas.colorbar(filled, ax=axes, label="time saved against the baseline; below 0 it is slower")
    bar.set_ticks(levels, labels=[f"{100 * (1 - 1 / each):,.0f} %" for each in SPEEDUPS])
    for (label, threshold), style in zip(thresholds.items(), STYLES, strict=False):
        _line(axes, (macs, bandwidths, speedups), label, threshold, style, theme)
    own = curves.own["macs"], curves.own["dram_bytes_per_s"] / BANDWIDTH.size
    axes.plot(
        *own, "D", color=theme.orange, markeredgecolor="black", markersize=9, linestyle="", label="the design itself"
    )
    if seconds.mask.any():
        axes.fill_between([], [], color=theme.grid, label="no tile fits the on-chip memory")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_xlabel("multiply-accumulate (MAC) units, all else as in the design")
    axes.set_ylabel(f"memory bandwidth ({BANDWIDTH.name})")
    axes.set_xlim(macs[0], macs[-1])
    axes.tick_params(axis="x", labelrotation=30)
    canvas.suptitle(title, x=0.01, ha="left", fontsize=11)
    canvas.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return canvas


def _line(axes, grid, label, threshold, style, theme):
    """Draw where the speed-up is `threshold`, white on black, and its key, which says where it lies nowhere here."""
    macs, bandwidths, speedups = grid
    level = np.log(threshold)
    met = float(speedups.min()) < level <= float(speedups.max())
    if met:
        for color, width, dashes in (("black", 4, "-"), ("white", 2.2, style)):
            drawn = {"colors": color, "linewidths": width, "linestyles": dashes}
            axes.contour(macs, bandwidths, speedups, levels=[level], **drawn)
    where = "" if met else ": everywhere" if float(speedups.min()) >= level else ": nowhere here"
    axes.plot([], [], color=theme.ink, linewidth=2, linestyle=style, label=f"{label} ({times(threshold)}){where}")
