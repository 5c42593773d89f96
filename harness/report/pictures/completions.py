"""How the completions of a design spread against each baseline, beside what the claims ask for."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from harness.flows.claim_map.values import Cell, ClaimMap
from harness.judging.claims import Verdict, speedup
from harness.report import words
from harness.report.pictures.canvas import Picture, Slot, Theme, figure, finish
from harness.report.selection import claims_on_time, workloads
from harness.text.units import grouped, times

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOT = Slot(
    section="completions",
    order=10,
    text="The design leaves values open, so it is a set of designs. Each line runs from its worst to its best "
    "completion against one baseline. Where a device was measured at several batches the picture shows the one at "
    "which the device is fastest per sample; the tables show all.",
)

STYLES = ("--", ":", "-.")


def pictures(claim_map: ClaimMap) -> list[Picture]:
    """The Picture of the completions' spread on each workload on which a baseline decides."""
    thresholds = {name: speedup(claim) for name, claim in claims_on_time(claim_map).items()}
    found = []
    for workload in workloads(claim_map):
        if rows := spreads(claim_map, workload):
            title = f"{workload}: speed-up of all {claim_map.completions:,} completions over each baseline"
            alt = (
                f"Speed-up of the worst, median, nominal and best completion of {workload} over {len(rows)} baselines."
            )
            draw = partial(completions, rows, thresholds, title)
            found.append(Picture(f"completions_{workload}", title, alt, draw))
    return found


def spreads(claim_map: ClaimMap, workload: str) -> list[dict]:
    """The rows of `completions` on a workload, each device at its fastest batch, by speed-up."""
    claims, fastest = claims_on_time(claim_map), {}
    for cell in claim_map.cells:
        verdicts = {v.claim: v for v in cell.verdicts if v.claim in claims and v.decides}
        if cell.step.workload == workload and verdicts and math.isfinite(cell.measured_s[1]):
            one = cell.baseline
            key = (words.device(one), one.kind, words.precision(cell), one.mode, one.scope)
            rate = cell.measured_s[1] / cell.step.batch_size
            if key not in fastest or rate < fastest[key][0]:
                fastest[key] = rate, cell, next(iter(verdicts.values()))
    ranked = sorted(fastest.values(), key=lambda found: -found[1].speedup[1])
    return [spread(claim_map, cell, verdict) for _, cell, verdict in ranked]


def spread(claim_map: ClaimMap, cell: Cell, verdict: Verdict) -> dict:
    """One row of `completions`, of one Cell."""
    one, measured_s = cell.baseline, cell.measured_s[1]
    detail = ", ".join(filter(None, [f"b{cell.step.batch_size}", words.precision(cell), words.mode(one)]))
    claim = claim_map.claims[verdict.claim]
    return {
        "label": f"{words.device(one)}, {one.kind}, {detail}",
        **{name: measured_s / getattr(verdict, name).step_s for name in ("worst", "median", "nominal", "best")},
        "low": cell.speedup[0],
        "high": cell.speedup[2],
        "ceiling": words.as_speedup(claim.metric, verdict.ceiling),
    }


def completions(rows: list[dict], thresholds: dict[str, float], title: str, theme: Theme) -> Figure:
    """A Figure of the speed-up of the worst, median, nominal and best completion over each baseline.

    rows: list of mappings with label, worst, median, nominal, best, low, high and ceiling, speed-ups; low and high are
    the interval of the nominal completion and may be 0 and infinite. thresholds: {label: speed-up}.
    """
    canvas = figure(9, 2.1 + 0.25 * max(len(rows), 1))
    axes = canvas.subplots()
    least, most = _limits(rows, thresholds)
    for y, row in enumerate(rows):
        axes.plot([max(row["low"], least), min(row["high"], most)], [y, y], color=theme.sky, linewidth=6, alpha=0.55)
        axes.plot([row["worst"], row["best"]], [y, y], color=theme.blue, linewidth=1.4)
        axes.plot([row["worst"], row["best"]], [y, y], "|", color=theme.blue, markersize=7, markeredgewidth=1.4)
        axes.plot(row["median"], y, "o", markersize=5, markerfacecolor=theme.paper, color=theme.blue)
        axes.plot(row["nominal"], y, "o", color=theme.blue, markersize=5)
        if math.isfinite(row["ceiling"]):
            axes.plot(row["ceiling"], y, "|", color=theme.ink, markersize=10, markeredgewidth=2)
    for (label, threshold), style in zip(thresholds.items(), STYLES, strict=False):
        axes.axvline(threshold, color=theme.orange, linewidth=2, linestyle=style, label=f"{label}: {times(threshold)}")
    axes.axvline(1, color=theme.ink, linewidth=0.8)
    axes.plot([], [], "o", color=theme.blue, label="nominal completion")
    axes.plot([], [], color=theme.sky, alpha=0.55, linewidth=6, label="its interval")
    axes.plot([], [], "|-", color=theme.blue, markersize=7, label="worst to best completion")
    axes.plot([], [], "o", color=theme.blue, markerfacecolor=theme.paper, label="median completion")
    axes.plot([], [], "|", color=theme.ink, markersize=10, markeredgewidth=2, label="ceiling: physics allows no more")
    axes.set_xscale("log", base=2)
    axes.set_xlim(least, most)
    axes.xaxis.set_major_formatter(lambda value, _: f"{grouped(value)}x")
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows], fontsize=8)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_xlabel("speed-up of the accelerator over the baseline; left of 1x it is slower")
    finish(canvas, axes, title, columns=3)
    return canvas


def _limits(rows, thresholds):
    names = ("worst", "median", "nominal", "best", "ceiling")
    values = [row[name] for row in rows for name in names] + [1.0, *thresholds.values()]
    finite = [value for value in values if 0 < value < math.inf]
    return 0.7 * min(finite), 1.4 * max(finite)
