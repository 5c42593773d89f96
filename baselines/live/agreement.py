"""Whether two ways of running a step compute the same training, judged by their losses from one starting state."""

from collections.abc import Callable

import numpy as np

from baselines.errors import LossError

LOSS_TOLERANCE = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 5e-2, "fp16": 2e-2}
"""Share by which a mode's loss may differ from eager's: a choice, some ten units of the format's rounding (2^-11 for
TF32 and fp16, 2^-8 for bf16), and more of them for fp32, whose sums are reordered over several updates."""
OTHER_TOLERANCE = 5e-2
REPEATS = 5  # of eager's losses, each with a seed of its own
STANDARD_ERRORS = (
    6  # between the means of 5 repeats each: Student's t with 8 degrees of freedom passes it 3 times in 10,000
)
SPREAD_RATIO = 13
"""Between the standard deviations of 5 repeats each: Fisher's F with 4 and 4 degrees of freedom passes its square once
in 10,000 (above f the share is 3 e^2 - 2 e^3 with e = 1 / (1 + f))."""


def reference(losses: Callable[[int], np.ndarray], precision: str) -> np.ndarray:
    """float64 (repeats, steps) of what `losses(seed)`, float64 (steps,), gives in eager: REPEATS rows, or one.

    One row stands for all where every repeat, each of another seed, gives the same bits: only such a step draws no
    random numbers and sums in one order. Repeats that merely lie close together may be of a step with a little dropout,
    or of kernels that add in any order, and their spread is part of what a mode is judged by.
    """
    repeats = np.stack([losses(seed) for seed in range(REPEATS)])
    return repeats[:1] if (repeats == repeats[0]).all() else repeats


def check(mode: str, losses: Callable[[int], np.ndarray], expected: np.ndarray, precision: str) -> None:
    """Raise LossError unless the losses of `mode` agree with `expected`, what `reference` gave for eager.

    Where eager's repeats differ, each mode draws its own random numbers: then the means must agree within the
    tolerance and the standard errors, and one must not spread far more widely than the other.
    """
    with np.errstate(invalid="ignore"):  # a loss that is no number agrees with nothing
        ours = np.stack([losses(seed) for seed in range(len(expected))])
        found, wanted = ours.mean(axis=0), expected.mean(axis=0)
        rounding = LOSS_TOLERANCE.get(precision, OTHER_TOLERANCE) * np.abs(wanted)
        allowed, spreads, alike = rounding, "", True
        if len(expected) > 1:
            spread, normal = ours.std(axis=0, ddof=1), expected.std(axis=0, ddof=1)
            allowed = rounding + STANDARD_ERRORS * np.sqrt((spread**2 + normal**2) / len(expected))
            alike = (spread <= rounding + SPREAD_RATIO * normal) & (normal <= rounding + SPREAD_RATIO * spread)
            spreads = f"; they spread by {spread} and eager's by {normal}"
        agrees = (np.abs(found - wanted) <= allowed) & alike
    if not agrees.all():
        raise LossError(
            f"mode {mode} trains differently from eager and is not timed: its losses are {found} and eager's {wanted}, "
            f"which may differ by {allowed}{spreads}"
        )
