"""The picture of a Pareto front: time against area, the colour energy, the nominal design marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.report.pictures.canvas import LIGHT, Theme, figure, finish, png, svg
from harness.text.units import digits, grouped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pareto(rows: dict[str, np.ndarray], own: dict[str, float], title: str) -> dict[str, bytes]:
    """{"png": bytes, "svg": bytes} of pareto_figure on light paper."""
    from matplotlib import rc_context

    with rc_context(LIGHT.settings):
        canvas = pareto_figure(rows, own, title, LIGHT)
        return {"png": png(canvas), "svg": svg(canvas)}


def pareto_figure(rows: dict[str, np.ndarray], own: dict[str, float], title: str, theme: Theme) -> Figure:
    """A Figure of the designs in `rows`.

    rows: {"step_s", "area_mm2", "energy_j": float64 (n,)}. own: the same of the nominal design, floats.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator, NullFormatter

    canvas = figure(8, 5.4)
    axes = canvas.subplots()
    time_ms, area, energy_mj = 1e3 * rows["step_s"], rows["area_mm2"], 1e3 * rows["energy_j"]
    order = np.lexsort([area, time_ms])
    smaller = np.append(True, np.diff(np.minimum.accumulate(area[order])) < 0)  # than every faster one
    axes.step(time_ms[order][smaller], area[order][smaller], where="post", color=theme.grey, linewidth=1.2, zorder=1)
    axes.plot([], [], color=theme.grey, linewidth=1.2, label="smallest at each time")
    spread = energy_mj.max() > energy_mj.min() * 1.001
    colours = {"norm": LogNorm(energy_mj.min(), energy_mj.max())} if spread else {}
    points = axes.scatter(time_ms, area, c=energy_mj, cmap="viridis", s=16, linewidths=0, zorder=2, **colours)
    label = f"{len(area):,} designs of the front" if len(area) != 1 else "the front's only design"
    axes.scatter([], [], c="#3b528b", s=16, label=label)
    bar = canvas.colorbar(points, ax=axes, label="energy (mJ per training step)")
    bar.ax.yaxis.set_major_formatter(_number)
    bar.ax.yaxis.set_minor_formatter(_number if energy_mj.max() < 10 * energy_mj.min() else NullFormatter())
    if np.isfinite(own["step_s"]):
        mark = {"color": theme.orange, "markeredgecolor": "black", "markersize": 10, "linestyle": "", "zorder": 3}
        label = f"nominal design, {digits(1e3 * own['energy_j'], 3)} mJ"
        axes.plot(1e3 * own["step_s"], own["area_mm2"], "D", label=label, **mark)
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(_number)
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("time per training step (ms)")
    axes.set_ylabel("area, a proxy (mm²)")
    finish(canvas, axes, title, axis="both", columns=3)
    return canvas


def _number(value, _=None):
    return grouped(value, 3) if value < 1000 else f"{value:,.0f}"
