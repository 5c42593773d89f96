"""Where the simulated time goes: steps by phase and by what binds them, as shares and in milliseconds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from accel_model.types import Phase
from harness.flows.claim_map.values import ClaimMap, Step
from harness.report.pictures.canvas import Picture, Slot, Theme, figure, plain_axes
from harness.report.selection import shown_steps
from harness.text.units import grouped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOT = Slot(section="time", order=10)
PHASES = (*(phase.name.lower() for phase in Phase), "host")
HUES = {  # of a Theme, by what binds an op
    "compute": "blue",
    "buffer": "purple",
    "dram": "orange",
    "vector": "green",
    "launch": "vermillion",
    "host": "grey",
}


def pictures(claim_map: ClaimMap) -> list[Picture]:
    """The Pictures of where the time of the shown Steps goes, as shares and in milliseconds."""
    steps = shown_steps(claim_map)
    if not steps:
        return []
    shares, absolute = "Simulated step of the nominal design, shares", "Simulated step of the nominal design"
    alt = "Time of each workload's simulated step by phase and by what binds it"
    return [
        Picture("time_shares", shares, f"{alt}, as shares.", partial(time_shares, steps, shares)),
        Picture("time", absolute, f"{alt}, in milliseconds.", partial(time_absolute, steps, absolute)),
    ]


def time_shares(steps: list[Step], title: str, theme: Theme) -> Figure:
    """A Figure of each Step's time on the nominal design as shares, by phase on the left and by bound on the right."""
    canvas = figure(9, 2.0 + 0.3 * max(len(steps), 1))
    panels = canvas.subplots(1, 2, sharey=True)
    for axes, name, splits, colors in _sides(steps, theme, panels):
        for row, split in enumerate(splits):
            whole = sum(split.values()) or 1.0
            _bar(axes, row, {key: 100 * value / whole for key, value in split.items()}, colors, 0.72)
        axes.set_title(name, loc="left", fontsize=9)
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of the simulated step (%)")
        plain_axes(axes)
        _key(axes, splits, colors)
    panels[0].set_yticks(range(len(steps)), [_label(step) for step in steps], fontsize=8)
    panels[0].set_ylim(max(len(steps), 1) - 0.5, -0.5)
    canvas.suptitle(title, x=0.01, ha="left", fontsize=11)
    return canvas


def time_absolute(steps: list[Step], title: str, theme: Theme) -> Figure:
    """A Figure of each Step's time in milliseconds, each on a scale of its own, by phase above and by bound below."""
    count = max(len(steps), 1)
    canvas = figure(9, 1.7 + 0.86 * count)
    panels = canvas.subplots(count, 1, squeeze=False)[:, 0]
    phases, bounds = theme.colors(PHASES), bound_colors(theme)
    for axes, step in zip(panels, steps, strict=False):
        _bar(axes, 0, {key: 1e3 * value for key, value in by_phase(step).items()}, phases, 0.8)
        _bar(axes, 1, {key: 1e3 * value for key, value in step.by_bound_s.items()}, bounds, 0.8)
        axes.set_title(f"{_label(step)}: {grouped(1e3 * step.nominal_s)} ms", loc="left", fontsize=9, pad=3)
        axes.set_yticks([0, 1], ["phase", "bound"], fontsize=8)
        axes.set_ylim(1.5, -0.5)
        axes.set_xlim(left=0)
        axes.tick_params(axis="x", labelsize=7)
        plain_axes(axes)
    panels[-1].set_xlabel(
        "simulated time of a step with the batch's copy from the host (ms); each row has its own scale"
    )
    handles = _handles(phases, {key for step in steps for key, value in by_phase(step).items() if value})
    canvas.legend(*handles, frameon=False, loc="outside lower left", ncols=4, fontsize=8, title="phase")
    handles = _handles(bounds, {key for step in steps for key, value in step.by_bound_s.items() if value})
    canvas.legend(*handles, frameon=False, loc="outside lower right", ncols=3, fontsize=8, title="bound")
    canvas.suptitle(title, x=0.01, ha="left", fontsize=11)
    return canvas


def by_phase(step: Step) -> dict[str, float]:
    """{phase: seconds} of a Step with the host's copy beside the phases, so that they add up to the step."""
    return step.by_phase_s | {"host": step.by_bound_s.get("host", 0.0)}


def bound_colors(theme: Theme) -> dict[str, str]:
    """{bound: colour}."""
    return {bound: getattr(theme, hue) for bound, hue in HUES.items()}


def _sides(steps, theme, panels):
    yield panels[0], "by phase", [by_phase(step) for step in steps], theme.colors(PHASES)
    yield panels[1], "by what binds", [step.by_bound_s for step in steps], bound_colors(theme)


def _label(step):
    return f"{step.workload}, b{step.batch_size}"


def _bar(axes, row, values, colors, height):
    left = 0.0
    for key, color in colors.items():
        if value := values.get(key, 0.0):
            axes.barh(row, value, height, left, color=color, linewidth=0)
            left += value


def _handles(colors, used):
    from matplotlib.patches import Patch

    names = [name for name in colors if name in used]
    return [Patch(facecolor=colors[name]) for name in names], names


def _key(axes, splits, colors):
    handles, names = _handles(colors, {key for split in splits for key, value in split.items() if value})
    if names:
        axes.legend(handles, names, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.28), ncols=4, fontsize=8)
