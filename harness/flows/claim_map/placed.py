"""Placed-and-routed arrays as baselines: replayed as designs at the clocks that place and route reached."""

from __future__ import annotations

import numpy as np

import baselines
from accel_model import Design, replay_all
from harness.flows.claim_map.rows import Row, equal_quality

FEWEST = 3  # seeds that an array is compared with: fewer tell no spread


def arrays(config):
    """(PlacedArrays to compare with, the largest of each device and precision; failures); none where none is asked."""
    if "placed" not in config.baseline.kinds:
        return [], []
    try:
        found = baselines.placed()
    except baselines.BaselineError as error:
        return [], [("placed-and-routed arrays", str(error))]
    wanted = [one for one in found if any(one.precision in equal_quality(p) for p in config.task.precisions)]
    several = [one for one in wanted if len(one.seeds) >= FEWEST]
    notes = [
        (f"{one.name}, placed and routed", f"{len(one.seeds)} of {FEWEST} seeds at least, so its clock has no spread")
        for one in wanted
        if len(one.seeds) < FEWEST
    ]
    largest = {}
    for one in several:
        key = one.device, one.precision
        largest[key] = max(largest.get(key, 0), one.rows * one.cols)
    kept = [one for one in several if one.rows * one.cols == largest[one.device, one.precision]]
    notes += [
        (f"{one.name}, placed and routed", "the same device holds a larger array of that precision, which is compared")
        for one in several
        if one.rows * one.cols < largest[one.device, one.precision]
    ]
    return kept, notes


def precisions(arrays, config):
    """Those of config.task.precisions that meet any of `arrays`, in their order."""
    return [p for p in config.task.precisions if any(one.precision in equal_quality(p) for one in arrays)]


def designs(array):
    """The Design of a PlacedArray, a row for the clock of each seed."""
    return Design.grid(name=array.name, **(array.design_values() | {"clock_hz": array.fmax_hz.tolist()}))


def rows(arrays, name, config, traces):
    """Rows of every array that can run the steps of workload `name` in its own precision.

    traces: {(workload, batch, precision): Trace}. Steps that no tile fits are left out.
    """
    found = []
    for array in arrays:
        for precision in precisions([array], config):
            keys = [key for key in traces if key[0] == name and key[2] == precision and key[1] in config.task.batches]
            reports = replay_all([traces[key] for key in keys], designs(array), must_run=False)
            for key, report in zip(keys, reports, strict=True):
                if report.runs.all():
                    found.append(Row(name, precision, measurement(array, key, report)))
    return found


def measurement(array, key, report):
    """The Measurement, of kind "placed", of one step on a PlacedArray: a sample for the clock of each seed."""
    name, batch, precision = key
    notes = [f"at {array.clock_hz / 1e6:.0f} MHz, the median of {len(array.seeds)} seeds", f"DRAM of the {array.board}"]
    if precision == "int8":
        notes.append("training in int8 is not of equal quality to fp32; both sides compute in it here")
    return baselines.Measurement(
        device=f"{array.device} {array.rows}x{array.cols} {array.dataflow}",
        device_kind="fpga",
        kind="placed",
        workload=name,
        model=name,
        samples_s=report.step_s,
        block=np.arange(len(report)),
        batch_size=batch,
        precision=array.precision,
        scope="step_and_copy",
        clock="modelled",
        source=array.source,
        locator=array.regenerate,
        confidence="modelled",
        notes="; ".join(notes),
    )
