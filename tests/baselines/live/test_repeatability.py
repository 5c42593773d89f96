"""Repeated measurements: the intervals cover what they say, and the figures of tests/bench/repeatability are right."""

import numpy as np
import pytest

from baselines import Plan
from tests.bench.repeatability import CASES, agreement, made_up, measured, simulated_coverage


def test_intervals_of_the_default_plan_cover_95_percent_of_correlated_samples_to_3_points():
    coverage = simulated_coverage(trials=400)
    assert set(coverage) == set(CASES)
    for name, share in coverage.items():
        assert share >= 0.92, name  # 3 standard errors of 400 trials at 0.95 are 0.033
    assert coverage["correlated, blocks shifted by as much"] <= 0.995  # an interval of everything would prove nothing


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_made_up_samples_have_the_median_spread_and_correlation_they_claim(correlation):
    drawn = np.log(made_up(np.random.default_rng(0), 4000, 1, 10, correlation, 0.0)) / 0.01
    assert np.median(drawn) == pytest.approx(0, abs=0.03) and drawn.std() == pytest.approx(1, rel=0.03)
    neighbours = np.corrcoef(drawn[:, 4], drawn[:, 5])[0, 1]
    assert neighbours == pytest.approx(correlation, abs=0.05)


def test_agreement_counts_what_is_known(make):
    block = np.repeat(np.arange(5), 10)
    alike = [make(samples_s=np.full(50, 0.1), block=block) for _ in range(4)]
    assert agreement(alike)["intervals that hold the pooled median"] == 1.0
    assert agreement(alike)["neighbours that agree within 3 %"] == 1.0
    apart = [make(samples_s=np.full(50, value), block=block) for value in (0.1, 0.1, 0.1, 0.12)]
    found = agreement(apart)
    assert found["intervals that hold the pooled median"] == 0.75
    assert found["neighbours that agree within 3 %"] == pytest.approx(2 / 3)
    assert found["medians, smallest to largest"] == pytest.approx(0.2)


def test_a_step_is_measured_again_and_again():
    plan = Plan(blocks=2, samples_per_block=2, sample_s=1e-3, warmup_limit_s=0.1, pause_s=0, energy_window_s=0)
    found = measured("cpu", "mnist_mlp", 3, batch_size=4, plan=plan)
    assert len(found) == 3 and all(one.samples_s.size == 4 and one.scope == "step_and_copy" for one in found)


@pytest.mark.gpu
@pytest.mark.slow
def test_gpu_medians_agree_within_3_percent_and_intervals_cover():
    found = agreement(measured("cuda", "imagenet_resnet18", 10))
    assert found["neighbours that agree within 3 %"] == 1.0
    assert found["intervals that hold the pooled median"] >= 0.6
