"""What each distinct piece of work costs on each design of one class, as arrays (designs, units)."""

from dataclasses import dataclass, fields, replace

from accel_model.arrays import choose, larger, namespace, real
from accel_model.buffer_traffic import array_bytes
from accel_model.dataflow import Dataflow, ideal_cycles
from accel_model.report import Bound
from accel_model.tiles import search, sum_over_tiles, tile_array_bytes, tile_cycles, traffic

SYSTOLIC = (Dataflow.OS, Dataflow.WS, Dataflow.IS)


@dataclass(frozen=True, eq=False)
class Gemms:
    """What the MACs of each unit cost; every array is (designs, units)."""

    time_s: object  # of the tile sequence
    compute_cycles: object  # int64, untiled
    tiled_cycles: object  # int64
    read: object  # DRAM bytes
    written: object
    array_bytes: object  # between buffer and arrays


def gemm_costs(u, d, dataflow):
    """Gemms of units `u` (all with MACs) on Machine `d`, whose dataflow is replaced by `dataflow`."""
    if dataflow == Dataflow.IDEAL:
        return _ideal(u, d)
    if dataflow in SYSTOLIC:
        return _tiled(u, replace(d, dataflow=dataflow))
    best = _tiled(u, replace(d, dataflow=SYSTOLIC[0]))
    for each in SYSTOLIC[1:]:
        other = _tiled(u, replace(d, dataflow=each))
        faster = other.time_s < best.time_s
        merged = {f.name: choose(faster, getattr(other, f.name), getattr(best, f.name)) for f in fields(Gemms)}
        best = Gemms(**merged)
    return best


def _tiled(u, d):
    time_s, t, order = search(u, d)
    read, written = traffic(u, t, order)
    return Gemms(
        time_s=time_s,
        compute_cycles=d.cycles(u.m, u.n, u.k, u.groups),
        tiled_cycles=sum_over_tiles(t, lambda i, j: tile_cycles(u, d, t, i, j)),
        read=read,
        written=written,
        array_bytes=sum_over_tiles(t, lambda i, j: tile_array_bytes(u, d, t, i, j)),
    )


def _ideal(u, d):
    """No array and no tiles: every PE busy, every missed byte moved once, whichever takes longer."""
    cycles = ideal_cycles(u.m, u.n, u.k, d.rows, d.cols, groups=u.groups, cores=d.cores)
    read, written = u.a_missed + u.b_missed, u.c_missed
    dram_s = (read + written * d.write_cost) / d.read_bytes_per_s
    least = u.groups * array_bytes(
        Dataflow.IDEAL, u.m, u.n, u.k, d.rows, d.cols, u.element_bytes, d.accumulator_bytes, chunk=u.k, overlapped=0
    )
    time_s = larger(real(cycles) * d.cycle_s, dram_s)
    return Gemms(time_s, cycles, cycles, read, written, least)


def unit_costs(u, design, gemms):
    """{column of Report: array (designs, units)} for all units, those without MACs included.

    u: Units (units,). design: {field: column (designs, 1)}, mac_j and mac_rate gathered to (designs, units).
    gemms: Gemms of the same shape, zero where a unit has no MACs.
    """
    xp = namespace(u.m)
    read, written = gemms.read + u.other_read, gemms.written + u.other_written
    dram = read + written
    dram_s = (read + written * design["dram_write_cost"]) / (design["dram_bytes_per_s"] * design["dram_efficiency"])
    traffic_bytes = real(gemms.array_bytes) + dram + u.touched
    costs = {
        "compute_cycles": gemms.compute_cycles,
        "tiled_cycles": gemms.tiled_cycles,
        "dram_bytes": dram,
        "buffer_traffic_bytes": traffic_bytes,
        "compute_s": real(gemms.tiled_cycles) / (design["clock_hz"] * design["mac_rate"]),
        "buffer_s": traffic_bytes / design["buffer_bytes_per_s"],
        "dram_s": dram_s,
        "vector_s": u.vector_ops / (design["vector_lanes"] * design["clock_hz"]),
        "launch_s": u.launches * design["launch_s"],
    }
    beside = larger(larger(costs["buffer_s"], costs["dram_s"]), costs["vector_s"])
    costs["op_s"] = larger(gemms.time_s, beside) + costs["launch_s"]
    terms = [costs[f"{bound.name.lower()}_s"] for bound in Bound]
    costs["bound"] = xp.argmax(xp.stack(xp.broadcast_arrays(*terms)), axis=0)
    register_bytes = u.macs * (2 * u.element_bytes + 2 * design["accumulator_bytes"])
    costs["op_energy_j"] = (
        u.macs * design["mac_j"]
        + register_bytes * design["register_j_per_byte"]
        + u.vector_ops * design["vector_j"]
        + traffic_bytes * design["buffer_j_per_byte"]
        + dram * design["dram_j_per_byte"]
        + costs["op_s"] * design["static_w"]
    )
    return costs
