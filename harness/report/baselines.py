"""The table of recorded and published baselines, with their numbered sources."""

from __future__ import annotations

import math

from baselines import Measurement
from harness.text.shown import LONGEST_SOURCE, shown
from harness.text.table import Table
from harness.text.units import digits


def baseline_table(title: str, measurements: list[Measurement], note: str = "") -> Table:
    """Recorded and published baselines, each with the number of its source among `source_lines` and the place in it."""
    numbers = {source: number for number, source in enumerate(_sources(measurements), 1)}
    columns = (
        *("workload", "device", "kind", "year", "model", "variant", "batch", "precision", "mode", "scope"),
        *("step (ms)", "samples/s", "source"),
    )
    rows = tuple(
        (
            shown(one.workload) or "none of them",
            shown(one.device),
            f"{one.kind}, {one.confidence}",
            str(one.year or ""),
            shown(one.model),
            shown(one.variant),
            str(one.batch_size or "not stated"),
            shown(one.precision),
            one.mode,
            one.scope,
            "" if math.isnan(one.step_s) else digits(1e3 * one.step_s),
            "" if math.isnan(one.samples_per_s) else digits(one.samples_per_s),
            f"[{numbers[one.source]}] {shown(one.locator, LONGEST_SOURCE)}".strip(),
        )
        for one in measurements
    )
    spare = ("mode", "variant", "workload", "model", "kind", "scope", "precision", "source")
    return Table(title, columns, rows, note, spare)


def source_lines(measurements: list[Measurement]) -> list[str]:
    """The sources of baseline_table, one numbered line each."""
    return [f"[{number}] {shown(source, LONGEST_SOURCE)}" for number, source in enumerate(_sources(measurements), 1)]


def _sources(measurements):
    return list(dict.fromkeys(one.source for one in measurements))
