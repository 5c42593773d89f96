"""The bootstrap interval covers the true median about as often as it says, for samples that are correlated."""

import numpy as np
import pytest

from baselines.resampling import cut, median_interval

TRIALS = 200


def correlated(rng, blocks, samples, correlation, between):
    """Samples about 1, a first-order chain within each block and a shift of each block; 1 is their true median."""
    noise = rng.normal(size=(TRIALS, blocks, samples))
    for i in range(1, samples):
        noise[..., i] = correlation * noise[..., i - 1] + np.sqrt(1 - correlation**2) * noise[..., i]
    return (1 + 0.01 * noise + between * rng.normal(size=(TRIALS, blocks, 1))).reshape(TRIALS, -1)


def coverage(samples, block):
    intervals = np.array([median_interval(row, block, 0.95, seed) for seed, row in enumerate(samples)])
    return ((intervals[:, 0] <= 1) & (intervals[:, 1] >= 1)).mean()


@pytest.mark.parametrize(("correlation", "between"), [(0.0, 0.0), (0.8, 0.0), (0.8, 0.01), (0.0, 0.03)])
@pytest.mark.parametrize(("blocks", "samples"), [(2, 2), (5, 10), (10, 5)])
def test_95_percent_intervals_cover_at_least_90_percent(blocks, samples, correlation, between):
    drawn = correlated(np.random.default_rng(0), blocks, samples, correlation, between)
    assert coverage(drawn, np.repeat(np.arange(blocks), samples)) >= 0.90


def test_resampling_single_steps_would_not_cover():
    """The reason for blocks: the same samples, each its own block, give intervals that are far too narrow."""
    drawn = correlated(np.random.default_rng(1), 5, 10, 0.8, 0.02)
    assert coverage(drawn, np.arange(50)) < 0.75


def test_one_long_run_is_cut_into_blocks():
    drawn = correlated(np.random.default_rng(2), 1, 300, 0.8, 0.0)
    assert coverage(drawn, np.zeros(300, int)) >= 0.90


def test_intervals_shrink_with_samples_and_scale_with_the_unit():
    rng = np.random.default_rng(3)
    widths = []
    for size in (50, 500, 5000):
        low, high = median_interval(rng.normal(1, 0.1, size), cut(size), 0.95)
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]
    samples, block = rng.normal(1, 0.1, 60), cut(60)
    assert median_interval(1e3 * samples, block, 0.9) == pytest.approx(
        1e3 * np.array(median_interval(samples, block, 0.9))
    )


def test_a_higher_level_is_never_narrower_and_order_within_blocks_is_nothing():
    rng = np.random.default_rng(4)
    samples, block = rng.lognormal(size=60), np.repeat(np.arange(6), 10)
    intervals = [median_interval(samples, block, level) for level in (0.5, 0.8, 0.95, 0.99)]
    lows, highs = zip(*intervals, strict=True)
    assert list(lows) == sorted(lows, reverse=True) and list(highs) == sorted(highs)
    low, high = median_interval(np.sort(samples.reshape(6, 10), axis=1).ravel(), block, 0.95)
    assert (low, high) == pytest.approx(intervals[2], rel=0.1)


def test_blocks_of_unequal_size_and_any_numbering_work():
    rng = np.random.default_rng(5)
    block = np.array([9] * 20 + [-3] * 5 + [4] * 12 + [0] + [7] * 30)
    samples = rng.normal(1, 0.01, len(block))
    low, high = median_interval(samples, block, 0.95)
    assert samples.min() <= low <= np.median(samples) <= high <= samples.max()
