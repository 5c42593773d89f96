"""The claim map of one workload: baselines by batch, coloured by verdict, with the number in each cell."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.flows.claim_map.values import ClaimMap
from harness.report.panels import Panel, panels
from harness.report.pictures.canvas import MARKS, Picture, Slot, Theme, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOT = Slot(
    section="map",
    order=10,
    text="Each cell is one baseline at one batch. Its colour and sign give the verdict over all completions; its "
    "number is what the nominal completion reaches. Context is shown and not judged; the tables of every cell say why.",
)
CELL = 0.62, 0.235  # inches
LONGEST = 72  # characters of a row's label
WORDS = {
    "all": "supported by all completions",
    "some": "by some",
    "undecided": "undecided",
    "none": "refuted",
    "impossible": "refuted at any utilisation",
    "context": "context, not judged",
}


def pictures(claim_map: ClaimMap) -> list[Picture]:
    """The Picture of each Panel, under the name of its workload."""
    return [
        Picture(
            name=f"claim_map_{panel.workload}",
            title=panel.title,
            alt=f"{panel.title}, batch by batch, a colour and a sign for each verdict; "
            f"the cells are in the tables below.",
            draw=partial(heatmap, panel),
            heading=panel.workload,
            panel=panel,
        )
        for panel in panels(claim_map)
    ]


def heatmap(panel: Panel, theme: Theme) -> Figure:
    """A Figure of one harness.report.panels.Panel, one grid for each claim side by side."""
    labels = [shortened(row.label) for row in panel.rows]
    grids = max(len(panel.claims), 1)
    left = 0.075 * max(map(len, labels), default=0)
    width = max(left + grids * (0.4 + CELL[0] * max(len(panel.batches), 4)), 7.0)
    canvas = figure(width, 1.9 + CELL[1] * max(len(labels), 1))
    panels = canvas.subplots(1, grids, sharey=True, squeeze=False)[0]
    for index, axes in enumerate(panels):
        if index < len(panel.claims):
            axes.set_title(panel.claims[index], loc="left", fontsize=9)
        _grid(axes, panel, index, theme)
    panels[0].set_yticks(range(len(labels)), labels, fontsize=8)
    panels[0].set_ylim(max(len(labels), 1) - 0.5, -0.5)
    _legend(canvas, theme)
    canvas.suptitle(panel.title, x=0.01, ha="left", fontsize=11)
    return canvas


def shortened(label: str) -> str:
    """A label of at most LONGEST characters."""
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"


def _grid(axes, panel, index, theme):
    from matplotlib.patches import Rectangle

    for (row, column), marks in panel.cells.items():
        background, ink = theme.verdicts[marks[index].key]
        axes.add_patch(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, facecolor=background, linewidth=0))
        text = f"{MARKS[marks[index].key]} {marks[index].text}"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=ink, in_layout=False)
    for row in panel.starts[1:]:
        axes.axhline(row - 0.5, color=theme.muted, linewidth=0.8)
    axes.set_xlim(-0.5, max(len(panel.batches), 1) - 0.5)
    axes.set_xticks(range(len(panel.batches)), [f"{batch:,}" for batch in panel.batches], fontsize=8)
    axes.set_xlabel("batch size (samples)", fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _legend(canvas, theme):
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=theme.verdicts[key][0], edgecolor=theme.muted, linewidth=0.4) for key in WORDS]
    names = [f"{MARKS[key]} {words}" for key, words in WORDS.items()]
    canvas.legend(handles, names, frameon=False, loc="outside lower left", ncols=3, fontsize=8)
