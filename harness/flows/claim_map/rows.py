"""Which baselines the claim map sets against which workload, precision and batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

import baselines
from baselines.catalogue import LOADED_KINDS
from harness.judging.compare import PARITY
from harness.settings import shipped


@dataclass(frozen=True, eq=False)
class Row:
    """One baseline of one workload, to be compared with the accelerator at `precision`."""

    workload: str
    precision: str
    baseline: baselines.Measurement


def known_rows(config, names):
    """(Rows, notes) of the recorded and published baselines of the workloads called `names`.

    Recorded ones are taken at the batches of config.task, published ones at their own. A published rate of operations
    becomes the time of a step at `derived`. notes: (what, why) of rows that no asked-for precision is of equal quality
    to.
    """
    kinds = [kind for kind in config.baseline.kinds if kind in LOADED_KINDS]
    rows, unmatched = [], {}
    for name in names:
        wanted = baselines.Filter(workload=name)
        found = baselines.load(wanted, kinds, relative_uncertainty=config.compare.published_uncertainty)
        for one in found:
            if one.kind == "recorded" and one.batch_size not in config.task.batches:
                continue
            if not one.samples_s.size and math.isnan(one.macs_per_s):
                continue  # a rate without a batch: nothing to replay
            classes = [precision for precision in config.task.precisions if one.precision in equal_quality(precision)]
            rows += [Row(name, precision, one) for precision in classes]
            if not classes:
                unmatched.setdefault((name, one.precision), []).append(one.device)
    notes = [
        (
            f"{len(devices)} baselines of {name} at {precision}",
            f"none of map.precisions ({', '.join(config.task.precisions)}) is of equal quality",
        )
        for (name, precision), devices in unmatched.items()
    ]
    return rows, notes


@lru_cache
def equal_quality(precision):
    """Precisions of a baseline that are of equal quality to the accelerator's `precision`; raises ConfigError."""
    return PARITY[shipped.precision(precision).operands]


def batch_of(row, own_batches):
    """The batch at which the accelerator does the work of a Row: the baseline's, or the workload's own for a rate."""
    return row.baseline.batch_size or own_batches[row.workload]


def timed(row, trace, batch_size):
    """The Measurement of a Row with a step time: a published rate of operations is turned into one, and says so."""
    one = row.baseline
    if one.samples_s.size:
        return one
    step_s = int(trace.ops.macs.sum()) / one.macs_per_s
    note = f"time derived from its MAC rate at batch {batch_size}, which the source does not state"
    return replace(
        one,
        samples_s=np.array([step_s]),
        block=np.zeros(1, np.int64),
        batch_size=batch_size,
        notes="; ".join(filter(None, (one.notes, note))),
    )
