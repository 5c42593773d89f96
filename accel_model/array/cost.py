"""What each distinct piece of work costs on each design of one class, as arrays (designs, units)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accel_model.array.dataflow import gemm_cycles
from accel_model.array.plan import make_plan
from accel_model.array.record import Arrays, TiledDataflow, WholeDataflow
from accel_model.array.search import Speeds, search
from accel_model.arrays import Array, choose, larger, namespace, real
from accel_model.report import Bound

if TYPE_CHECKING:
    from accel_model.work.units import Units


@dataclass(frozen=True, eq=False)
class MacCosts:
    """What the MACs of each unit cost; every array is (designs, units) float64."""

    time_s: object  # of the tile sequence
    compute_cycles: object  # untiled
    tiled_cycles: object
    read: object  # DRAM bytes
    written: object
    array_bytes: object  # between buffer and arrays


@dataclass(frozen=True, eq=False)
class WholePlan:
    """Ops that run as a whole; (arrays, units) float64."""

    cycles: object
    array_bytes: object


def make_plans(records: Sequence[TiledDataflow | WholeDataflow], units: Units, arrays: Arrays) -> list[tuple]:
    """[(TilePlan, or WholePlan of a WholeDataflow, untiled cycles (arrays, units))], one for each of `records`.

    units: Units, all with MACs, float64. arrays: Arrays (arrays, 1), float64.
    """
    xp, shape = namespace(units.m), (arrays.rows.shape[0], units.m.shape[0])
    plans = []
    for record in records:
        if isinstance(record, WholeDataflow):
            plan = WholePlan(*(xp.broadcast_to(column, shape) for column in record.run(units, arrays)))
            plans.append((plan, plan.cycles))
        else:
            untiled = xp.broadcast_to(gemm_cycles(record, units, arrays), shape)
            plans.append((make_plan(record, units, arrays), untiled))
    return plans


def mac_costs(units: Units, plans: list[tuple], array_of: Array, speeds: Speeds) -> MacCosts:
    """MacCosts of Units on designs that have the arrays of `plans`: the fastest of the plans for each unit.

    array_of: int64 (designs,), the row of the plans' arrays that each design has. speeds: Speeds of the designs.
    """
    best = None
    for plan, untiled in plans:
        cycles = namespace(units.m).take(untiled, array_of, axis=0)
        if isinstance(plan, WholePlan):
            found = _as_a_whole(units, plan, array_of, speeds)
        else:
            chosen = search(plan, array_of, speeds, units)
            found = MacCosts(
                time_s=chosen.time_s,
                compute_cycles=cycles,
                tiled_cycles=chosen.cycles,
                read=chosen.read,
                written=chosen.written,
                array_bytes=chosen.array_bytes,
            )
            if speeds.whole is not None:
                found = _chosen(speeds.whole, _uncut(units, found, speeds), found)
        best = found if best is None else _faster(found, best)
    return best


def _faster(found, best):
    """MacCosts of the faster of two for each unit; `best` where they are equal."""
    return _chosen(found.time_s < best.time_s, found, best)


def _chosen(wanted, some, others):
    """MacCosts of `some` where `wanted`, and of `others` elsewhere."""
    return MacCosts(**{name: choose(wanted, values, getattr(others, name)) for name, values in vars(some).items()})


def _uncut(units, found, speeds):
    """MacCosts of ops in one piece, for which nothing waits and which move every missed byte once."""
    xp, shape = namespace(units.m), found.compute_cycles.shape
    return MacCosts(
        time_s=found.compute_cycles * speeds.cycle_s,
        compute_cycles=found.compute_cycles,
        tiled_cycles=found.compute_cycles,
        read=xp.broadcast_to(units.a_missed + units.b_missed, shape),
        written=xp.broadcast_to(units.c_missed, shape),
        array_bytes=found.array_bytes,
    )


def _as_a_whole(units, plan, array_of, speeds):
    """MacCosts of ops that move every missed byte once while they compute: docs/model.md, (34)."""
    xp = namespace(units.m)
    cycles, moved = xp.take(plan.cycles, array_of, axis=0), xp.take(plan.array_bytes, array_of, axis=0)
    read, written = units.a_missed + units.b_missed, units.c_missed
    stored = (written + units.other_written) * speeds.write_cost
    dram_s = (read + units.other_read + stored) / speeds.read_bytes_per_s
    costs = MacCosts(
        time_s=larger(cycles * speeds.cycle_s, dram_s),
        compute_cycles=cycles,
        tiled_cycles=cycles,
        read=read,
        written=written,
        array_bytes=moved,
    )
    return MacCosts(**{name: xp.broadcast_to(column, cycles.shape) for name, column in vars(costs).items()})


def unit_costs(units: Units, design: Mapping[str, Array], macs: MacCosts) -> dict[str, Array]:
    """{column of Report: array (designs, units) float64} for all Units, those without MACs included.

    design: {field: column (designs, 1)}, mac_j and mac_rate gathered to (designs, units). macs: MacCosts of the same
    shape, zero where a unit has no MACs. docs/model.md, (35) and (36).
    """
    xp = namespace(units.m)
    read, written = macs.read + units.other_read, macs.written + units.other_written
    dram = read + written
    dram_bytes_per_s = design["dram_bytes_per_s"] * design["dram_efficiency"]
    traffic = macs.array_bytes + dram + units.touched
    costs = {
        "compute_cycles": macs.compute_cycles,
        "tiled_cycles": macs.tiled_cycles,
        "dram_bytes": dram,
        "buffer_traffic_bytes": traffic,
        "compute_s": macs.tiled_cycles / (design["clock_hz"] * design["mac_rate"]),
        "buffer_s": (macs.array_bytes + units.touched) / design["buffer_bytes_per_s"],
        "dram_s": (read + written * design["dram_write_cost"]) / dram_bytes_per_s,
        "vector_s": units.vector_ops / (design["vector_lanes"] * design["clock_hz"]),
        "launch_s": units.launches * design["launch_s"],
    }
    beside = larger(larger(costs["buffer_s"], costs["dram_s"]), costs["vector_s"])
    costs["op_s"] = larger(macs.time_s, beside) + costs["launch_s"]
    terms = [costs[f"{bound.name.lower()}_s"] for bound in Bound]
    costs["bound"] = real(xp.argmax(xp.stack(xp.broadcast_arrays(*terms)), axis=0))
    register_bytes = units.macs * 2 * (units.element_bytes + design["accumulator_bytes"])
    costs["op_energy_j"] = (
        units.macs * design["mac_j"]
        + register_bytes * design["register_j_per_byte"]
        + units.vector_ops * design["vector_j"]
        + traffic * design["buffer_j_per_byte"]
        + dram * design["dram_j_per_byte"]
        + costs["op_s"] * design["static_w"]
    )
    return costs
