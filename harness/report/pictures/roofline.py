"""The roofline of one training step: every op by arithmetic intensity and attained rate."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from accel_model import Design
from accel_model.types import PRECISIONS, Phase
from harness.flows.claim_map.values import ClaimMap, Profile
from harness.judging.claims import share_text
from harness.report import words
from harness.report.pictures.canvas import Picture, Slot, Theme, figure, finish
from harness.text.units import digits, grouped, with_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOT = Slot(section="roofline", order=10)

SMALLEST, LARGEST = 8.0, 900.0  # points squared: markers of an op without time and of one that takes the whole step

LOWEST = 1e-5  # of the roof: slower ops stand at the lower edge


def pictures(claim_map: ClaimMap) -> list[Picture]:
    """The Picture of the roofline of each Profile, with a sentence on the ops that have no place on it."""
    found = []
    for profile in claim_map.profiles.values():
        step, (count, share) = profile.step, left_out(profile)
        title = f"{step.workload}, batch {step.batch_size:,}, {step.precision}: every op under the roofs"
        note = (
            f"Not in the picture, since they only move data: {count} {words.plural('op', count)} of {step.workload}, "
            f"{share_text(share)} of the simulated time."
        )
        found.append(
            Picture(
                name=f"roofline_{step.workload}",
                title=title,
                alt=f"Attained rate of each op of {step.workload} over its operations per byte of DRAM traffic, with "
                f"the roofs.",
                draw=partial(roofline, profile, claim_map.design, title),
                note=note if count else "",
            )
        )
    return found


def roofline(profile: Profile, design: Design, title: str, theme: Theme) -> Figure:
    """A Figure of the ops of a harness.flows.claim_map.values.Profile under the roofs of the first row of `design`.

    A MAC is two operations; an op without MACs counts its vector operations, has a hollow mark and a roof of its own.
    """
    points = ops_of(profile)
    canvas = figure(8, 5.6)
    axes = canvas.subplots()
    shown = points["operations"] > 0
    rate = points["operations"] / np.where(points["seconds"] > 0, points["seconds"], 1)
    inside = shown & (points["bytes"] > 0)
    intensity = points["operations"][inside] / points["bytes"][inside]
    mac_roof = 2 * float(design.macs_per_s[0, PRECISIONS.index(profile.step.precision)])
    vector_roof = float(design.vector_lanes[0] * design.clock_hz[0])
    bandwidth = float(design.dram_bytes_per_s[0])
    low, high = _limits(intensity, mac_roof / bandwidth)
    resident = high * 1.6  # where ops that touch no DRAM stand
    x = np.full(len(rate), resident)
    x[inside] = intensity
    lowest = max(rate[shown].min(initial=mac_roof) / 2, LOWEST * mac_roof)
    share = points["seconds"] / max(points["seconds"].sum(), 1e-300)
    for phase, color in theme.colors([p.name.lower() for p in Phase]).items():
        for macs in (True, False):
            mine = shown & (points["phase"] == Phase[phase.upper()]) & (points["has_macs"] == macs)
            style = {"facecolors": color if macs else "none", "edgecolors": theme.paper if macs else color}
            size = SMALLEST + (LARGEST - SMALLEST) * share[mine]
            axes.scatter(x[mine], rate[mine] / 1e9, size, linewidths=0.5 if macs else 1.0, alpha=0.8, **style)
        if (shown & (points["phase"] == Phase[phase.upper()])).any():
            axes.plot([], [], "o", color=color, label=phase)
    _roofs(axes, theme, (low, high * 2.2), bandwidth, mac_roof, vector_roof)
    if (shown & ~inside).any():
        axes.axvline(high * 1.25, color=theme.muted, linewidth=0.6, linestyle=":")
        axes.text(resident, 1.0, "no DRAM\ntraffic", transform=axes.get_xaxis_transform(), ha="center", fontsize=7)
    axes.plot([], [], "o", color=theme.muted, label="matrix op (filled); area = share of the step's time")
    axes.plot([], [], "o", markerfacecolor="none", color=theme.muted, label="op without MACs (hollow)")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high * 2.2)
    if (low_ones := shown & (rate < lowest)).any():
        style = {
            "color": theme.muted,
            "markersize": 4,
            "clip_on": False,
            "label": f"slower than {digits(lowest / 1e9, 2)} Gop/s",
        }
        axes.plot(x[low_ones], np.full(low_ones.sum(), lowest / 1e9), "v", **style)
    axes.set_ylim(lowest / 1e9, 2.5 * max(mac_roof, vector_roof) / 1e9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_xlabel("arithmetic intensity (operations per byte of DRAM traffic; 1 MAC = 2 operations)")
    axes.set_ylabel("attained rate (Gop/s)")
    finish(canvas, axes, title, axis="both", columns=4)
    return canvas


def ops_of(profile: Profile) -> dict[str, np.ndarray]:
    """{column: array (groups,)} of the ops that have time of their own; a fused op counts with the one it joined."""
    ops, report = profile.trace.ops, profile.report
    seconds = np.asarray(report.op_s)[0]
    heads = np.flatnonzero(seconds > 0)
    group = np.maximum(np.searchsorted(heads, np.arange(len(seconds)), side="right") - 1, 0)
    macs, vector = np.zeros(len(heads)), np.zeros(len(heads))
    if len(heads):
        np.add.at(macs, group, ops.macs)
        np.add.at(vector, group, ops.vector_ops)
    return {
        "seconds": seconds[heads],
        "bytes": np.asarray(report.dram_bytes)[0][heads],
        "phase": ops.phase[heads],
        "has_macs": macs > 0,
        "operations": np.where(macs > 0, 2.0 * macs, vector),
    }


def left_out(profile: Profile) -> tuple[int, float]:
    """(ops, share of the time) of the ops that do neither MACs nor vector operations, so have no place here."""
    points = ops_of(profile)
    none = points["operations"] == 0
    return int(none.sum()), float(points["seconds"][none].sum() / max(points["seconds"].sum(), 1e-300))


def _limits(intensity, ridge):
    low = min(ridge, intensity.min(initial=ridge)) / 3
    return low, 3 * max(ridge, intensity.max(initial=ridge))


def _roofs(axes, theme, span, bandwidth, mac_roof, vector_roof):
    x = np.geomspace(*span, 200)
    names = [
        (mac_roof, "-", f"MAC units: {grouped(mac_roof / 1e9)} Gop/s"),
        (vector_roof, "--", f"vector unit: {grouped(vector_roof / 1e9)} Gop/s"),
    ]
    for roof, line, name in names:
        axes.plot(x, np.minimum(x * bandwidth, roof) / 1e9, line, color=theme.ink, linewidth=1.3)
        axes.annotate(name, (span[1], roof / 1e9), (-4, 4), textcoords="offset points", ha="right", fontsize=8)
    start = span[0] * 1.3
    axes.annotate(
        f"DRAM: {with_unit('dram_bytes_per_s', bandwidth)}",
        *((start, start * bandwidth / 1e9), (9, -5)),  # right of the line, which rises
        textcoords="offset points",
        fontsize=8,
    )
