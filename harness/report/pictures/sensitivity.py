"""Which of the values that nobody stated decide most: the open values of a design, ranked."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from harness.flows.claim_map.values import ClaimMap, Step
from harness.report.pictures.canvas import Picture, Slot, Theme, figure, finish
from harness.report.selection import shown_steps
from harness.text.units import times

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOT = Slot(section="sensitivity", order=10)

TICKS = (1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)


def pictures(claim_map: ClaimMap) -> list[Picture]:
    """The Picture of the Effects of each shown Step that has any."""
    found = []
    for step in shown_steps(claim_map):
        title = f"{step.workload}, batch {step.batch_size:,}, {step.precision}: what the open values decide"
        alt = (
            f"Open values ranked by how much longer a step takes with the slowest than with the fastest, "
            f"{step.workload}."
        )
        if step.effects:
            found.append(Picture(f"sensitivity_{step.workload}", title, alt, partial(sensitivity, step, title)))
    return found


def sensitivity(step: Step, title: str, theme: Theme) -> Figure:
    """A Figure of a Step's Effects: how many times longer the step takes with each open value's slowest choice."""
    effects = step.effects
    canvas = figure(8, 1.4 + 0.3 * max(len(effects), 1))
    axes = canvas.subplots()
    largest = max((effect.factor for effect in effects), default=1.0)
    for row, effect in enumerate(effects):
        axes.barh(row, effect.factor - 1, 0.62, 1, color=theme.blue, linewidth=0)
        text = f"{times(effect.factor)}   fastest {effect.fastest}, slowest {effect.slowest}"
        if effect.factor - 1 < 1e-3:
            text = "no effect"
        axes.annotate(text, (effect.factor, row), (5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(effects)), [effect.name for effect in effects], fontsize=9)
    axes.set_ylim(max(len(effects), 1) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.set_xlim(1, max(largest, 1.1) ** 2.1)  # the right half holds the texts
    ticks = [1]
    for tick in TICKS:  # no nearer to the last one than a tenth of the axis
        if tick <= 1.2 * max(largest, 1.1) and math.log(tick / ticks[-1]) > 0.1 * math.log(axes.get_xlim()[1]):
            ticks.append(tick)
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("mean step time with the slowest value over that with the fastest, all others varied")
    finish(canvas, axes, title)
    return canvas
