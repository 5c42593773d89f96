"""Time by layer and phase, measured beside simulated: one table for the files, the summary and the picture."""

from __future__ import annotations

import numpy as np

from accel_model.types import Phase
from harness.flows.run import Result
from harness.text.shown import shown
from harness.text.table import Table
from harness.text.units import digits, ms
from harness.training.layers import PHASES, LayerTimes

PHASE_OF = {  # what a device runs as one backward pass, the trace tells apart
    Phase.FORWARD: "forward",
    Phase.OTHER: "forward",
    Phase.RECOMPUTE: "backward",
    Phase.DGRAD: "backward",
    Phase.WGRAD: "backward",
    Phase.UPDATE: "update",
}
UNATTRIBUTED = "(not attributed)"
MODEL = "(the model itself)"
SHOWN = 24  # layers in a table or picture for people; the rest are added up in one row


def layer_table(result: Result) -> dict[str, list]:
    """{column: list}, one row per module in the order of its first op: MACs, bytes, seconds by side and phase.

    Modules that only make views have no op, and are listed where the measurement gives them time. Measured columns hold
    None where nothing was measured; where something was, a last row holds what belongs to no known layer.
    """
    ops, uses, layers, times = result.trace.ops, result.trace.uses, result.trace.layers, result.layer_times
    measured = dict(zip(times.layers, times.seconds, strict=True)) if times else {}
    names = list(layers) + [name for name in measured if name not in set(layers)]
    sums = {column: np.zeros(len(names)) for column in ("macs", "touched_bytes")}
    np.add.at(sums["macs"], ops.layer, ops.macs)
    np.add.at(sums["touched_bytes"], ops.layer[uses.op], uses.bytes)
    phase = np.array([PHASES.index(PHASE_OF[one]) for one in sorted(PHASE_OF)])[ops.phase]
    simulated = np.zeros((len(names), len(PHASES)))
    np.add.at(simulated, (ops.layer, phase), np.asarray(result.report.op_s)[0])
    seen = set(ops.layer.tolist()) | {index for index, name in enumerate(names) if name in measured}
    order = [*sorted(seen - {0}), *(seen & {0})]  # the model itself, with its loss, last
    rows = [(names[i], measured.get(names[i]), simulated[i], sums["macs"][i], sums["touched_bytes"][i]) for i in order]
    if times:
        rows.append((UNATTRIBUTED, np.array([times.unattributed_s, 0.0, 0.0]), np.zeros(len(PHASES)), 0.0, 0.0))
    return _columns(rows)


def _columns(rows):
    """The table of (name, measured or None, simulated, macs, bytes); what no layer is known of has no phase either."""
    table = {
        "layer": [name for name, *_ in rows],
        "macs": [float(macs) for *_, macs, _ in rows],
        "touched_bytes": [float(touched) for *_, touched in rows],
        "simulated_s": [float(simulated.sum()) for _, _, simulated, *_ in rows],
        "measured_s": [None if measured is None else float(measured.sum()) for _, measured, *_ in rows],
    }
    for index, phase in enumerate(PHASES):
        table[f"simulated_{phase}_s"] = [float(simulated[index]) for _, _, simulated, *_ in rows]
        table[f"measured_{phase}_s"] = [
            None if measured is None or name == UNATTRIBUTED else float(measured[index]) for name, measured, *_ in rows
        ]
    return table


def folded(table: dict[str, list], most: int = SHOWN) -> dict[str, list]:
    """`table` with only the `most` layers that are longest on either side, in the model's order, and the sum of the
    others in a row that the added column "many" marks."""
    names, special = table["layer"], [i for i, name in enumerate(table["layer"]) if name == UNATTRIBUTED]
    weight = np.zeros(len(names))
    for side in ("measured_s", "simulated_s"):
        seconds = np.array([value or 0.0 for value in table[side]])
        weight += seconds / (seconds.sum() or 1.0)
    ranked = [i for i in np.argsort(-weight, kind="stable").tolist() if i not in special]
    kept, rest = sorted(ranked[:most]), ranked[most:]
    columns = {name: [values[i] for i in kept] for name, values in table.items()} | {"many": [False] * len(kept)}
    columns["layer"] = [shown(name) or MODEL for name in columns["layer"]]
    if rest:
        added = {name: _sum(values[i] for i in rest) for name, values in table.items() if name != "layer"}
        for name, value in (added | {"layer": f"({len(rest)} other layers)", "many": True}).items():
            columns[name].append(value)
    for i in special:
        for name, values in columns.items():
            values.append(False if name == "many" else table[name][i])
    return columns


def _sum(values):
    """The sum of the values that are not None, or None where all are."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def caption(times: LayerTimes | None) -> str:
    """What a reader of measured layer times must know, in a sentence, or "" where nothing was measured."""
    if times is None:
        return ""
    if times.note:
        return f"No measured time belongs to a layer: {times.note}."
    whole_s = float(times.seconds.sum()) + times.unattributed_s
    return (
        f"Measured: shares of a profiled pass, scaled to the unprofiled step of {ms(whole_s)}; "
        f"{times.unattributed_s / whole_s:.1%} of it belongs to no known layer; kernels and ops took "
        f"{ms(times.profiled_s)} of a profiled step."
    )


def times_table(result: Result) -> Table:
    """The time of each layer on both sides and by phase, as a Table for people; the longest layers only."""
    table = folded(layer_table(result))
    sides = (["measured"] if result.layer_times else []) + ["simulated"]
    heads = [(f"{side}_{phase}_s", f"{side} {phase}") for side in sides for phase in PHASES]
    heads += [(f"{side}_s", side) for side in sides]
    rows = zip(table["layer"], *(map(_ms, table[column]) for column, _ in heads), strict=True)
    spare = tuple(title for column, title in heads if column.count("_") == 2)
    return Table(
        "Time by layer (ms a step)", ("layer", *(title for _, title in heads)), tuple(rows), _note(result), spare
    )


def _note(result):
    simulated = "Simulated: nominal completion; backward is dgrad, wgrad and recompute"
    host = f"the host's copy, {ms(float(result.report.host_s[0]), 3)}, belongs to no layer"
    return f"{caption(result.layer_times)} {simulated}; {host}.".strip()


def _ms(seconds):
    return "" if seconds is None else digits(1e3 * seconds, 3)
