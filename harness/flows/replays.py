"""Many traces on all completions: replayed in parallel processes, and remembered by content in a folder.

A remembered replay is found by what went into it: every column of the trace, every column of the designs and the
source of the accelerator model. Nothing in the folder is ever trusted further than its name and shapes: a file that
cannot be read is made again.
"""

from __future__ import annotations

import io
import logging
import zipfile
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accel_model import Report, Trace, replay_all
from accel_model.errors import AccelModelError
from accel_model.formats.atomic import write_bytes
from accel_model.report import Bound
from accel_model.types import Phase
from harness.judging.breakeven import Curves, of_report, variants
from harness.store.keys import designs_digest, replay_key, trace_digest

LOG = logging.getLogger(__name__)
JOB_BYTES = 100_000  # of trace files that one process replays together
KEPT = ("phase_s", "host_s", "floor_s", "energy_j")  # of a Report over all completions


@dataclass(frozen=True, eq=False)
class Replayed:
    """A trace on all completions, and on the variants of the nominal design where they were asked for."""

    report: Report  # sums over all completions; bound_s holds the nominal design's in every row, dram bytes are NaN
    curves: Curves | None


def replay_groups(groups, designs, folder, workers, break_even=True, told=lambda done, total: None):
    """Replay traces on `designs` (Design, the nominal one first) and yield (key, Replayed or error) as they come.

    groups: lists of (key, path of a trace file), each replayed a few traces at a time. folder: of
    what is remembered. workers: processes. told: called with traces done and traces in all. An AccelModelError of a
    group is yielded for each of its keys, and the other groups go on.
    """
    total, done = sum(map(len, groups)), 0
    common = designs_digest(designs)
    todo = []
    for group in groups:
        missing = []
        for key, path in group:
            name = replay_key(_digest_of(path, path.stat().st_mtime_ns), common)
            place = folder / f"{name}{'_b' if break_even else ''}.npz"
            if (found := _recalled(place, designs, break_even)) is not None:
                done += 1
                told(done, total)
                yield key, found
            else:
                missing.append((key, path, place))
        todo += _jobs(missing)
    todo.sort(key=lambda group: -sum(path.stat().st_size for _, path, _ in group))  # the long ones first
    for keys, places, error in _worked(todo, designs, workers, break_even):
        done += len(keys)
        told(done, total)
        for key, place in zip(keys, places, strict=True):
            yield key, error or _recalled(place, designs, break_even)


def _jobs(missing):
    """`missing` in lists of about JOB_BYTES: enough to share what can be shared, and little enough to lose."""
    jobs, room = [], 0
    for one in missing:
        size = one[1].stat().st_size
        if size > room:
            jobs.append([])
            room = JOB_BYTES
        jobs[-1].append(one)
        room -= size
    return jobs


def _worked(todo, designs, workers, break_even):
    """Yield (keys, places, error or None) of each list of `todo` when it is done."""
    if not todo:
        return
    jobs = [([key for key, _, _ in one], [path for _, path, _ in one], [place for *_, place in one]) for one in todo]
    if workers == 1 or len(jobs) == 1:
        yield from (_work(*job, designs, break_even, None) for job in jobs)
        return
    from joblib import Parallel, delayed

    run = Parallel(n_jobs=min(workers, len(jobs)), return_as="generator_unordered", pre_dispatch="all")
    yield from run(delayed(_work)(*job, designs, break_even, 1) for job in jobs)


def _work(keys, paths, places, designs, break_even, threads):
    try:
        traces = [Trace.load(path) for path in paths]
        reports = replay_all(traces, designs, workers=threads)
        around = [None] * len(traces)
        if break_even:
            around = replay_all(traces, variants(designs[:1]), workers=threads, must_run=False)
        for place, report, varied in zip(places, reports, around, strict=True):
            _remember(place, report, varied)
    except AccelModelError as error:
        return keys, places, error
    return keys, places, None


def _remember(place, report, varied):
    arrays = {name: getattr(report, name) for name in KEPT} | {"bound_s": report.bound_s[:1]}
    if varied is not None:
        arrays |= {f"around_{name}": getattr(varied, name) for name in (*KEPT, "bound_s", "runs")}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_bytes(place, buffer.getvalue())


def _recalled(place, designs, break_even):
    """The Replayed in a file, or None where there is none or it is not what it should be."""
    if not place.is_file():
        return None
    try:
        with np.load(place, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        report = _report({name: arrays[name] for name in (*KEPT, "bound_s")}, len(designs))
        if not break_even:
            return Replayed(report, None)
        table = variants(designs[:1])
        around = {name: arrays[f"around_{name}"] for name in (*KEPT, "bound_s", "runs")}
        return Replayed(report, of_report(_report(around, len(table)), designs[:1]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        LOG.warning("%s is damaged and is made again (%s)", place, error)
        return None


def _report(arrays, count):
    shapes = {"phase_s": (count, len(Phase)), "host_s": (count,), "floor_s": (count,), "energy_j": (count,)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float64:
            raise ValueError(f"{name} is {arrays[name].dtype} {arrays[name].shape}")
    unknown = np.full(count, np.nan)
    return Report(
        step_s=arrays["phase_s"].sum(axis=1) + arrays["host_s"],
        host_s=arrays["host_s"],
        floor_s=arrays["floor_s"],
        utilisation=unknown,
        energy_j=arrays["energy_j"],
        dram_total_bytes=unknown,
        fits=np.ones(count, dtype=bool),
        watts=unknown,
        over_watts_limit=np.zeros(count, dtype=bool),
        phase_s=arrays["phase_s"],
        bound_s=np.broadcast_to(arrays["bound_s"], (count, len(Bound))),
        runs=arrays.get("runs", np.ones(count, dtype=bool)),
    )


@lru_cache(maxsize=4096)
def _digest_of(path, changed_ns):
    """Digest of the trace in the file at `path` as of its last change: a map asks for each more than once."""
    return trace_digest(Trace.load(path))
