"""A run's speed-up over each published device, beside what the claims ask for."""

from __future__ import annotations

from harness.report.pictures.canvas import LIGHT, figure, finish, png
from harness.text.units import times


def speedups(rows: list[tuple[str, float, float, float, float]], title: str, thresholds: dict[str, float]) -> bytes:
    """PNG bytes of the accelerator's speed-up over each baseline with its interval, and what the claims ask for.

    rows: list of (label, low, middle, high, ceiling), measured over simulated time; low may be 0.
    thresholds: {label: speed-up}.
    """
    canvas = figure(9, 1.9 + 0.22 * len(rows))
    axes = canvas.subplots()
    least = min(0.5, *(0.7 * middle for _, _, middle, _, _ in rows))
    for row, (_, low, middle, high, ceiling) in enumerate(rows):
        axes.plot([max(low, least), high], [row, row], color=LIGHT.blue, linewidth=2.5, solid_capstyle="butt")
        axes.plot(middle, row, "o", color=LIGHT.blue, markersize=5)
        axes.plot(ceiling, row, "|", color="black", markersize=9, markeredgewidth=1.5)
    for (label, threshold), style in zip(thresholds.items(), ("--", ":", "-."), strict=False):
        axes.axvline(threshold, color=LIGHT.orange, linewidth=2, linestyle=style, label=f"{label}: {times(threshold)}")
    axes.plot([], [], "o-", color=LIGHT.blue, label="nominal completion, with interval")
    axes.plot([], [], "|", color="black", markersize=9, markeredgewidth=1.5, label="ceiling: every MAC unit busy")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: times(value))
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.3, -0.7)
    axes.set_xlabel("speed-up of the accelerator over the baseline; left of 1x it is slower")
    finish(canvas, axes, title)
    return png(canvas)
