"""A Measurement holds only what can be, and its figures follow from its samples."""

import math
import statistics
import subprocess
import sys

import numpy as np
import pytest

from baselines import BaselineError, Subject, from_samples


def test_figures_follow_from_the_samples(make):
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 100, 101):
        samples = rng.lognormal(size=size)
        one = make(samples_s=samples, block=np.arange(size) // 2, batch_size=32)
        assert one.step_s == pytest.approx(statistics.median(samples.tolist()))
        assert one.samples_per_s * one.step_s == pytest.approx(32)
        if size > 3:
            low, _, high = statistics.quantiles(samples.tolist(), n=4, method="inclusive")
            assert one.iqr_s == pytest.approx(high - low)


@pytest.mark.parametrize(("spread", "unstable"), [(0.05, False), (0.15, True)])
def test_an_iqr_above_a_tenth_of_the_median_marks_a_run_unstable(make, spread, unstable):
    samples = 1 + spread * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    assert make(samples_s=samples, block=np.zeros(5, int)).unstable == unstable


def test_the_interval_holds_the_median_and_uncertainty_widens_it(make):
    bare, widened = make(), make(relative_uncertainty=0.05)
    low, high = bare.interval_s()
    assert low <= bare.step_s <= high
    assert widened.interval_s() == pytest.approx((low * 0.95, high * 1.05))
    assert bare.interval_s() == make().interval_s()  # seeded


def test_a_published_value_has_its_stated_interval_and_a_bare_single_sample_none(make):
    single = {"samples_s": [2.0], "block": [0]}
    assert make(**single, relative_uncertainty=0.05).interval_s() == pytest.approx((1.9, 2.1))
    assert make(**single).interval_s() == (0.0, math.inf)


def test_a_rate_without_a_batch_has_no_step_time(make):
    rate = make(samples_s=[], block=[], batch_size=0, throughput_per_s=2259.0)
    assert math.isnan(rate.step_s) and rate.samples_per_s == 2259.0 and not rate.unstable
    assert all(map(math.isnan, rate.interval_s()))


@pytest.mark.parametrize(
    "changes",
    [
        {"samples_s": [0.1, -0.1], "block": [0, 0]},
        {"samples_s": [0.1, math.nan], "block": [0, 0]},
        {"samples_s": [0.1, math.inf], "block": [0, 0]},
        {"samples_s": [0.0], "block": [0]},
        {"samples_s": [], "block": []},
        {"samples_s": [[0.1]], "block": [[0]]},
        {"samples_s": ["fast"], "block": [0]},
        {"samples_s": [0.1], "block": [0, 1]},
        {"samples_s": [0.1], "block": [0.5]},
        {"samples_s": [0.1], "block": [0], "batch_size": 0},
        {"batch_size": -1},
        {"batch_size": 2.5},
        {"batch_size": True},
        {"batch_size": 10**400},
        {"warmup": -1},
        {"steps_per_sample": 0},
        {"device": ""},
        {"source": "  "},
        {"model": None},
        {"notes": 3},
        {"device_kind": "GPU"},
        {"kind": "guessed"},
        {"mode": "fast"},
        {"scope": "all"},
        {"clock": "sundial"},
        {"confidence": "sure"},
        {"energy_j": -1.0},
        {"energy_j": "much"},
        {"macs_per_s": 0.0},
        {"throughput_per_s": math.inf},
        {"relative_uncertainty": 1.0},
        {"relative_uncertainty": math.nan},
        {"context": []},
    ],
)
def test_what_cannot_be_is_refused_by_name(make, changes):
    with pytest.raises(BaselineError, match=r"measurement\.(" + "|".join([*changes, "batch_size"]) + ")"):
        make(**changes)


def test_samples_cannot_be_changed_afterwards_nor_through_what_was_given(make):
    samples = np.array([0.1, 0.2])
    one = make(samples_s=samples, block=[0, 0])
    samples[0] = 9
    assert one.samples_s[0] == 0.1
    with pytest.raises(ValueError, match="read-only"):
        one.samples_s[0] = 9


def test_successive_samples_are_cut_into_blocks_in_order(context):
    subject = Subject(model="m", batch_size=1)
    for size in (1, 7, 10, 95, 1000):
        one = from_samples(np.ones(size), subject, context)
        assert (np.diff(one.block) >= 0).all() and len(set(one.block.tolist())) == min(size, 10)
        counts = np.bincount(one.block)
        assert counts.max() - counts.min() <= 1
    with pytest.raises(BaselineError, match="lacks 'clock'"):
        from_samples([1.0], subject, {"device": "x", "device_kind": "gpu"})


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, baselines; baselines.load(baselines.Filter('imagenet_resnet50')); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "scipy", "pandas", "pynvml", "matplotlib"} & set(modules)
