"""What each distinct piece of work costs on each design of one class, as arrays (designs, units)."""

from dataclasses import dataclass, fields, replace

from accel_model.array.dataflow import RS_FILTERS, Dataflow, ideal_cycles, rs_cycles, rs_passes, rs_sums
from accel_model.array.plan import gemm_cycles, make_plan
from accel_model.array.search import search
from accel_model.array.traffic import array_bytes
from accel_model.arrays import ceil_div, choose, larger, namespace, real
from accel_model.report import Bound

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


@dataclass(frozen=True, eq=False)
class Untiled:
    """An op that runs as a whole; (arrays, units) float64."""

    cycles: object
    array_bytes: object


def make_plans(u, arrays):
    """[(Plan, untiled cycles (arrays, units))] of units `u` (all with MACs) on Arrays of any class.

    One for a systolic dataflow, three for `best`; for `ideal` and `rs`, whose ops are not tiled, an Untiled in place of
    the Plan.
    """
    xp, shape = namespace(u.m), (arrays.rows.shape[0], u.m.shape[0])
    if arrays.dataflow in (Dataflow.IDEAL, Dataflow.RS):
        whole = _ideal(u, arrays) if arrays.dataflow == Dataflow.IDEAL else _row_stationary(u, arrays)
        return [(Untiled(*(xp.broadcast_to(column, shape) for column in whole)), xp.broadcast_to(whole[0], shape))]
    plans = []
    for dataflow in (arrays.dataflow,) if arrays.dataflow in SYSTOLIC else SYSTOLIC:
        of_class = replace(arrays, dataflow=dataflow)
        untiled = gemm_cycles(u, of_class, u.m, u.n, u.k, u.groups)
        plans.append((make_plan(u, of_class), xp.broadcast_to(untiled, shape)))
    return plans


def gemm_costs(u, plans, array_of, speeds):
    """Gemms of units `u` on designs that have the arrays of `plans`: the fastest of the plans for each unit.

    array_of: int64 (designs,), the row of the plans' arrays that each design has. speeds: Speeds of the designs.
    """
    best = None
    for plan, untiled in plans:
        cycles = namespace(u.m).take(untiled, array_of, axis=0)
        if isinstance(plan, Untiled):
            return _as_a_whole(u, plan, array_of, speeds)
        found = search(plan, array_of, speeds, u)
        found = Gemms(found.time_s, cycles, found.cycles, found.read, found.written, found.array_bytes)
        if best is not None:
            faster = found.time_s < best.time_s
            merged = {f.name: choose(faster, getattr(found, f.name), getattr(best, f.name)) for f in fields(Gemms)}
            found = Gemms(**merged)
        best = found
    return best


def _ideal(u, d):
    """(cycles, buffer bytes) with every PE busy and every operand moved once."""
    cycles = ideal_cycles(u.m, u.n, u.k, d.rows, d.cols, groups=u.groups, cores=d.cores)
    sizes = (u.m, u.n, u.k, d.rows, d.cols, u.element_bytes, d.accumulator_bytes)
    return cycles, u.groups * array_bytes(Dataflow.IDEAL, *sizes, chunk=u.k, overlapped=0.0)


def _row_stationary(u, d):
    """(cycles, buffer bytes) of a row-stationary array, on which a GEMM is a convolution of one pixel.

    Inputs are read once for every RS_FILTERS filters, filters once per pass; partial sums go to the buffer and back.
    """
    is_conv = u.filter_rows > 0
    filter_rows, filter_cols = larger(u.filter_rows, 1.0), larger(u.filter_cols, 1.0)
    rows_out, pixels = choose(is_conv, u.image_rows, u.m), choose(is_conv, u.row_pixels, 1.0)
    channels = u.k / (filter_rows * filter_cols)
    sizes = (rows_out, pixels, u.n, channels, filter_rows, filter_cols, d.rows, d.cols)
    cycles = rs_cycles(*sizes, planes=choose(is_conv, u.images, 1.0), groups=u.groups, cores=d.cores)
    filters = u.b_bytes * rs_passes(rows_out, filter_rows, d.rows, d.cols)
    sums = u.groups * u.m * u.n * d.accumulator_bytes * (2 * rs_sums(channels, filter_cols) - 1)
    return cycles, u.a_bytes * ceil_div(u.n, RS_FILTERS) + filters + sums


def _as_a_whole(u, plan, array_of, speeds):
    """Gemms of an op that moves every missed byte once while it computes."""
    take = namespace(u.m).take
    cycles, moved = take(plan.cycles, array_of, axis=0), take(plan.array_bytes, array_of, axis=0)
    read, written = u.a_missed + u.b_missed, u.c_missed
    dram_s = (read + u.other_read + (written + u.other_written) * speeds.write_cost) / speeds.read_bytes_per_s
    columns = (larger(cycles * speeds.cycle_s, dram_s), cycles, cycles, read, written, moved)
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
