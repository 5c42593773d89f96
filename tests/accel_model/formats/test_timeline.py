"""The timeline shows a report's times, and is what Perfetto and Chrome read."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from accel_model.formats.timeline import RESOURCES, TRACKS, TimelineError, save_timeline, timeline
from accel_model.types import Kind, Phase, Role


def mixed_trace(rng, count=60):
    """GEMMs, some with a vector op behind them that reads what they wrote, and one copy of an input batch."""
    m, n, k = rng.integers(1, 700, size=(3, count))
    trace = Trace.from_gemms(m, n, k, groups=rng.integers(1, 3, size=count))
    vector = rng.random(count) < 0.4
    change = {name: np.where(vector, 0, getattr(trace.ops, name)) for name in ("groups", "m", "n", "k")} | {
        "kind": np.where(vector, Kind.ELEMENTWISE, Kind.GEMM).astype(np.int8),
        "vector_ops": np.where(vector, m * n, 0),
        "phase": rng.integers(0, len(Phase), count).astype(np.int8),
        "layer": rng.integers(0, 3, count).astype(np.int32),
    }
    role = trace.tensors.role.copy()
    role[0] = Role.INPUT
    return replace(
        trace,
        ops=replace(trace.ops, **change),
        tensors=replace(trace.tensors, role=role),
        layers=("", "a.b", "c,\n'd'"),
    )


def designs():
    return Design.grid(
        rows=[16],
        cols=[8],
        fusion=[False, True],
        launch_s=[0.0, 2e-6],
        host_bytes_per_s=[1e10, np.inf],
        vector_lanes=64,
        dram_bytes_per_s=4e9,
    )


def slices(events, process, track):
    """(start and end in ns, event) of each slice, looked up by the names that a viewer shows."""
    named = {(e["name"], e["args"].get("name"), e["pid"]): e for e in events if e["ph"] == "M"}
    (pid,) = {pid for kind, name, pid in named if (kind, name) == ("process_name", process)}
    tid = named["thread_name", track, pid]["tid"]
    found = [e for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) == (pid, tid)]
    return [(round(e["ts"] * 1000), round((e["ts"] + e["dur"]) * 1000), e) for e in found]


def test_slices_add_up_to_the_report():
    trace = mixed_trace(np.random.default_rng(0))
    report = replay(trace, designs())
    rows = list(range(len(report)))
    events = timeline(trace, report, rows)["traceEvents"]
    for row in rows:
        process = f"design {row}"
        ops = slices(events, process, "ops")
        end = max(stop for _, stop, _ in ops)
        assert end == pytest.approx(report.step_s[row] * 1e9, abs=1)
        for resource, column in (RESOURCES | {"launch": "launch_s"}).items():
            busy = sum(stop - start for start, stop, _ in slices(events, process, resource))
            expected = getattr(report, column)[row].sum() * 1e9
            assert busy == pytest.approx(expected, abs=len(trace))  # each slice is rounded to a nanosecond
        assert sum(b - a for a, b, _ in slices(events, process, "host link")) == round(report.host_s[row] * 1e9)


def test_slices_of_a_track_follow_each_other_inside_their_op():
    trace = mixed_trace(np.random.default_rng(1))
    report = replay(trace, designs())
    events = timeline(trace, report, [1])["traceEvents"]
    ops = {e["args"]["op"]: (start, stop) for start, stop, e in slices(events, "design 1", "ops")}
    assert len(ops) == (report.op_s[1] > 0).sum()
    for track in TRACKS:
        drawn = slices(events, "design 1", track)
        assert all(start <= stop for start, stop, _ in drawn)
        assert all(before[1] <= after[0] for before, after in pairwise(drawn))
        for start, stop, event in drawn:
            if track != "host link":
                assert ops[event["args"]["op"]][0] <= start and stop <= ops[event["args"]["op"]][1]


def test_file_is_in_chromes_trace_event_format(tmp_path):
    trace = mixed_trace(np.random.default_rng(2))
    path = tmp_path / "new" / "timeline.json"
    save_timeline(path, trace, replay(trace, designs()), designs=[0, 3], names=["nominal", "other"])
    read = json.loads(path.read_text())
    assert set(read) == {"traceEvents", "displayTimeUnit"}
    named = {e["args"]["name"] for e in read["traceEvents"] if e["name"] == "process_name"}
    assert named == {"nominal", "other"}
    threads = [(e["pid"], e["tid"]) for e in read["traceEvents"] if e["name"] == "thread_name"]
    assert len({tid for _, tid in threads}) == len(threads) == 2 * len(TRACKS)
    assert min(min(thread) for thread in threads) > 0  # Perfetto keeps 0 for the idle thread
    for event in read["traceEvents"]:
        assert event["ph"] in ("X", "M")
        assert isinstance(event["name"], str) and isinstance(event["pid"], int) and isinstance(event["tid"], int)
        if event["ph"] == "X":
            assert event["ts"] >= 0 and event["dur"] >= 0 and isinstance(event["args"], dict)


def test_an_ops_slice_names_it_and_what_bounds_it():
    trace = Trace.from_gemms([64, 3], [32, 4], [16, 5])
    report = replay(trace, Design.grid(rows=8, cols=8))
    first = next(e for e in timeline(trace, report)["traceEvents"] if e["ph"] == "X")
    assert first["name"] == "gemm forward" and first["cat"] == "forward"
    assert {name: first["args"][name] for name in ("groups", "m", "n", "k")} == {"groups": 1, "m": 64, "n": 32, "k": 16}
    assert first["args"]["bound"] in ("compute", "dram", "buffer")


def test_what_cannot_be_drawn_is_said():
    trace = Trace.from_gemms([64, 3], [32, 4], [16, 5])
    design = Design.grid(rows=8, cols=8)
    report = replay(trace, design)
    with pytest.raises(TimelineError, match="per_op=True"):
        timeline(trace, replay(trace, design, per_op=False))
    with pytest.raises(TimelineError, match="2 ops, the trace 1"):
        timeline(Trace.from_gemms(1, 1, 1), report)
    with pytest.raises(TimelineError, match="no design 1"):
        timeline(trace, report, [1])
    with pytest.raises(TimelineError, match="2 names for 1 designs"):
        timeline(trace, report, names=["a", "b"])


def test_a_failed_write_leaves_nothing(tmp_path):
    trace = Trace.from_gemms(4, 4, 4)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(TimelineError, match="cannot write"):
        save_timeline(blocked / "timeline.json", trace, replay(trace, Design.grid(rows=8, cols=8)))
    assert blocked.read_text() == ""
