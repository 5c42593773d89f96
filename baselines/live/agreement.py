"""Whether two ways of running a step compute the same training, judged by their losses from one starting state."""

from collections.abc import Callable

import numpy as np

from baselines.errors import LossError

LOSS_TOLERANCE = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 5e-2, "fp16": 2e-2}
"""Share by which a mode's loss may differ from eager's: a choice, some ten units of the format's rounding (2^-11 for
TF32 and fp16, 2^-8 for bf16), and more of them for fp32, whose sums are reordered over several updates."""
OTHER_TOLERANCE = 5e-2
RANDOM_SEEDS = 5
STANDARD_ERRORS = (
    6  # between the means of 5 seeds each: Student's t with 8 degrees of freedom passes it 3 times in 10,000
)


def reference(losses: Callable[[int], np.ndarray], precision: str) -> np.ndarray:
    """float64 (seeds, steps) of what `losses(seed)`, float64 (steps,), gives: one seed, or five where they differ."""
    first, second = losses(0), losses(1)
    if (np.abs(second - first) <= _share(precision) * np.abs(first)).all():
        return first[None]
    return np.stack([first, second, *(losses(seed) for seed in range(2, RANDOM_SEEDS))])


def check(mode: str, losses: Callable[[int], np.ndarray], expected: np.ndarray, precision: str) -> None:
    """Raise LossError unless the losses of `mode` agree with `expected`, what `reference` gave for eager.

    Where eager's depend on the seed (dropout), each mode draws its own random numbers: then the means must agree.
    """
    ours = np.stack([losses(seed) for seed in range(len(expected))])
    tolerance = _share(precision) * np.abs(expected[0])
    if len(expected) > 1:
        variance = ours.var(axis=0, ddof=1) + expected.var(axis=0, ddof=1)
        tolerance = tolerance + STANDARD_ERRORS * np.sqrt(variance / len(expected))
    found, wanted = ours.mean(axis=0), expected.mean(axis=0)
    if not (np.abs(found - wanted) <= tolerance).all():
        raise LossError(
            f"mode {mode} trains differently from eager and is not timed: its losses are {found} and eager's {wanted}, "
            f"which may differ by {tolerance}"
        )


def _share(precision):
    return LOSS_TOLERANCE.get(precision, OTHER_TOLERANCE)
