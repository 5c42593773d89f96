"""Pictures: the one file that imports matplotlib."""

import io

BLUE, ORANGE, GREY = "#0072b2", "#e69f00", "#999999"  # Okabe and Ito's palette, told apart by colour-blind readers
SHOWN = 24  # layers in a picture; the rest are added up in one bar


def layers(table, title, device):
    """PNG bytes of measured and simulated time per layer.

    table: {"layer": texts, "measured_s": floats or None, "simulated_s": floats}, in the model's order.
    """
    from matplotlib.figure import Figure

    names, measured, simulated = _folded(table)
    figure = Figure(figsize=(9, 1.8 + 0.26 * len(names)), layout="constrained")
    axes = figure.subplots()
    for row, pair in enumerate(zip(measured, simulated, strict=True)):
        if min(pair) > 0:
            axes.plot([1e3 * pair[0], 1e3 * pair[1]], [row, row], color=GREY, linewidth=1)
    sides = [(measured, "o", BLUE, f"measured, {device}"), (simulated, "D", ORANGE, "simulated accelerator")]
    for values, marker, color, label in sides:
        points = [(1e3 * value, row) for row, value in enumerate(values) if value > 0]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=color, markersize=6, label=label)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("time per training step, forward, backward and update (ms)")
    _finish(axes, title)
    figure.legend(frameon=False, loc="outside lower center", ncols=2, fontsize=9)
    return _png(figure)


def claim(rows, title, thresholds):
    """PNG bytes of the time reduction of each baseline with its interval, and the claims' thresholds.

    rows: list of (label, low, middle, high, ceiling), fractions. thresholds: {label: fraction}.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.8 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots()
    least = -1.0  # longer times are cut off at twice the baseline's
    for row, (_, low, middle, high, ceiling) in enumerate(rows):
        axes.plot(
            [100 * max(low, least), 100 * max(high, least)],
            [row, row],
            color=BLUE,
            linewidth=2.5,
            solid_capstyle="butt",
        )
        marker = "o" if middle > least else "<"
        axes.plot(100 * max(middle, least), row, marker, color=BLUE, markersize=6)
        if ceiling > least:
            axes.plot(100 * ceiling, row, "|", color=GREY, markersize=12, markeredgewidth=2)
    for (label, threshold), style in zip(thresholds.items(), ("--", ":", "-."), strict=False):
        axes.axvline(100 * threshold, color=ORANGE, linestyle=style, label=label)
    axes.plot([], [], "o-", color=BLUE, label="simulated against published or measured, with interval")
    axes.plot([], [], "|", color=GREY, markersize=12, markeredgewidth=2, label="ceiling: every MAC unit busy")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(100 * least - 4, 100)
    axes.set_xlabel("training time saved by the accelerator (%); left of 0 it is slower")
    _finish(axes, title)
    figure.legend(frameon=False, loc="outside lower center", ncols=2, fontsize=9)
    return _png(figure)


def _finish(axes, title):
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


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


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120)
    return buffer.getvalue()
