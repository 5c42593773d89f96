"""replay: a trace on a table of designs, in chunks of designs, each distinct piece of work costed once."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np

from accel_model.arrays import device, namespace, to_numpy
from accel_model.cost import Gemms, gemm_costs, unit_costs
from accel_model.dataflow import Convention, Dataflow, Overlap
from accel_model.errors import DesignError, TraceError
from accel_model.report import Bound, Report
from accel_model.tiles import Machine
from accel_model.types import PRECISIONS, Phase
from accel_model.work import PRECISION_OF, Units, host_bytes, unavoidable_bytes, work_of

CHUNK_CELLS = 2**13  # (designs, units) at a time: their arrays, times some 20 tile candidates, stay in the cache
LARGEST_CYCLES = 2**53
CLASS = ("dataflow", "overlap", "trim", "convention", "fusion")  # designs alike in these share every formula
REAL_UNITS = ("a_bytes", "b_bytes", "c_bytes", "a_missed", "b_missed", "c_missed", "other_read", "other_written")
REAL_UNITS += ("touched", "vector_ops", "launches")
PER_OP = [f.name for f in fields(Report) if f.default is None]
INTEGER = ("compute_cycles", "tiled_cycles", "bound")


def replay(trace, design, per_op=True, workers=None):
    """Time, traffic and energy of one training step of `trace` on each row of `design`.

    trace: Trace with at least one op. design: Design; the computation runs on its kind of arrays (Design.to). per_op:
    false keeps sums only, in memory that does not grow with ops. workers: threads, by default one per CPU.
    Returns a Report. Raises TraceError for an empty trace, and DesignError where a design cannot run an op: no tile
    fits the buffer, or more than 2^53 cycles.
    """
    if not len(trace):
        raise TraceError("the trace has no ops: capture a step, or make a trace with Trace.from_gemms")
    count = len(design)
    out = _empty(count, len(trace) if per_op else 0)
    jobs = list(_jobs(trace, design))
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def run(job):
        for name, values in _chunk(*job[1:], per_op).items():
            out[name][job[0]] = values

    if workers > 1 and len(jobs) > 1 and isinstance(design.rows, np.ndarray):
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run, jobs))
    else:
        for job in jobs:
            run(job)
    return _finish(trace, design, out, per_op)


def _empty(count, ops):
    out = {"phase_s": np.empty((count, len(Phase))), "bound_s": np.empty((count, len(Bound)))}
    out |= {"energy_j": np.empty(count), "dram_total_bytes": np.empty(count)}
    if ops:
        out |= {name: np.empty((count, ops), dtype=np.int64 if name in INTEGER else np.float64) for name in PER_OP}
    return out


def _jobs(trace, design):
    """(rows of the design table, class, prepared work, those designs) for each chunk of designs that are alike."""
    keys = np.stack([to_numpy(getattr(design, name)).astype(np.int64) for name in CLASS], axis=1)
    size, resident = to_numpy(design.buffer_bytes), to_numpy(design.residency)
    rank = np.empty(len(design), dtype=np.int64)
    for fusion in np.unique(keys[:, -1]).tolist():
        mine = keys[:, -1] == fusion
        rank[mine] = np.where(resident, work_of(trace, bool(fusion)).rank(size), -1)[mine]
    keys = np.concatenate([keys, rank[:, None]], axis=1)
    kinds, which = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(which.reshape(-1), minlength=len(kinds)))
    prepared = {}
    for kind, start, end in zip(kinds.tolist(), [0, *ends[:-1]], ends, strict=True):
        at = tuple(kind[-2:])
        if at not in prepared:
            prepared[at] = _Prepared(trace, bool(kind[-2]), kind[-1], design)
        step = max(1, CHUNK_CELLS // max(len(prepared[at].gemms), 1))
        for first in range(start, end, step):
            rows = order[first : min(first + step, end)]
            yield rows, kind, prepared[at], design[rows] if isinstance(design.rows, np.ndarray) else _pick(design, rows)


def _pick(design, rows):
    xp = namespace(design.rows)
    index = xp.asarray(rows, device=device(design.rows))
    moved = {f.name: xp.take(getattr(design, f.name), index, axis=0) for f in fields(design) if f.name != "name"}
    return replace(design, name=design.name[rows], **moved)


class _Prepared:
    """The distinct work of a trace for one buffer rank, in the design's kind of arrays."""

    def __init__(self, trace, fusion, rank, design):
        work = work_of(trace, fusion)
        units, row_of = work.at(rank)
        with_macs = units.m > 0  # they sort last: their groups are above 0
        self.without = int((~with_macs).sum())
        shapes, shape_of = _distinct_gemms(units.take(np.flatnonzero(with_macs)))
        phases = trace.ops.phase[work.head]
        weights = np.zeros((len(units), len(Phase)))
        np.add.at(weights, (row_of, phases), 1.0)
        like = design.rows
        self.xp, self.device = namespace(like), device(like)
        self.units, self.gemms = self.move(units), self.move(shapes)
        self.shape_of = self.array(shape_of)
        self.weights = self.array(weights)
        self.row_of, self.head, self.ops = row_of, work.head, len(trace)

    def array(self, values):
        return self.xp.asarray(values, device=self.device)

    def move(self, units):
        """`units` as arrays of the backend, byte and vector columns in float64."""
        columns = {f.name: getattr(units, f.name) for f in fields(units)}
        macs = (units.groups * units.m * units.n * units.k).astype(np.float64)
        moved = {n: self.array(v.astype(np.float64) if n in REAL_UNITS else v) for n, v in columns.items()}
        return _Columns(len(units), macs=self.array(macs), **moved)


class _Columns(SimpleNamespace):
    def __init__(self, length, **columns):
        super().__init__(**columns)
        self.length = length

    def __len__(self):
        return self.length


def _distinct_gemms(units):
    """(Units that differ in what the tile search sees, row of each of `units` in them)."""
    other = ("other_read", "other_written", "touched", "vector_ops", "launches")
    table = np.stack([getattr(units, f.name) for f in fields(Units) if f.name not in other], axis=1)
    if not len(table):
        return units, np.zeros(0, dtype=np.int64)
    _, first, row_of = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return units.take(first), row_of.reshape(-1)


def _chunk(kind, work, design, per_op):
    """Sums, and per-op columns, of a chunk of designs of one class: {name of Report or sum: numpy array}."""
    xp = work.xp
    dataflow, overlap, trim, convention = (kind[CLASS.index(name)] for name in CLASS[:-1])
    columns = {
        f.name: getattr(design, f.name)[:, None] for f in fields(design) if f.name not in ("name", "mac_rate", "mac_j")
    }
    columns["vector_j"] = design.mac_j[:, 0][:, None] / 2
    columns |= {name: xp.take(getattr(design, name), work.units.precision, axis=1) for name in ("mac_rate", "mac_j")}
    gemms = _gemms(xp, work, design, columns, Dataflow(dataflow), Overlap(overlap), bool(trim), Convention(convention))
    columns |= {n: xp.astype(columns[n], xp.float64) for n in ("accumulator_bytes", "vector_lanes")}
    costs = unit_costs(_real_elements(xp, work.units), columns, gemms)
    shape = (design.rows.shape[0], len(work.units))
    costs = {name: xp.broadcast_to(values, shape) for name, values in costs.items()}
    op_s, each = costs["op_s"], xp.sum(work.weights, axis=1)
    won = [xp.where(costs["bound"] == bound, op_s, 0.0) @ each for bound in Bound]
    sums = {
        "phase_s": op_s @ work.weights,
        "bound_s": xp.stack(won, axis=1),
        "energy_j": costs["op_energy_j"] @ each,
        "dram_total_bytes": costs["dram_bytes"] @ each,
    }
    sums = {name: to_numpy(values) for name, values in sums.items()}
    return sums | (_by_op(work, costs) if per_op else {})


def _real_elements(xp, units):
    changed = _Columns(len(units), **{n: v for n, v in vars(units).items() if n != "length"})
    changed.element_bytes = xp.astype(units.element_bytes, xp.float64)
    return changed


def _gemms(xp, work, design, columns, dataflow, overlap, trim, convention):
    """Gemms for all units of `work`: (designs, units), zeros for those without MACs."""
    designs = design.rows.shape[0]
    if not len(work.gemms):
        zero = xp.zeros((designs, len(work.units)), dtype=xp.float64, device=work.device)
        whole = xp.zeros(zero.shape, dtype=xp.int64, device=work.device)
        return Gemms(zero, whole, whole, zero, zero, whole)
    rate = xp.take(design.mac_rate, work.gemms.precision, axis=1)
    limited = bool(xp.any(xp.isfinite(columns["buffer_bytes_per_s"])))
    machine = Machine(
        dataflow=dataflow,
        overlap=overlap,
        trim=trim,
        convention=convention,
        rows=columns["rows"],
        cols=columns["cols"],
        cores=columns["cores"],
        cycle_s=1.0 / (columns["clock_hz"] * rate),
        accumulator_bytes=columns["accumulator_bytes"],
        buffer_bytes=xp.astype(columns["buffer_bytes"], xp.float64),
        buffer_bytes_per_s=columns["buffer_bytes_per_s"] if limited else None,
        read_bytes_per_s=columns["dram_bytes_per_s"] * columns["dram_efficiency"],
        write_cost=columns["dram_write_cost"],
    )
    _check_cycles(xp, work.gemms, machine)
    costs = gemm_costs(work.gemms, machine, dataflow)
    _check_fit(xp, work.gemms, design, costs.time_s)
    wide = {}
    for f in fields(Gemms):
        values = xp.take(xp.broadcast_to(getattr(costs, f.name), (designs, len(work.gemms))), work.shape_of, axis=1)
        zeros = xp.zeros((designs, work.without), dtype=values.dtype, device=work.device)
        wide[f.name] = xp.concat([zeros, values], axis=1)
    return Gemms(**wide)


def _check_cycles(xp, units, d):
    """Raise DesignError where the padded cycles of a unit, in floating point, pass 2^53."""
    r, c = xp.astype(d.rows, xp.float64), xp.astype(d.cols, xp.float64)
    m, n, k = (xp.astype(size, xp.float64) for size in (units.m, units.n, units.k))
    worst = xp.astype(units.groups, xp.float64) * (2 * r + c + m + n + k)
    for high, wide in ((m, n), (k, n), (k, m)):
        folds = xp.ceil(high / r) * xp.ceil(wide / c)
        if bool(xp.any(folds * worst > 2.0**62)):
            raise DesignError(
                "an op takes more cycles than an int64 holds on these designs: use a larger array, or split the op"
            )


def _check_fit(xp, units, design, time_s):
    misfit = to_numpy(~xp.isfinite(time_s))
    if misfit.any():
        row, unit = np.argwhere(misfit)[0]
        m, n, k = (int(getattr(units, name)[int(unit)]) for name in ("m", "n", "k"))
        rows, cols = int(design.rows[int(row)]), int(design.cols[int(row)])
        raise DesignError(
            f"design {design.name[row]!r} has buffer_bytes {int(design.buffer_bytes[int(row)])}, less than one tile "
            f"of a GEMM with M={m}, N={n}, K={k} on its {rows} x {cols} array: "
            "give a larger buffer or a smaller array"
        )


def _by_op(work, costs):
    """Columns (designs, ops): a group's at its first op, zeros at the ops that joined it."""
    result = {}
    for name in PER_OP:
        values = to_numpy(costs[name])
        column = np.zeros((values.shape[0], work.ops), dtype=np.int64 if name in INTEGER else np.float64)
        column[:, work.head] = values[:, work.row_of]
        result[name] = column
    return result


def _finish(trace, design, out, per_op):
    clock, pes = to_numpy(design.clock_hz), to_numpy(design.rows) * to_numpy(design.cols) * to_numpy(design.cores)
    macs = np.bincount(PRECISION_OF[trace.ops.dtype], trace.ops.macs, len(PRECISIONS))
    mac_s = (macs / to_numpy(design.mac_rate)).sum(axis=1) / (pes * clock)
    read, written = unavoidable_bytes(trace)
    kept = np.minimum(to_numpy(design.buffer_bytes), read)
    dram_floor = (read - kept + written) / to_numpy(design.dram_bytes_per_s)
    host_s = host_bytes(trace) / to_numpy(design.host_bytes_per_s)
    step_s = out["phase_s"].sum(axis=1) + host_s
    energy_j = out.pop("energy_j") + host_s * to_numpy(design.static_w)
    watts = np.divide(energy_j, step_s, out=np.zeros_like(energy_j), where=step_s > 0)
    return Report(
        step_s=step_s,
        host_s=host_s,
        floor_s=np.maximum(mac_s, dram_floor),
        utilisation=np.divide(mac_s, step_s, out=np.zeros_like(mac_s), where=step_s > 0),
        energy_j=energy_j,
        watts=watts,
        over_watts_limit=watts > to_numpy(design.watts_limit),
        fits=trace.live_bytes().max() <= to_numpy(design.dram_capacity_bytes),
        **out,
    )
