"""The pictures of one run: time by layer, and speed-ups over published devices."""

from harness.pictures.canvas import LIGHT, figure, finish, png

BLUE, ORANGE, GREY = LIGHT.blue, LIGHT.orange, LIGHT.grey
SHOWN = 24  # layers in a picture; the rest are added up in one bar


def layers(table, title, device):
    """PNG bytes of layers_figure."""
    return png(layers_figure(table, title, device))


def layers_figure(table, title, device):
    """A Figure of measured and simulated time per layer.

    table: {"layer": texts, "measured_s": floats or None, "simulated_s": floats}, in the model's order.
    """
    names, measured, simulated = _folded(table)
    canvas = figure(9, 1.8 + 0.26 * len(names))
    axes = canvas.subplots()
    for row, pair in enumerate(zip(measured, simulated, strict=True)):
        if min(pair) > 0:
            axes.plot([1e3 * pair[0], 1e3 * pair[1]], [row, row], color=GREY, linewidth=1)
    sides = [(measured, "o", BLUE, f"measured, {device}"), (simulated, "D", ORANGE, "simulated accelerator")]
    for values, marker, color, label in sides:
        points = [(1e3 * value, row) for row, value in enumerate(values) if value > 0]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=color, markersize=6, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(len(names) - 0.3, -0.7)
    axes.set_xlabel("time per training step, forward, backward and update (ms)")
    finish(canvas, axes, title)
    return canvas


def speedups(rows, title, thresholds):
    """PNG bytes of the accelerator's speed-up over each baseline with its interval, and what the claims ask for.

    rows: list of (label, low, middle, high, ceiling), measured over simulated time; low may be 0.
    thresholds: {label: speed-up}.
    """
    canvas = figure(9, 1.9 + 0.22 * len(rows))
    axes = canvas.subplots()
    least = min(0.5, *(0.7 * middle for _, _, middle, _, _ in rows))
    for row, (_, low, middle, high, ceiling) in enumerate(rows):
        axes.plot([max(low, least), high], [row, row], color=BLUE, linewidth=2.5, solid_capstyle="butt")
        axes.plot(middle, row, "o", color=BLUE, markersize=5)
        axes.plot(ceiling, row, "|", color="black", markersize=9, markeredgewidth=1.5)
    for (label, threshold), style in zip(thresholds.items(), ("--", ":", "-."), strict=False):
        axes.axvline(threshold, color=ORANGE, linewidth=2, linestyle=style, label=f"{label}: {threshold:.3g}x")
    axes.plot([], [], "o-", color=BLUE, label="nominal completion, with interval")
    axes.plot([], [], "|", color="black", markersize=9, markeredgewidth=1.5, label="ceiling: every MAC unit busy")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}x")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.3, -0.7)
    axes.set_xlabel("speed-up of the accelerator over the baseline; left of 1x it is slower")
    finish(canvas, axes, title)
    return png(canvas)


def _folded(table):
    """The SHOWN longest layers in the model's order, and one bar with the sum of the others."""
    measured = [value or 0.0 for value in table["measured_s"]]
    simulated = table["simulated_s"]
    whole_m, whole_s = sum(measured) or 1.0, sum(simulated) or 1.0
    weight = [m / whole_m + s / whole_s for m, s in zip(measured, simulated, strict=True)]
    kept = sorted(sorted(range(len(weight)), key=lambda i: -weight[i])[:SHOWN])
    names = [table["layer"][i] or "(the model itself)" for i in kept]
    parts = [[values[i] for i in kept] for values in (measured, simulated)]
    if rest := sorted(set(range(len(weight))) - set(kept)):
        names.append(f"({len(rest)} other layers)")
        for part, values in zip(parts, (measured, simulated), strict=True):
            part.append(sum(values[i] for i in rest))
    return names, *parts
