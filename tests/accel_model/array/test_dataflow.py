"""Closed forms of compute cycles against arrays stepped by hand, fold by fold and PE by PE."""

import array_api_strict
import numpy as np
import pytest

from accel_model.array.dataflow import CYCLES, Dataflow, Overlap, ideal_cycles, padded_cycles, scalesim_cycles
from tests.helpers import oracles

SYSTOLIC = (Dataflow.OS, Dataflow.WS, Dataflow.IS)
MODES = [(d, o, t) for d in SYSTOLIC for o in Overlap for t in (False, True)]


def random_shapes(rng, count):
    """m, n, k, rows, cols, groups, cores: int64 (count,), small enough to step, edges of 1 included."""
    return (
        *rng.integers(1, 24, size=(3, count)),
        *rng.integers(1, 8, size=(2, count)),
        *rng.integers(1, 6, size=(2, count)),
    )


@pytest.mark.parametrize(("dataflow", "overlap", "trim"), MODES)
def test_closed_form_equals_folds_played_one_by_one(dataflow, overlap, trim):
    m, n, k, rows, cols, groups, cores = random_shapes(np.random.default_rng(1), 1500)
    fast = CYCLES[dataflow](m, n, k, rows, cols, overlap=overlap, trim=trim, groups=groups, cores=cores)
    cases = zip(m, n, k, rows, cols, groups, cores, strict=True)
    slow = [oracles.cycles(dataflow, *map(int, c[:5]), overlap, trim, int(c[5]), int(c[6])) for c in cases]
    np.testing.assert_array_equal(fast, slow)


def test_one_fold_equals_an_array_stepped_pe_by_pe():
    rng = np.random.default_rng(2)
    for _ in range(60):
        rows, cols, k = (int(x) for x in rng.integers(1, 7, size=3))
        m, n = int(rng.integers(1, rows + 1)), int(rng.integers(1, cols + 1))
        for overlap in Overlap:
            fast = CYCLES[Dataflow.OS](m, n, k, rows, cols, overlap=overlap, trim=True)
            assert int(fast) == oracles.os_array_edges(m, n, k, rows)
        assert int(padded_cycles(1, k, rows, cols, Overlap.NONE)) == oracles.os_array_edges(rows, cols, k, rows)


@pytest.mark.parametrize(("dataflow", "overlap", "trim"), MODES)
def test_no_array_does_more_than_one_mac_per_pe_and_cycle(dataflow, overlap, trim):
    rng = np.random.default_rng(3)
    m, n, k = rng.integers(1, 4096, size=(3, 3000))
    rows, cols = rng.integers(1, 257, size=(2, 40, 1))
    groups, cores = rng.integers(1, 40, size=3000), rng.integers(1, 17, size=(40, 1))
    cycles = CYCLES[dataflow](m, n, k, rows, cols, overlap=overlap, trim=trim, groups=groups, cores=cores)
    assert (cycles * rows * cols * cores >= groups * m * n * k).all()
    assert (cycles >= ideal_cycles(m, n, k, rows, cols, groups=groups, cores=cores)).all()


@pytest.mark.parametrize("dataflow", SYSTOLIC)
def test_more_overlap_and_trimming_are_never_slower(dataflow):
    m, n, k, rows, cols, groups, cores = random_shapes(np.random.default_rng(4), 20_000)

    def cycles(overlap, trim):
        return CYCLES[dataflow](m, n, k, rows, cols, overlap=overlap, trim=trim, groups=groups, cores=cores)

    for trim in (False, True):
        assert (cycles(Overlap.PIPELINED, trim) <= cycles(Overlap.BUFFERED, trim)).all()
        assert (cycles(Overlap.BUFFERED, trim) <= cycles(Overlap.NONE, trim)).all()
    for overlap in Overlap:
        assert (cycles(overlap, True) <= cycles(overlap, False)).all()


@pytest.mark.parametrize(("dataflow", "overlap", "trim"), MODES)
def test_floating_point_and_strict_arrays_give_the_same_whole_numbers(dataflow, overlap, trim):
    shapes = random_shapes(np.random.default_rng(5), 2000)
    large = np.random.default_rng(6).integers(1, 200_000, size=(3, 2000))
    for m, n, k, rows, cols, groups, cores in (shapes, (*large, *shapes[3:])):
        whole = CYCLES[dataflow](m, n, k, rows, cols, overlap=overlap, trim=trim, groups=groups, cores=cores)
        for convert in (lambda x: x.astype(np.float64), array_api_strict.asarray):
            given = [convert(x) for x in (m, n, k, rows, cols, groups, cores)]
            same = CYCLES[dataflow](*given[:5], overlap=overlap, trim=trim, groups=given[5], cores=given[6])
            np.testing.assert_array_equal(whole, np.asarray(same))


def test_scalesim_convention_is_the_sum_of_padded_folds_less_one():
    m, n, k, rows, cols = 50, 40, 30, 16, 8
    assert int(scalesim_cycles(Dataflow.OS, m, n, k, rows, cols)) == 4 * 5 * (16 + 8 + 30 - 2) - 1
    assert int(scalesim_cycles(Dataflow.WS, m, n, k, rows, cols)) == 2 * 5 * (2 * 16 + 8 + 50 - 2) - 1
    assert int(scalesim_cycles(Dataflow.IS, m, n, k, rows, cols)) == 2 * 7 * (2 * 16 + 8 + 40 - 2) - 1
