"""The pictures of one run: time by layer, and speed-ups over published devices."""

import textwrap

from harness.report.pictures.canvas import LIGHT, figure, finish, plain_axes, png

PHASES = ("forward", "backward", "update")


def layers(table, title, device, caption):
    """PNG bytes of layers_figure."""
    return png(layers_figure(table, title, device, caption))


def layers_figure(table, title, device, caption, theme=LIGHT):
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
        text = f"{total:,.0f}" if total >= 1000 else f"{total:.3g}"
        place, text = (total, text) if row in single else (0, f"{text} in sum")
        axes.annotate(text, (place, row), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_xlim(0, 1.13 * longest)


def speedups(rows, title, thresholds):
    """PNG bytes of the accelerator's speed-up over each baseline with its interval, and what the claims ask for.

    rows: list of (label, low, middle, high, ceiling), measured over simulated time; low may be 0.
    thresholds: {label: speed-up}.
    """
    canvas = figure(9, 1.9 + 0.22 * len(rows))
    axes = canvas.subplots()
    least = min(0.5, *(0.7 * middle for _, _, middle, _, _ in rows))
    for row, (_, low, middle, high, ceiling) in enumerate(rows):
        axes.plot([max(low, least), high], [row, row], color=LIGHT.blue, linewidth=2.5, solid_capstyle="butt")
        axes.plot(middle, row, "o", color=LIGHT.blue, markersize=5)
        axes.plot(ceiling, row, "|", color="black", markersize=9, markeredgewidth=1.5)
    for (label, threshold), style in zip(thresholds.items(), ("--", ":", "-."), strict=False):
        axes.axvline(threshold, color=LIGHT.orange, linewidth=2, linestyle=style, label=f"{label}: {threshold:.3g}x")
    axes.plot([], [], "o-", color=LIGHT.blue, label="nominal completion, with interval")
    axes.plot([], [], "|", color="black", markersize=9, markeredgewidth=1.5, label="ceiling: every MAC unit busy")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}x")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.3, -0.7)
    axes.set_xlabel("speed-up of the accelerator over the baseline; left of 1x it is slower")
    finish(canvas, axes, title)
    return png(canvas)
