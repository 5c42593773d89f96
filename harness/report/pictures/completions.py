"""How the completions of a design spread against each baseline, beside what the claims ask for."""

import math

from harness.report.pictures.canvas import figure, finish

STYLES = ("--", ":", "-.")


def completions(rows, thresholds, title, theme):
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
        axes.axvline(threshold, color=theme.orange, linewidth=2, linestyle=style, label=f"{label}: {threshold:.3g}x")
    axes.axvline(1, color=theme.ink, linewidth=0.8)
    axes.plot([], [], "o", color=theme.blue, label="nominal completion")
    axes.plot([], [], color=theme.sky, alpha=0.55, linewidth=6, label="its interval")
    axes.plot([], [], "|-", color=theme.blue, markersize=7, label="worst to best completion")
    axes.plot([], [], "o", color=theme.blue, markerfacecolor=theme.paper, label="median completion")
    axes.plot([], [], "|", color=theme.ink, markersize=10, markeredgewidth=2, label="ceiling: physics allows no more")
    axes.set_xscale("log", base=2)
    axes.set_xlim(least, most)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.4g}x")
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
