"""replay: a trace on a table of designs, in chunks of designs, each distinct piece of work costed once."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np

from accel_model.array.chunks import IN_CACHE, alike, sizes_on_device
from accel_model.array.cost import MacCosts, mac_costs, make_plans, unit_costs
from accel_model.array.dataflow import records_of
from accel_model.array.record import UNLIMITED_BYTES_PER_S, Arrays, Convention, Overlap
from accel_model.array.search import Speeds
from accel_model.arrays import beside, choose, device, free_bytes, namespace, on_host, to_numpy
from accel_model.design import Design
from accel_model.errors import DesignError, TraceError
from accel_model.report import Bound, Report
from accel_model.silicon.energy import vector_j
from accel_model.tables import LARGEST_EXACT
from accel_model.trace import Trace, check_rates
from accel_model.types import Phase
from accel_model.work.floors import compute_floor_s, memory_floor_s
from accel_model.work.units import Units, host_bytes, joined, work_of

PER_OP = [f.name for f in fields(Report) if f.default is None]
WHOLE_NUMBERS = ("compute_cycles", "tiled_cycles", "bound")
ROOM_FOR_ALL = 1e300  # bytes
GPU_WORKERS = 2


def replay(
    trace: Trace, design: Design, per_op: bool = True, workers: int | None = None, must_run: bool = True
) -> Report:
    """Time, traffic and energy of one training step of `trace` on each row of `design`.

    trace: Trace with at least one op. design: Design; the computation runs on its kind of arrays (Design.to). per_op:
    false keeps sums only, in memory that does not grow with ops. workers: threads, by default one per CPU, or two
    where the arrays lie on a GPU. must_run: false keeps designs that cannot run an op (no tile fits the buffer, or more
    than 2^53 cycles), with infinite step_s and energy_j, where true raises DesignError. Returns a Report. Raises
    TraceError for an empty trace, and for MACs of a format that no design states a rate for (fp64).
    """
    return _replayed((trace,), design, per_op, workers, must_run)[0]


def replay_all(
    traces: Iterable[Trace], design: Design, workers: int | None = None, must_run: bool = True
) -> list[Report]:
    """The Reports, sums only, of several traces on the same designs, faster than one `replay` after another.

    What depends on a design and not on a trace is done once, so that many small traces cost little more than one.
    Arguments and errors are as for `replay`; returns a list in the order of `traces`.
    """
    traces = tuple(traces)
    return _replayed(traces, design, False, workers, must_run) if traces else []


def _replayed(traces, design, per_op, workers, must_run):
    with beside(design.rows):
        return _replayed_there(traces, design, per_op, workers, must_run)


def _replayed_there(traces, design, per_op, workers, must_run):
    if not all(len(trace) for trace in traces):
        raise TraceError("the trace has no ops: capture a step, or make a trace with Trace.from_gemms")
    for trace in traces:
        check_rates(trace)
    columns = {f.name: to_numpy(getattr(design, f.name)) for f in fields(design) if f.name != "name"}
    out = _empty(len(design), len(traces), len(traces[0]) if per_op else 0)
    works = {fusion: joined([work_of(trace, fusion) for trace in traces]) for fusion in _used(columns["fusion"])}
    prepared = {}
    ranks = _ranks(works, columns)

    def work_at(fusion, rank):
        if (fusion, rank) not in prepared:
            prepared[fusion, rank] = _Prepared(traces, works[fusion], rank, design.rows)
        return prepared[fusion, rank]

    there = design.rows
    workers = _workers(there) if workers is None else workers
    sizes = IN_CACHE if on_host(there) else sizes_on_device(free_bytes(there), workers)
    jobs = [(work_at(bool(group.fusion), group.rank), group) for group in alike(columns, ranks, work_at, sizes)]

    def run(job):
        with beside(there):  # each thread has a current device of its own
            for rows, sums in _run(*job, columns, design.name, per_op, must_run):
                for name, values in sums.items():
                    # a group's values stand at its first op, zeros at the ops that joined it
                    place = np.ix_(rows, job[0].head) if name in PER_OP else rows
                    out[name][place] = values

    if workers > 1 and len(jobs) > 1:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run, jobs))
    else:
        for job in jobs:
            run(job)
    of_ops = {name: values for name, values in out.items() if name in PER_OP}
    sums = {name: values for name, values in out.items() if name not in PER_OP}
    return [
        _finish(trace, design, columns, {name: values[:, i] for name, values in sums.items()} | of_ops)
        for i, trace in enumerate(traces)
    ]


def _workers(like):
    """Threads: one per CPU; two where a GPU computes, so that it has work while one of them copies its results."""
    if not on_host(like):
        return GPU_WORKERS
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _used(flags):
    return np.unique(flags).tolist()


def _ranks(works, columns):
    """int64 (designs,), the rank of each design's buffer among the thresholds of its variant of the work."""
    rank = np.full(len(columns["rows"]), -1)
    for fusion, work in works.items():
        mine = columns["residency"] & (columns["fusion"] == fusion)
        rank[mine] = work.rank(columns["buffer_bytes"][mine])
    return rank


def _empty(count, traces, ops):
    out = {"phase_s": np.empty((count, traces, len(Phase))), "bound_s": np.empty((count, traces, len(Bound)))}
    out |= {"energy_j": np.empty((count, traces)), "dram_total_bytes": np.empty((count, traces))}
    out["runs"] = np.ones((count, traces), dtype=bool)
    if ops:
        types = {name: np.int64 if name in WHOLE_NUMBERS else np.float64 for name in PER_OP}
        out |= {name: np.zeros((count, ops), dtype=dtype) for name, dtype in types.items()}
    return out


class _Prepared:
    """The distinct work of traces for one buffer rank, in arrays like `like`; work: their joined Work."""

    def __init__(self, traces, work, rank, like):
        self.xp, self.device = namespace(like), device(like)
        units, self.row_of = work.at(rank)
        self.head, self.traces = work.head, len(traces)
        has_macs = units.m > 0  # they sort last: their groups are above 0
        self.without = int((~has_macs).sum())
        gemms, shape_of = units.take(np.flatnonzero(has_macs)).distinct_gemms()
        phase = np.concatenate([trace.ops.phase for trace in traces])[work.head]
        of_trace = np.repeat(np.arange(len(traces)), [len(trace) for trace in traces])[work.head]
        weights = np.zeros((len(units), len(traces), len(Phase)))
        np.add.at(weights, (self.row_of, of_trace, phase), 1.0)
        self.units, self.gemms = (Units(**{n: self.array(v) for n, v in vars(u).items()}) for u in (units, gemms))
        self.shape_of = self.xp.asarray(shape_of, device=self.device)
        self.weights = self.array(weights.reshape(len(units), -1))  # (units, traces x phases)
        self.each = self.array(weights.sum(axis=2))  # (units, traces)
        self.used = np.zeros((len(gemms), len(traces)))  # how often a distinct GEMM stands in a trace
        np.add.at(self.used, shape_of, weights.sum(axis=2)[has_macs])

    def array(self, values):
        """`values` in float64, on the backend."""
        return self.xp.asarray(values.astype(np.float64), device=self.device)


def _run(work, group, columns, names, per_op, must_run):
    """Yield (rows of the design table, {name: numpy array}) for each chunk of designs of `group`, all of one class."""
    xp = work.xp
    rows = group.array_rows
    arrays = Arrays(
        overlap=Overlap(group.overlap),
        trim=bool(group.trim),
        convention=Convention(group.convention),
        **{n: work.array(columns[n][rows])[:, None] for n in ("rows", "cols", "cores", "accumulator_bytes")},
    )
    plans = make_plans(records_of(group.dataflow), work.gemms, arrays) if len(work.gemms) else []
    for chunk in group.chunks:
        design = {name: work.array(values[chunk.rows]) for name, values in columns.items()}
        mac = {
            name: xp.take(design.pop(name), _whole(xp, work.units.precision), axis=1) for name in ("mac_rate", "mac_j")
        }
        design = {name: values[:, None] for name, values in design.items()} | mac
        design["vector_j"] = work.array(vector_j(columns["mac_j"][chunk.rows]))[:, None]
        gemms, runs = _gemms(work, plans, chunk, columns, names, must_run)
        costs = unit_costs(work.units, design, gemms)
        shape = (len(chunk.rows), len(work.units))
        sums = _sums(work, {n: xp.broadcast_to(v, shape) for n, v in costs.items()}, per_op)
        yield chunk.rows, sums | {"runs": runs}


def _gemms(work, plans, chunk, columns, names, must_run):
    """MacCosts of all units of `work` on the designs of `chunk`: (designs, units), zeros for units without MACs.

    Also bool (designs, traces), those that run every unit of a trace; the others have zeros where they cannot.
    """
    xp, distinct = work.xp, chunk.distinct
    zeros = xp.zeros((len(chunk.rows), work.without), dtype=xp.float64, device=work.device)
    if not plans:
        return MacCosts(*[zeros] * len(fields(MacCosts))), np.ones((len(chunk.rows), work.traces), dtype=bool)
    design = {n: work.array(columns[n][distinct])[:, None] for n in ("clock_hz", "dram_write_cost")}
    rate = xp.take(work.array(columns["mac_rate"][distinct]), _whole(xp, work.gemms.precision), axis=1)
    buffer_bytes_per_s = columns["buffer_bytes_per_s"][distinct]
    uncut = _uncut(columns, distinct)
    speeds = Speeds(
        cycle_s=1.0 / (design["clock_hz"] * rate),
        buffer_bytes=work.array(np.where(uncut, ROOM_FOR_ALL, columns["buffer_bytes"][distinct]))[:, None],
        buffer_bytes_per_s=work.array(buffer_bytes_per_s)[:, None] if np.isfinite(buffer_bytes_per_s).any() else None,
        read_bytes_per_s=work.array(columns["dram_bytes_per_s"][distinct] * columns["dram_efficiency"][distinct])[
            :, None
        ],
        write_cost=design["dram_write_cost"],
        whole=xp.asarray(uncut[:, None], device=work.device) if uncut.any() else None,
    )
    costs = mac_costs(work.gemms, plans, xp.asarray(chunk.array_of, device=work.device), speeds)
    can = _can_run(costs)
    if not can.all():
        if must_run:
            _refuse(work, costs, can, distinct, columns, names)
        can_run = xp.asarray(can, device=work.device)
        costs = MacCosts(*(choose(can_run, getattr(costs, f.name), 0.0) for f in fields(MacCosts)))
    of_design, of_unit = xp.asarray(chunk.distinct_of, device=work.device), work.shape_of
    wide = (xp.take(xp.take(getattr(costs, f.name), of_design, axis=0), of_unit, axis=1) for f in fields(MacCosts))
    runs = (~can).astype(np.float64) @ work.used == 0
    return MacCosts(*(xp.concat([zeros, values], axis=1) for values in wide)), runs[chunk.distinct_of]


def _uncut(columns, rows):
    """bool (designs,), which of the designs at `rows` cut no op into tiles: docs/model.md, (13)."""
    unlimited = columns["dram_bytes_per_s"][rows] >= UNLIMITED_BYTES_PER_S
    return unlimited & (columns["convention"][rows] == Convention.SCALESIM)


def _can_run(costs):
    """bool (designs, gemms), where a GEMM takes at most 2^53 cycles and has a tile that fits the buffer."""
    cycles = np.maximum(to_numpy(costs.compute_cycles), to_numpy(costs.tiled_cycles))
    return (cycles <= LARGEST_EXACT) & np.isfinite(to_numpy(costs.time_s))


def _refuse(work, costs, can, rows, columns, names):
    """Raise DesignError for the first design and GEMM for which `can` is false."""
    design, unit = np.argwhere(~can)[0]
    row = rows[design]
    m, n, k = (int(to_numpy(getattr(work.gemms, name))[unit]) for name in ("m", "n", "k"))
    size = f"{columns['rows'][row]} x {columns['cols'][row]} array"
    if np.isfinite(to_numpy(costs.time_s)[design, unit]):
        raise DesignError(
            f"design {str(names[row])!r}: a GEMM with M={m}, N={n}, K={k} takes over 2^53 cycles on its {size}: "
            "give a larger array, or split the op"
        )
    raise DesignError(
        f"design {str(names[row])!r}: buffer_bytes {columns['buffer_bytes'][row]} is less than one tile of a GEMM "
        f"with M={m}, N={n}, K={k} on its {size}: give a larger buffer, or an array with shorter sides"
    )


def _whole(xp, values):
    return xp.astype(values, xp.int64)


def _sums(work, costs, per_op):
    xp, op_s = work.xp, costs["op_s"]
    won = [xp.where(costs["bound"] == float(bound), op_s, xp.zeros_like(op_s)) @ work.each for bound in Bound]
    sums = {
        "phase_s": xp.reshape(op_s @ work.weights, (op_s.shape[0], work.traces, len(Phase))),
        "bound_s": xp.stack(won, axis=2),
        "energy_j": costs["op_energy_j"] @ work.each,
        "dram_total_bytes": costs["dram_bytes"] @ work.each,
    }
    sums = {name: to_numpy(values) for name, values in sums.items()}
    if per_op:
        sums |= {name: to_numpy(costs[name])[:, work.row_of] for name in PER_OP}
    return sums


def _finish(trace, design, columns, out):
    """The Report of `trace` from its sums by design and phase, `out`: docs/model.md, (38)."""
    mac_s = compute_floor_s(trace, design)
    host_s = host_bytes(trace) / columns["host_bytes_per_s"]
    runs = out["runs"]
    out["phase_s"][~runs] = np.inf
    step_s = out["phase_s"].sum(axis=1) + host_s
    energy_j = np.where(runs, out.pop("energy_j") + host_s * columns["static_w"], np.inf)
    watts = np.divide(energy_j, step_s, out=np.zeros_like(energy_j), where=runs & (step_s > 0))
    return Report(
        step_s=step_s,
        host_s=host_s,
        floor_s=np.maximum(mac_s, memory_floor_s(trace, design)),
        utilisation=np.divide(mac_s, step_s, out=np.zeros_like(mac_s), where=step_s > 0),
        energy_j=energy_j,
        watts=watts,
        over_watts_limit=watts > columns["watts_limit"],
        fits=trace.live_bytes().max() <= columns["dram_capacity_bytes"],
        **out,
    )
