"""Simulated energy beside measured energy."""

import math

from harness.report import words
from harness.settings.metrics import percent
from harness.text.table import Table


def measured_energies(claim_map):
    """{workload: [(device and mode, J a sample)]} of the baselines whose energy was measured."""
    found = {}
    for cell in claim_map.cells:
        one = cell.baseline
        if math.isfinite(one.energy_j) and one.energy_j > 0:
            name = ", ".join(filter(None, [words.device(one), words.mode(one)]))
            found.setdefault(cell.step.workload, {})[name, one.batch_size, one.precision] = (
                one.energy_j / one.batch_size
            )
    return {workload: [(key[0], joules) for key, joules in rows.items()] for workload, rows in found.items()}


def energy_table(claim_map):
    """Joules of a training sample on both sides, for each baseline whose energy was measured."""
    rows = []
    for cell in claim_map.cells:
        one, step = cell.baseline, cell.step
        if math.isfinite(one.energy_j) and one.energy_j > 0 and math.isfinite(step.energy_j):
            rows.append(
                (
                    *(step.workload, words.device(one), words.mode(one), f"{step.batch_size:,}", words.precision(cell)),
                    words.number(1e3 * one.energy_j / one.batch_size),
                    words.number(1e3 * step.energy_j / step.batch_size),
                    percent(1 - step.energy_j / one.energy_j),
                )
            )
    columns = (
        *("workload", "baseline", "mode", "batch", "precision", "measured (mJ/sample)", "simulated (mJ/sample)"),
        "energy saved",
    )
    note = (
        "Measured: the whole device over the step. Simulated: MAC units, registers, on-chip memory, DRAM and vector "
        "unit of the nominal design, by published energies of single operations; what is not stated of it, such as its "
        "leakage, fans and power supply, is left out."
    )
    return Table("Energy of a training sample", columns, tuple(rows), note)
