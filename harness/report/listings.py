"""Tables of what is at hand: a replayed trace, validated chips, the runs of a sweep."""

from __future__ import annotations

import math
import statistics

from accel_model import Report, Trace
from harness.text.shown import shown
from harness.text.table import Table
from harness.text.units import digits, ms, percent

NAMED = 40  # ops without a formula that are named
UNCOUNTED_SHARE = 0.01  # of the bytes touched, above which ops without a formula are warned of


def trace_line(trace: Trace) -> str:
    """A trace in one line of text."""
    macs = ", ".join(f"{phase} {digits(count / 1e9)}" for phase, count in trace.macs_by_phase().items() if count)
    name = shown(trace.meta.get("workload", "trace"))
    return (
        f"{name}: {len(trace)} ops, {len(trace.tensors.bytes)} tensors, GMACs: {macs}; "
        f"{digits(trace.uses.bytes.sum() / 1e9)} GB touched, "
        f"{digits(trace.live_bytes().max(initial=0) / 1e9)} GB at the peak"
    )


def uncounted_line(trace: Trace) -> str:
    """The ops that have no formula and their share of the bytes, with a warning where it is above 1 %; "" for none."""
    count = sum(count for count, _ in trace.uncounted.values())
    touched = sum(size for _, size in trace.uncounted.values())
    share = touched / max(int(trace.uses.bytes.sum()), 1)
    mark = "Warning: " if share > UNCOUNTED_SHARE else ""
    names = ", ".join(map(shown, sorted(trace.uncounted)[:NAMED]))
    names += f" and {len(trace.uncounted) - NAMED} more" if len(trace.uncounted) > NAMED else ""
    return f"{mark}{count} ops without a formula touch {share:.2%} of the bytes: {names}." if count else ""


def replay_table(trace: Trace, report: Report) -> Table:
    """A replayed trace on the nominal design: time, what binds it, and the floor."""
    rows = [
        ("training step", ms(float(report.step_s[0]))),
        ("floor", ms(float(report.floor_s[0]))),
        ("cycles of the array", f"{int(report.tiled_cycles[0].sum()):,}"),
        ("MAC units busy", f"{float(report.utilisation[0]):.1%}"),
        ("energy", f"{digits(float(report.energy_j[0]))} J a step"),
        ("ops without a formula", str(sum(count for count, _ in trace.uncounted.values()))),
    ]
    rows += [(f"phase {name}", ms(float(values[0]))) for name, values in report.by_phase().items() if float(values[0])]
    rows += [
        (f"bound by {name}", ms(float(values[0]))) for name, values in report.by_bound().items() if float(values[0])
    ]
    return Table("Replay on the nominal completion", ("what", "value"), tuple(rows))


def validation_table(cells: list) -> Table:
    """Every published figure of the chips beside the simulated one."""
    rows = tuple(
        (
            *(cell.chip, cell.kind, f"{cell.workload}, batch {cell.batch}", cell.layer, cell.metric),
            f"{digits(cell.published)} {cell.unit}",
            "" if math.isnan(cell.simulated) else f"{digits(cell.simulated)} {cell.unit}",
            "" if math.isnan(cell.error) else percent(cell.error),
            cell.remark,
        )
        for cell in cells
    )
    columns = ("chip", "kind", "workload", "layer", "metric", "published", "simulated", "error", "remark")
    spare = ("remark", "kind", "workload")
    return Table("Published chips", columns, rows, "Error: simulated over published, less 1.", spare)


def validation_errors(cells: list) -> Table:
    """The errors of validation_table by chip and metric: smallest, median and largest."""
    groups = {}
    for cell in cells:
        if not math.isnan(cell.error):
            groups.setdefault((cell.chip, cell.metric), []).append(cell.error)
    rows = tuple(
        (*key, str(len(errors)), *(percent(error) for error in (min(errors), statistics.median(errors), max(errors))))
        for key, errors in groups.items()
    )
    return Table("Errors by chip and metric", ("chip", "metric", "cells", "smallest", "median", "largest"), rows)


def sweep_table(found: dict[str, list]) -> Table:
    """The finished runs of a sweep, one row each; found: what harness.store.files.sweep_table returns."""
    columns = {
        "run": ("run", str),
        "workload": ("workload", shown),
        "batch_size": ("batch", str),
        "precision": ("precision", str),
        "time/measured_step_ms": ("measured (ms)", digits),
        "time/measured_iqr_pct": ("IQR (%)", "{:.0f}".format),
        "time/simulated_step_ms": ("simulated (ms)", digits),
        "train/accuracy_pct": ("accuracy (%)", "{:.1f}".format),
    }
    kept = [(name, title, form) for name, (title, form) in columns.items() if name in found]
    rows = tuple(
        tuple("" if found[name][i] is None else form(found[name][i]) for name, _, form in kept)
        for i in range(len(found.get("run", [])))
    )
    return Table("Finished runs of the sweep", tuple(title for _, title, _ in kept), rows)


def sweep_rows(found: dict[str, list]) -> list[tuple[str, float | None, float]]:
    """(label, measured in ms or None, simulated in ms) of every finished run of a sweep, for its picture."""
    measured = found.get("time/measured_step_ms")
    return [
        (
            f"{shown(found['workload'][i])}, b{found['batch_size'][i]}, {found['precision'][i]}",
            measured[i] if measured else None,
            found["time/simulated_step_ms"][i],
        )
        for i in range(len(found.get("run", [])))
    ]
