"""The Pareto front equals what comparing every row with every other gives."""

import numpy as np
import pytest

from harness.flows.explore.pareto import dominated, front, merged, rounded


def slow_front(values):
    """Rows that no row dominates, the first of equal ones, by comparing all pairs."""
    kept = []
    for i, mine in enumerate(values):
        beaten = any((other <= mine).all() and (other < mine).any() for other in values)
        if not beaten and not any((values[j] == mine).all() for j in range(i)):
            kept.append(i)
    return kept


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_the_front_of_random_tables_with_ties_equals_all_pairs(objectives, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 12, size=(rng.integers(1, 250), objectives)).astype(float)
    values[rng.random(values.shape) < 0.03] = np.inf
    assert front(values).tolist() == slow_front(values)


@pytest.mark.parametrize("seed", range(4))
def test_a_front_kept_batch_by_batch_is_that_of_the_whole(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 40, size=(3000, 3)).astype(float)
    kept = np.empty(0, dtype=int)
    for start in range(0, 3000, 700):
        new = start + front(values[start : start + 700])
        old_at, new_at = merged(values[kept], values[new])
        kept = np.concatenate([kept[old_at], new[new_at]])
    assert sorted(kept.tolist()) == front(values).tolist()


def test_every_row_left_out_is_dominated_by_or_equal_to_one_kept():
    values = np.random.default_rng(0).lognormal(size=(20_000, 3)).round(2)
    kept = front(values)
    rest = np.delete(np.arange(len(values)), kept)
    assert dominated(values[rest], values[kept], or_equal=True).all()
    assert not dominated(values[kept], values).any()


def test_rows_that_are_all_on_the_front_are_all_kept():
    x = np.linspace(0.1, 1, 5000)
    assert len(front(np.stack([x, 1 / x], axis=1))) == 5000


def test_an_empty_table_has_an_empty_front():
    assert front(np.empty((0, 3))).tolist() == []


def test_what_differs_beyond_nine_digits_is_equal():
    one, other = rounded(np.array([1.2345678901e-7, np.inf, 1e30])), rounded(np.array([1.23456789e-7, np.inf, 1e30]))
    assert (one == other).all() and one[0] == pytest.approx(1.23456789e-7, rel=1e-12)
    assert rounded(np.array([1.0])) != rounded(np.array([1.00000001]))
