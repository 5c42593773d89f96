"""Two ways of running a step are the same training, or are told apart, by losses of several steps and their spread."""

import numpy as np
import pytest

from baselines.errors import LossError
from baselines.live.agreement import LOSS_TOLERANCE, REPEATS, check, reference

FALLING = np.array([2.3, 2.1, 1.9])


def drawn(spread, shift=0.0, stream=0):
    """Losses that a seed decides, as dropout's do: `spread` and `shift` are shares of the loss."""

    def losses(seed):
        rng = np.random.default_rng([stream, seed])
        return FALLING * (1 + shift + spread * rng.standard_normal(3))

    return losses


def passes(expected, losses, precision="fp32"):
    try:
        check("graphs", losses, expected, precision)
    except LossError as error:
        assert "graphs trains differently from eager" in str(error)
        return False
    return True


@pytest.mark.parametrize("precision", LOSS_TOLERANCE)
def test_a_step_without_random_numbers_is_judged_by_the_rounding_alone(precision):
    expected, share = reference(lambda seed: FALLING, precision), LOSS_TOLERANCE[precision]
    assert expected.shape == (1, 3)
    assert passes(expected, lambda seed: FALLING * (1 + 0.9 * share), precision)
    for wrong in (1.1, -1.1):
        assert not passes(expected, lambda seed, wrong=wrong: FALLING * (1 + wrong * share), precision)
    assert not passes(expected, lambda seed: FALLING * np.array([1, 1, 1 + 1.1 * share]), precision)  # at the last step


@pytest.mark.parametrize("spread", [1e-9, 1e-4, 4e-4, 5e-3, 0.1])
def test_repeats_that_differ_at_all_are_no_sign_of_determinism(spread):
    assert reference(drawn(spread), "fp32").shape == (REPEATS, 3)


def test_two_seeds_that_agree_prove_nothing_of_the_others():
    def rarely(seed):
        return FALLING * (1 + (0.02 if seed in (2, 3) else 0.0))

    assert reference(rarely, "fp32").shape == (REPEATS, 3)


@pytest.mark.parametrize("spread", [3e-4, 7e-4, 5e-3, 0.1])
def test_a_mode_that_draws_its_own_random_numbers_is_no_other_training(spread):
    """Also where two of eager's seeds lie within the tolerance of each other by chance and others do not."""
    refused = sum(
        not passes(reference(drawn(spread, stream=2 * trial), "fp32"), drawn(spread, stream=2 * trial + 1))
        for trial in range(300)
    )
    assert refused <= 1


@pytest.mark.parametrize("spread", [0.0, 1e-4, 5e-3, 0.05])
def test_another_training_is_told_from_random_numbers(spread):
    shift = 1.1e-3 + 12 * spread
    for trial in range(100):
        assert not passes(reference(drawn(spread, stream=trial), "fp32"), drawn(spread, shift, stream=trial + 1000))


def test_a_mode_that_spreads_far_more_or_draws_nothing_anew_is_another_training():
    expected = reference(drawn(0.02), "fp32")
    assert not passes(expected, drawn(2.0, stream=1))  # whose own spread would allow it anything
    assert not passes(expected, lambda seed: expected.mean(axis=0))  # as where a dropout's mask is frozen in a graph
    assert passes(reference(drawn(1e-6), "fp32"), lambda seed: FALLING)  # kernels that add in one order now


def test_a_loss_that_is_no_number_agrees_with_nothing():
    for bad in (np.nan, np.inf):
        assert not passes(reference(lambda seed: FALLING, "fp32"), lambda seed, bad=bad: FALLING * bad)
        assert not passes(reference(drawn(0.01), "fp32"), lambda seed, bad=bad: FALLING * bad)
