"""What all pictures share: two themes of colours that colour-blind readers tell apart, and the ways to bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.report.panels import Panel
from harness.text.shown import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT_SIZE = 9  # points
DPI = 144  # of PNG files
DOLLAR = re.compile(r"(?<!\\)\$")
LONGEST_LINE = 220  # characters of a text in a picture
COLORS = 128  # of PNG files: a third of the bytes of true colour, and no difference to the eye


@dataclass(frozen=True)
class Theme:
    """The colours of a picture on light or on dark paper; the hues are Okabe and Ito's, brighter on dark paper.

    Source of the palette: Okabe and Ito, Color Universal Design, 2008.
    """

    name: str
    ink: str
    paper: str
    muted: str  # text and marks of less weight
    grid: str
    blue: str
    sky: str
    orange: str
    vermillion: str
    green: str
    purple: str
    grey: str
    verdicts: dict  # {verdict key: (background, text)}, from supported (blue) over open (pale) to refuted (brown)

    @property
    def settings(self) -> dict[str, object]:
        """matplotlib's settings for this theme."""
        return {
            "figure.facecolor": self.paper,
            "savefig.facecolor": self.paper,
            "axes.facecolor": self.paper,
            "axes.edgecolor": self.muted,
            "axes.labelcolor": self.ink,
            "text.color": self.ink,
            "xtick.color": self.muted,
            "ytick.color": self.muted,
            "xtick.labelcolor": self.ink,
            "ytick.labelcolor": self.ink,
            "grid.color": self.grid,
            "font.size": FONT_SIZE,
            "svg.hashsalt": "halfstep",  # the same picture gives the same bytes
            "hatch.linewidth": 0.6,
        }

    def colors(self, names: Iterable[str]) -> dict[str, str]:
        """{name: colour} for up to seven names, in an order that keeps neighbours apart."""
        hues = (self.blue, self.sky, self.orange, self.vermillion, self.green, self.purple, self.grey)
        return dict(zip(names, hues, strict=False))


LIGHT = Theme(
    name="light",
    ink="#1b1f24",
    paper="#ffffff",
    muted="#656d76",
    grid="#dfe3e8",
    blue="#0072b2",
    sky="#56b4e9",
    orange="#e69f00",
    vermillion="#d55e00",
    green="#009e73",
    purple="#cc79a7",
    grey="#999999",
    verdicts={
        "all": ("#00598c", "#ffffff"),
        "some": ("#a9d3ee", "#10293a"),
        "undecided": ("#f4efdc", "#3b3622"),
        "none": ("#f0bd7c", "#3a2200"),
        "impossible": ("#a34700", "#ffffff"),
        "context": ("#f1f3f5", "#656d76"),
    },
)
DARK = Theme(
    name="dark",
    ink="#e3e7eb",
    paper="#15191e",
    muted="#97a1ab",
    grid="#30373f",
    blue="#3e97d3",
    sky="#93d0f7",
    orange="#eda92b",
    vermillion="#f0793a",
    green="#2fbd94",
    purple="#dd94bb",
    grey="#8b939b",
    verdicts={
        "all": ("#4aa8e6", "#06202f"),
        "some": ("#1f5478", "#e6f3fc"),
        "undecided": ("#3d3b31", "#efe9d2"),
        "none": ("#7d4c14", "#ffeeda"),
        "impossible": ("#e8843c", "#2a1100"),
        "context": ("#1f252b", "#97a1ab"),
    },
)
MARKS = {"all": "✓", "some": "◐", "undecided": "?", "none": "✗", "impossible": "⊘", "context": "·"}
"""A sign for each verdict, so that no reader needs its colour."""


@dataclass(frozen=True)
class Slot:
    """Where the pictures of one file stand in the report of a claim map."""

    section: str  # the section's place in the page: one of harness.report.claim_map.sections.SECTIONS, or a new one
    order: int  # of the file's pictures in that section, and of the section where it is a new one
    title: str = ""  # of a new section
    text: str = ""  # a paragraph above the pictures, where there are any


@dataclass(frozen=True)
class Picture:
    """A picture that can be drawn in any theme."""

    name: str  # of its files, without ending
    title: str
    alt: str  # what it shows, in words
    draw: Callable[[Theme], Figure]
    heading: str = ""  # above it
    note: str = ""  # a sentence below it
    panel: Panel | None = None  # the same as a grid of cells, which the page shows in its place


def figure(width: float, height: float) -> Figure:
    """An empty Figure of `width` x `height` inches that lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def finish(figure: Figure, axes: Axes, title: str, axis: str = "x", columns: int = 2) -> None:
    """Give `figure` its title on the left and its legend below, and `axes` a quiet grid along `axis`."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(frameon=False, loc="outside lower center", ncols=columns, fontsize=FONT_SIZE)
    plain_axes(axes, axis)


def plain_axes(axes: Axes, axis: str = "x") -> None:
    """A quiet grid along `axis`, behind the data, and no frame above and to the right."""
    axes.grid(axis=axis, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def plain_texts(figure: Figure) -> None:
    """Make every text of a Figure stand as it is: no formula between dollars, nothing unseen, no endless line.

    Ticks that matplotlib words by itself are left alone: they are formulas of its own.
    """
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    sides = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    ticks = {id(text) for axis in sides for text in _tick_texts(axis)}
    for text in figure.findobj(Text):
        if id(text) not in ticks and text.get_text():
            text.set_parse_math(False)
            text.set_text(_plain(text.get_text()))
    for axis in sides:
        if isinstance(form := axis.get_major_formatter(), FixedFormatter | FuncFormatter):
            axis.set_major_formatter(FuncFormatter(partial(_tick, form)))


def _tick(form, value, place):
    """What `form` words a tick as, each dollar escaped once: ticks have no switch for formulas."""
    return DOLLAR.sub(r"\\$", _plain(form(value, place)))


def _tick_texts(axis):
    ticks = [*axis.majorTicks, *axis.minorTicks]
    return [axis.offsetText, *(text for tick in ticks for text in (tick.label1, tick.label2))]


def _plain(text):
    return "\n".join(shown(line, LONGEST_LINE) for line in text.split("\n"))


def png(figure: Figure) -> bytes:
    """PNG bytes of a Figure, of at most COLORS colours; its layout is settled from then on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    plain_texts(figure)
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")
    image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    image = image.quantize(COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, dpi=(DPI, DPI))
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """SVG bytes of a Figure, its texts as outlines; the same picture gives the same bytes."""
    buffer = io.BytesIO()
    plain_texts(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def drawn(picture: Picture, theme: Theme, *encodings) -> list[bytes]:
    """What each of `encodings` (png, svg) makes of a Picture in a Theme: a list of bytes."""
    from matplotlib import rc_context

    with rc_context(theme.settings):
        figure = picture.draw(theme)
        return [encode(figure) for encode in encodings]
