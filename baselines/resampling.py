"""The bootstrap interval of a median whose samples come in blocks."""

import numpy as np

RESAMPLES = 4000
FEW_BLOCKS = 5
CUTS = 10
"""Blocks that one run of successive samples is cut into."""

DRAWS_PER_BLOCK = 128
"""Most steps drawn from one block in one resample; fewer draws than steps can only widen the interval."""


def cut(samples: int) -> np.ndarray:
    """int64 (samples,), block numbers that cut `samples` (a count) successive samples into at most 10 equal blocks."""
    return np.arange(samples) * min(CUTS, samples) // max(samples, 1)


def median_interval(samples: np.ndarray, block: np.ndarray, level: float, seed: int = 0) -> tuple[float, float]:
    """The expanded-percentile bootstrap interval of the median: blocks are resampled, then samples within them.

    samples: float64 (samples,), any unit. block: int64 (samples,). level: the coverage aimed at, e.g. 0.95.
    Needs two samples or more. Returns (low, high) floats that hold the median of the samples.
    Successive steps are correlated, so it is the number of blocks that counts; a single block is cut into ten. For few
    blocks the percentiles are moved outwards by sqrt(n/(n-1)) and Student's t, as in Hesterberg, "What Teachers Should
    Know About the Bootstrap", The American Statistician 69(4), 2015 ("expanded percentile interval"). No resample lies
    outside the samples, so below 5 blocks Student's interval of the blocks' medians is taken in too.
    """
    if np.ptp(block) == 0:
        block = cut(len(samples))
    order = np.argsort(block, kind="stable")
    _, starts, sizes = np.unique(np.asarray(block)[order], return_index=True, return_counts=True)
    medians = _resampled_medians(np.asarray(samples)[order], starts, sizes, np.random.default_rng(seed))
    tail, student = _tail_and_student(level, len(sizes))
    low, high = np.quantile(medians, (tail, 1 - tail))
    middle, reach = float(np.median(samples)), 0.0
    if len(sizes) < FEW_BLOCKS:
        of_blocks = [np.median(samples[order][start : start + size]) for start, size in zip(starts, sizes, strict=True)]
        reach = student * float(np.std(of_blocks, ddof=1)) / np.sqrt(len(sizes))
    return min(float(low), middle - reach), max(float(high), middle + reach)


def _resampled_medians(samples, starts, sizes, rng):
    """float64 (RESAMPLES,): medians of resampled blocks of resampled samples."""
    draws = np.minimum(sizes, DRAWS_PER_BLOCK)
    chunk = max(1, 4_000_000 // (len(sizes) * int(draws.max())))
    medians = []
    for first in range(0, RESAMPLES, chunk):
        picked = rng.integers(len(sizes), size=(min(chunk, RESAMPLES - first), len(sizes)))
        within = rng.random((*picked.shape, draws.max())) * sizes[picked][..., None]
        values = samples[starts[picked][..., None] + within.astype(np.int64)]
        values[np.arange(draws.max()) >= draws[picked][..., None]] = np.inf  # sorts behind every sample
        values = np.sort(values.reshape(len(picked), -1), axis=1)
        count = draws[picked].sum(axis=1)
        row = np.arange(len(picked))
        medians.append((values[row, (count - 1) // 2] + values[row, count // 2]) / 2)
    return np.concatenate(medians)


def _tail_and_student(level, blocks):
    """The probability below which the expanded percentile lies, and Student's t of the level, for 2 blocks or more."""
    from scipy.special import ndtr, stdtrit

    student = -stdtrit(blocks - 1, (1 - level) / 2)
    return float(ndtr(-student * np.sqrt(blocks / (blocks - 1)))), float(student)
