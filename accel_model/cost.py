"""What each distinct piece of work costs on each design of one class, as arrays (designs, units)."""

from dataclasses import dataclass, fields, replace

from accel_model.arrays import choose, larger, namespace, real
from accel_model.buffer_traffic import array_bytes
from accel_model.dataflow import Dataflow, ideal_cycles
from accel_model.plan import gemm_cycles, make_plan
from accel_model.report import Bound
from accel_model.tiles import search

SYSTOLIC = (Dataflow.OS, Dataflow.WS, Dataflow.IS)


@dataclass(frozen=True, eq=False)
class Gemms:
    """What the MACs of each unit cost; every array is (designs, units) float64."""

    time_s: object  # of the tile sequence
    compute_cycles: object  # untiled
    tiled_cycles: object
    read: object  # DRAM bytes
    written: object
    array_bytes: object  # between buffer and arrays


def make_plans(u, arrays):
    """[(Plan, untiled cycles (arrays, units))] of units `u` (all with MACs) on Arrays of any class.

    One for a systolic dataflow, three for `best`, and for `ideal` one whose plan is None.
    """
    shape = (arrays.rows.shape[0], u.m.shape[0])
    if arrays.dataflow == Dataflow.IDEAL:
        cycles = ideal_cycles(u.m, u.n, u.k, arrays.rows, arrays.cols, groups=u.groups, cores=arrays.cores)
        return [(None, cycles)]
    plans = []
    for dataflow in (arrays.dataflow,) if arrays.dataflow in SYSTOLIC else SYSTOLIC:
        of_class = replace(arrays, dataflow=dataflow)
        untiled = gemm_cycles(u, of_class, u.m, u.n, u.k, u.groups)
        plans.append((make_plan(u, of_class), namespace(u.m).broadcast_to(untiled, shape)))
    return plans


def gemm_costs(u, plans, array_of, speeds):
    """Gemms of units `u` on designs that have the arrays of `plans`: the fastest of the plans for each unit.

    array_of: int64 (designs,), the row of the plans' arrays that each design has. speeds: Speeds of the designs.
    """
    best = None
    for plan, untiled in plans:
        cycles = namespace(u.m).take(untiled, array_of, axis=0)
        if plan is None:
            return _ideal(u, cycles, speeds)
        found = search(plan, array_of, speeds, u)
        found = Gemms(found.time_s, cycles, found.cycles, found.read, found.written, found.array_bytes)
        if best is not None:
            faster = found.time_s < best.time_s
            merged = {f.name: choose(faster, getattr(found, f.name), getattr(best, f.name)) for f in fields(Gemms)}
            found = Gemms(**merged)
        best = found
    return best


def _ideal(u, cycles, speeds):
    """No array and no tiles: every PE busy, every missed byte moved once, whichever takes longer."""
    sizes = (u.m, u.n, u.k, 1.0, 1.0, u.element_bytes, 0.0)
    least = u.groups * array_bytes(Dataflow.IDEAL, *sizes, chunk=u.k, overlapped=0.0)
    read, written = u.a_missed + u.b_missed, u.c_missed
    dram_s = (read + u.other_read + (written + u.other_written) * speeds.write_cost) / speeds.read_bytes_per_s
    columns = (larger(cycles * speeds.cycle_s, dram_s), cycles, cycles, read, written, least)
    return Gemms(*(namespace(u.m).broadcast_to(column, cycles.shape) for column in columns))


def unit_costs(u, design, gemms):
    """{column of Report: array (designs, units) float64} for all units, those without MACs included.

    u: Units (units,). design: {field: column (designs, 1)}, mac_j and mac_rate gathered to (designs, units).
    gemms: Gemms of the same shape, zero where a unit has no MACs.
    """
    xp = namespace(u.m)
    read, written = gemms.read + u.other_read, gemms.written + u.other_written
    dram = read + written
    dram_bytes_per_s = design["dram_bytes_per_s"] * design["dram_efficiency"]
    traffic = gemms.array_bytes + dram + u.touched
    costs = {
        "compute_cycles": gemms.compute_cycles,
        "tiled_cycles": gemms.tiled_cycles,
        "dram_bytes": dram,
        "buffer_traffic_bytes": traffic,
        "compute_s": gemms.tiled_cycles / (design["clock_hz"] * design["mac_rate"]),
        "buffer_s": (gemms.array_bytes + u.touched) / design["buffer_bytes_per_s"],
        "dram_s": (read + written * design["dram_write_cost"]) / dram_bytes_per_s,
        "vector_s": u.vector_ops / (design["vector_lanes"] * design["clock_hz"]),
        "launch_s": u.launches * design["launch_s"],
    }
    beside = larger(larger(costs["buffer_s"], costs["dram_s"]), costs["vector_s"])
    costs["op_s"] = larger(gemms.time_s, beside) + costs["launch_s"]
    terms = [costs[f"{bound.name.lower()}_s"] for bound in Bound]
    costs["bound"] = real(xp.argmax(xp.stack(xp.broadcast_arrays(*terms)), axis=0))
    register_bytes = u.macs * 2 * (u.element_bytes + design["accumulator_bytes"])
    costs["op_energy_j"] = (
        u.macs * design["mac_j"]
        + register_bytes * design["register_j_per_byte"]
        + u.vector_ops * design["vector_j"]
        + traffic * design["buffer_j_per_byte"]
        + dram * design["dram_j_per_byte"]
        + costs["op_s"] * design["static_w"]
    )
    return costs
