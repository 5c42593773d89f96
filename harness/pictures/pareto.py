"""The picture of a Pareto front: time against area, the colour energy, the nominal design marked."""

import io

import numpy as np

ORANGE, GREY = "#e69f00", "#999999"
FORMATS = ("png", "svg")


def pareto(rows, own, title):
    """{"png": bytes, "svg": bytes} of the designs in `rows`.

    rows: {"step_s", "area_mm2", "energy_j": float64 (n,)}. own: the same of the nominal design, floats.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(8, 5.4), layout="constrained")
    axes = figure.subplots()
    time_ms, area, energy_mj = 1e3 * rows["step_s"], rows["area_mm2"], 1e3 * rows["energy_j"]
    order = np.lexsort([area, time_ms])
    smaller = np.append(True, np.diff(np.minimum.accumulate(area[order])) < 0)  # than every faster one
    axes.step(time_ms[order][smaller], area[order][smaller], where="post", color=GREY, linewidth=1.2, zorder=1)
    axes.plot([], [], color=GREY, linewidth=1.2, label="smallest at each time")
    spread = energy_mj.max() > energy_mj.min() * 1.001
    colours = {"norm": LogNorm(energy_mj.min(), energy_mj.max())} if spread else {}
    points = axes.scatter(time_ms, area, c=energy_mj, cmap="viridis", s=16, linewidths=0, zorder=2, **colours)
    label = f"{len(area):,} designs of the front" if len(area) != 1 else "the front's only design"
    axes.scatter([], [], c="#3b528b", s=16, label=label)
    bar = figure.colorbar(points, ax=axes, label="energy (mJ per training step)")
    bar.ax.yaxis.set_major_formatter(_number)
    bar.ax.yaxis.set_minor_formatter(_number if energy_mj.max() < 10 * energy_mj.min() else NullFormatter())
    if np.isfinite(own["step_s"]):
        mark = {"color": ORANGE, "markeredgecolor": "black", "markersize": 10, "linestyle": "", "zorder": 3}
        label = f"nominal design, {1e3 * own['energy_j']:.3g} mJ"
        axes.plot(1e3 * own["step_s"], own["area_mm2"], "D", label=label, **mark)
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(_number)
        axis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=9)
    axes.set_xlabel("time per training step (ms)")
    axes.set_ylabel("area, a proxy (mm²)")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return {kind: _drawn(figure, kind) for kind in FORMATS}


def _number(value, _=None):
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _drawn(figure, kind):
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120, format=kind)
    return buffer.getvalue()
