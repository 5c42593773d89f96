"""A Report as a timeline for ui.perfetto.dev or chrome://tracing: a slice per op and resource, in JSON.

Ops follow each other. Within an op its launch comes first; then array, on-chip memory, vector unit and DRAM are busy
side by side, each drawn from the op's start as one slice as long as its work takes in sum. What the op's own slice has
beyond the longest of them is time in which the tile sequence waits.
Source: Trace Event Format (Chrome), complete events; Perfetto keeps whole nanoseconds.
"""

import json
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from accel_model.errors import AccelModelError
from accel_model.formats.atomic import write_bytes
from accel_model.formats.shown import shown
from accel_model.report import Bound, Report
from accel_model.trace import Trace
from accel_model.types import Kind, Phase

RESOURCES = {"array": "compute_s", "vector unit": "vector_s", "DRAM": "dram_s", "buffer": "buffer_s"}
TRACKS = ("ops", "host link", "launch", *RESOURCES)
LARGEST_SLICES = 5_000_000


class TimelineError(AccelModelError):
    """A timeline cannot be drawn of this report, or cannot be written."""


def save_timeline(
    path: str | PathLike,
    trace: Trace,
    report: Report,
    designs: Sequence[int] = (0,),
    names: Sequence[str] | None = None,
) -> None:
    """Write `timeline(...)` to a JSON file at `path`, atomically; raises TimelineError."""
    data = json.dumps(timeline(trace, report, designs, names), allow_nan=False, separators=(",", ":")).encode()
    try:
        write_bytes(path, data)
    except OSError as error:
        raise TimelineError(f"cannot write the timeline to {path}: {error.strerror or error}") from None


def timeline(
    trace: Trace, report: Report, designs: Sequence[int] = (0,), names: Sequence[str] | None = None
) -> dict[str, Any]:
    """The step of `trace` on some designs of `report`, as a mapping in Chrome's Trace Event Format.

    designs: rows of the report, one process of the timeline each. names: what to call them; "design N" where left out.
    Raises TimelineError where the report has no per-op columns, is of another trace, or lacks such a design.
    """
    if report.op_s is None:
        raise TimelineError("the report has sums only: call replay with per_op=True")
    if report.op_s.shape[1] != len(trace):
        raise TimelineError(
            f"the report has {report.op_s.shape[1]} ops, the trace {len(trace)}: give the report's trace"
        )
    designs = [int(row) for row in np.atleast_1d(designs)]
    if bad := [row for row in designs if not 0 <= row < len(report)]:
        raise TimelineError(f"the report has no design {bad[0]}: give rows from 0 to {len(report) - 1}")
    if len(designs) * len(trace) * len(TRACKS) > LARGEST_SLICES:
        raise TimelineError(f"{len(designs)} designs of {len(trace)} ops are too many slices: give fewer designs")
    names = [f"design {row}" for row in designs] if names is None else [shown(name) for name in names]
    if len(names) != len(designs):
        raise TimelineError(f"there are {len(names)} names for {len(designs)} designs: give one each")
    labels = _labels(trace)
    events = []
    for number, (row, name) in enumerate(zip(designs, names, strict=True), 1):
        process = 100 * number
        events.append(_meta("process_name", process, TRACKS[0], name=name))
        for position, track in enumerate(TRACKS):
            events.append(_meta("thread_name", process, track, name=track))
            events.append(_meta("thread_sort_index", process, track, sort_index=position))
        events += _slices(trace, report, row, process, labels)
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def _labels(trace):
    """What to call each op: its layer and phase."""
    ops, labels = trace.ops, []
    for layer, name, kind, phase in zip(ops.layer, ops.name, ops.kind, ops.phase, strict=True):
        what = trace.layers[layer] or trace.names[name] or Kind(kind).name.lower()
        labels.append(f"{shown(what)} {Phase(phase).name.lower()}")
    return labels


def _slices(trace, report, row, process, labels):
    host_s, op_s, launch_s = float(report.host_s[row]), report.op_s[row], report.launch_s[row]
    ends_s = host_s + np.cumsum(op_s)
    if not np.isfinite(ends_s).all():
        raise TimelineError(f"design {row} has an op whose time is not finite: check the design's rates")
    start_s = np.append(host_s, ends_s[:-1])
    start, end = _ns(start_s), _ns(ends_s)
    launched = np.minimum(_ns(start_s + launch_s), end)
    busy = {name: getattr(report, column)[row] for name, column in RESOURCES.items()}
    until = {name: np.minimum(_ns(start_s + launch_s + seconds), end) for name, seconds in busy.items()}
    if host_s > 0:
        yield _slice("copy of the batch", "host", process, "host link", 0, int(_ns(host_s)), {})
    for op in np.flatnonzero(op_s > 0):
        label, phase = labels[op], Phase(trace.ops.phase[op]).name.lower()
        yield _slice(label, phase, process, "ops", start[op], end[op], _details(trace, report, row, op))
        if launch_s[op] > 0:
            yield _slice(label, phase, process, "launch", start[op], launched[op], {"op": int(op)})
        for name in RESOURCES:
            if busy[name][op] > 0:
                yield _slice(label, phase, process, name, launched[op], until[name][op], {"op": int(op)})


def _details(trace, report, row, op):
    """What a click on an op's slice shows."""
    ops = trace.ops
    details = {
        "op": int(op),
        "kind": Kind(ops.kind[op]).name.lower(),
        "bound": Bound(report.bound[row, op]).name.lower(),
    }
    if ops.groups[op]:
        details |= {name: int(getattr(ops, name)[op]) for name in ("groups", "m", "n", "k")}
        details |= {name: int(getattr(report, name)[row, op]) for name in ("compute_cycles", "tiled_cycles")}
    return details | {name: float(getattr(report, name)[row, op]) for name in ("dram_bytes", "op_energy_j")}


def _slice(name, category, process, track, start_ns, end_ns, details):
    """A complete event; its times are in microseconds."""
    times = {"ts": int(start_ns) / 1000, "dur": int(end_ns - start_ns) / 1000}
    return {
        "name": name,
        "cat": category,
        "ph": "X",
        "pid": process,
        "tid": _thread(process, track),
        **times,
        "args": details,
    }


def _meta(kind, process, track, **value):
    return {"name": kind, "ph": "M", "pid": process, "tid": _thread(process, track), "args": value}


def _thread(process, track):
    """A number that no other track or process has, and not 0, which Perfetto takes for the idle thread."""
    return process + 1 + TRACKS.index(track)


def _ns(seconds):
    """Whole nanoseconds, so that slices that touch never overlap once they are rounded."""
    return np.rint(np.asarray(seconds) * 1e9).astype(np.int64)
