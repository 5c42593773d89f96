"""The closed forms equal a schedule made fold by fold, in which every port of the array takes one value per edge.

Written from the array's wiring alone: PE (i, j) multiplies the beat taken at edge t at edge t + i + j, a result or a
weight moves one row per edge, and a port that is taken makes the fold wait. So the forms are also the least that the
wiring allows, and hold for sizes and core counts that simulation of the Verilog does not reach.
"""

import numpy as np
import pytest

from accel_model.array.dataflow import Dataflow
from accel_model.array.record import Overlap
from tests.helpers.designs import cycles_of


def fold_sizes(height, width, rows, cols, groups, trim):
    """(rows used, columns used) of each fold: groups one after another, column folds outer, row folds inner."""
    if not trim:
        height, width = -(-height // rows) * rows, -(-width // cols) * cols
    of_group = [
        (min(rows, height - i), min(cols, width - j)) for j in range(0, width, cols) for i in range(0, height, rows)
    ]
    return of_group * groups


def os_schedule(folds, stream, rows, cols, overlap):
    """The edge that writes the last result, edges counted from 1."""
    operands_free, results_free = 1, [1] * cols  # first edge at which the operand port, a column's bottom row is free
    last_mac = last_result = 0
    for m, n in folds:
        start = operands_free
        if overlap == Overlap.NONE:
            start = max(start, last_result + 1)
        if overlap == Overlap.BUFFERED:
            start = max(start, last_mac + 1)
        # The fold's last row, m - 1, is done first on its way down: its result is at the bottom after this many edges.
        way = [(stream - 1) + (m - 1) + j + 1 + (rows - m) for j in range(n)]
        start = max([start, *(results_free[j] - way[j] for j in range(n))])
        for j in range(n):
            results_free[j] = start + way[j] + m  # one result per edge
        operands_free = start + stream
        last_mac = start + (stream - 1) + (m - 1) + (n - 1)
        last_result = max(last_result, *(free - 1 for free in results_free))
    return last_result


def ws_schedule(folds, stream, rows, cols, overlap):
    """The edge that writes the last result, edges counted from 1."""
    operands_free = weights_free = start = 1
    results_free, last_result = [1] * cols, 0
    for m, n in folds:
        load = max(weights_free, start)  # into the registers that the fold before has left at its start
        if overlap == Overlap.NONE:
            load = max(load, last_result + 1)
        start = max(operands_free, load + m)
        if overlap == Overlap.BUFFERED:
            start = max(start, last_result + 1)
        for j in range(n):
            first = start + j + rows - 1
            assert first >= results_free[j]
            results_free[j] = first + stream
        weights_free, operands_free = load + m, start + stream
        last_result = max(last_result, *(free - 1 for free in results_free))
    return last_result


def scheduled(dataflow, overlap, trim, m, n, k, rows, cols, groups, cores):
    """Cycles of the core that takes longest."""
    if dataflow == Dataflow.OS:
        schedule, height, width, stream = os_schedule, m, n, k
    elif dataflow == Dataflow.WS:
        schedule, height, width, stream = ws_schedule, k, n, m
    else:
        schedule, height, width, stream = ws_schedule, k, m, n
    folds = fold_sizes(height, width, rows, cols, groups, trim)
    share = -(-len(folds) // cores)
    shares = [folds[at : at + share] for at in range(0, len(folds), share)]
    return max(schedule(each, stream, rows, cols, overlap) for each in shares)


@pytest.mark.parametrize("trim", [False, True], ids=["padded", "trimmed"])
@pytest.mark.parametrize("overlap", Overlap, ids=lambda overlap: overlap.name.lower())
@pytest.mark.parametrize(
    "dataflow", [Dataflow.OS, Dataflow.WS, Dataflow.IS], ids=lambda dataflow: dataflow.name.lower()
)
def test_closed_form_equals_the_schedule(dataflow, overlap, trim):
    rng = np.random.default_rng([int(dataflow), int(overlap), trim])
    count = 1500
    rows, cols = rng.integers(1, 9, size=(2, count))
    m, n, k = rng.integers(1, np.where(rng.random((3, count)) < 0.5, 9, 41))
    groups, cores = np.where(rng.random((2, count)) < 0.4, 1, rng.integers(1, 8, size=(2, count)))
    found = cycles_of(dataflow, (m, n, k, groups), (rows, cols, cores), overlap, trim)
    for i, case in enumerate(zip(m, n, k, rows, cols, groups, cores, strict=True)):
        sizes = [int(size) for size in case]
        assert found[i] == scheduled(dataflow, overlap, trim, *sizes), (dataflow, overlap, trim, sizes)
