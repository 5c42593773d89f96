"""Measured and simulated time of a training step, layer by layer."""

from __future__ import annotations

import textwrap
from functools import partial
from typing import TYPE_CHECKING

from harness.flows.claim_map.values import ClaimMap
from harness.report.layers import PHASES, folded, layer_table
from harness.report.pictures.canvas import LIGHT, Picture, Slot, Theme, figure, plain_axes, png
from harness.report.run_values import layer_title
from harness.text.units import digits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOT = Slot(
    section="layers",
    order=10,
    text="The measured time of a layer is its share of a profiled pass, scaled to the unprofiled step; the simulated "
    "time is that of the nominal design.",
)


def pictures(claim_map: ClaimMap) -> list[Picture]:
    """The Picture of measured and simulated time by layer, where the claim map trained its workload."""
    if claim_map.trained is None:
        return []
    title, device, caption = layer_title(claim_map.trained)
    alt = f"Measured and simulated time of each layer. {title}, {device}."
    table = folded(layer_table(claim_map.trained))
    return [Picture("layers", title, alt, partial(layers_figure, table, title, device, caption))]


def layers(table: dict[str, list], title: str, device: str, caption: str) -> bytes:
    """PNG bytes of layers_figure."""
    return png(layers_figure(table, title, device, caption))


def layers_figure(table: dict[str, list], title: str, device: str, caption: str, theme: Theme = LIGHT) -> Figure:
    """A Figure of measured and simulated time per layer and phase, side by side, each on its own scale.

    table: {"layer": texts, "measured_s": floats or None, "measured_forward_s": ..., "simulated_s": ...}, as
    harness.report.layers.folded gives it, in the model's order. device: the measured one's name, "" where none was.
    caption: a sentence to stand below.
    """
    names = table["layer"]
    sides = ([("measured", f"measured: {device}")] if device else []) + [("simulated", "simulated accelerator")]
    canvas = figure(10, 2.1 + 0.25 * len(names))
    panels = canvas.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    for axes, (side, heading) in zip(panels, sides, strict=True):
        _stacked(axes, table, side, theme)
        axes.set_title(heading, loc="left", fontsize=10)
        axes.set_xlabel("time (ms a step; scales differ)" if device else "time (ms a step)")
        plain_axes(axes)
    panels[0].set_yticks(range(len(names)), names, fontsize=9)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    canvas.suptitle(title, x=0.01, ha="left", fontsize=11)
    handles, labels = panels[0].get_legend_handles_labels()
    note = {"title": textwrap.fill(caption, 165), "title_fontsize": 8, "alignment": "left"}
    canvas.legend(handles, labels, frameon=False, loc="outside lower left", ncols=4, fontsize=9, **note)
    return canvas


def _stacked(axes, table, side, theme):
    """Horizontal bars of one side's phases, end to end, with the sum in milliseconds behind each.

    What many layers add up to is told in words: its bar would make theirs too short to see.
    """
    single = [i for i, many in enumerate(table["many"]) if not many]
    whole = [1e3 * (value or 0.0) for value in table[f"{side}_s"]]
    left = [0.0] * len(single)
    for phase, color in zip(PHASES, (theme.blue, theme.orange, theme.green), strict=True):
        widths = [1e3 * (table[f"{side}_{phase}_s"][i] or 0.0) for i in single]
        axes.barh(single, widths, 0.72, left, color=color, label=phase)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    rest = [max(whole[i] - known, 0.0) for i, known in zip(single, left, strict=True)]
    longest = max(whole[i] for i in single)
    if max(rest) > 1e-6 * longest:
        axes.barh(single, rest, 0.72, left, color=theme.grey, label="not attributed")
    for row, total in enumerate(whole):
        text = f"{total:,.0f}" if total >= 1000 else digits(total, 3)
        place, text = (total, text) if row in single else (0, f"{text} in sum")
        axes.annotate(text, (place, row), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_xlim(0, 1.13 * longest)
