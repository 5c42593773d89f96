"""The picture of a sweep: the measured and the simulated time of a training step of each run."""

from __future__ import annotations

from harness.report.pictures.canvas import LIGHT, figure, finish, png
from harness.text.units import times_in_full


def sweep(rows: list[tuple[str, float | None, float]], title: str) -> bytes:
    """PNG bytes of both times on one logarithmic scale, a line a run.

    rows: list of (label, measured in ms or None, simulated in ms), from the top down.
    """
    canvas = figure(9, 1.7 + 0.26 * len(rows))
    axes = canvas.subplots()
    for row, (_, measured, simulated) in enumerate(rows):
        if measured:
            axes.plot([measured, simulated], [row, row], color=LIGHT.grey, linewidth=1, zorder=1)
            text = times_in_full(measured / simulated)
            axes.annotate(text, (measured, row), (8, 0), textcoords="offset points", va="center", fontsize=8)
    marks = {"linestyle": "", "markersize": 7, "zorder": 2}
    measured = [(one, row) for row, (_, one, _) in enumerate(rows) if one]
    if measured:
        axes.plot(*zip(*measured, strict=True), "o", color=LIGHT.orange, label="measured here", **marks)
    simulated = [one for *_, one in rows]
    axes.plot(simulated, range(len(rows)), "D", color=LIGHT.blue, label="simulated accelerator", **marks)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.margins(x=0.12)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("time of a training step (ms)")
    finish(canvas, axes, title)
    return png(canvas)
