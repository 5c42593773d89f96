"""The picture of break-even: time saved over MACs and bandwidth, with the lines where each claim is met."""

import numpy as np

from harness.report.pictures.canvas import LIGHT, figure, png

SPEEDUPS = (1 / 30, 0.1, 0.25, 0.5, 1, 4 / 3, 2, 3, 4, 10, 30)  # of the contours
STYLES = ("-", "--", ":", "-.")


def breakeven(curves, measured_s, scope, thresholds, title):
    """PNG bytes of breakeven_figure on light paper."""
    return png(breakeven_figure(curves, measured_s, scope, thresholds, title, LIGHT))


def breakeven_figure(curves, measured_s, scope, thresholds, title, theme):
    """A Figure of the share of `measured_s` that each design of the grid of MACs and bandwidth saves.

    curves: harness.judging.breakeven.Curves. scope: what measured_s covers. thresholds: {label: speed-up that the claim needs}.
    """
    from matplotlib.colors import BoundaryNorm

    macs, bandwidths = curves.values["macs"], curves.bandwidths / 1e9
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
    own = curves.own["macs"], curves.own["dram_bytes_per_s"] / 1e9
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
    axes.set_ylabel("memory bandwidth (GB/s)")
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
    axes.plot([], [], color=theme.ink, linewidth=2, linestyle=style, label=f"{label} ({threshold:.3g}x){where}")
