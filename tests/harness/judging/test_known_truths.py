"""What must come out, from arithmetic on published figures: no design of the seed's MAC units and clock does better."""

import numpy as np
import pytest

import baselines
from accel_model import Design, compute_floor_s
from harness.flows.run import captured
from harness.judging.claims import judge, ratio_of
from harness.judging.compare import PARITY, Simulation, compare
from harness.judging.model_error import of_quantity
from harness.settings import shipped
from tests.helpers.settings import comparing

BATCH = 2  # MACs of a sample do not depend on it


@pytest.fixture(scope="module")
def peak_s():
    """{workload: seconds of a sample with every MAC unit of the seed busy in every cycle}."""
    seed, fp32 = Design.load("seed"), shipped.precision("fp32")
    traces = {name: captured(shipped.load(name), fp32, BATCH) for name in ("imagenet_resnet50", "imagenet_vgg16")}
    return {name: float(compute_floor_s(trace, seed)[0]) / BATCH for name, trace in traces.items()}


@pytest.fixture
def claims(compose):
    return compose().claim


def rows(workload, uncertainty):
    """Published GPUs in full precision, with that relative uncertainty."""
    found = baselines.load(baselines.Filter(workload=workload), ["published"], relative_uncertainty=uncertainty)
    return [
        one
        for one in found
        if one.samples_s.size
        and one.precision in PARITY["fp32"]
        and one.device_kind == "gpu"
        and "load" not in one.scope
    ]


def at_peak(row, peak, claim):
    """The Verdict on a row where the accelerator is as fast as its MAC units can be, and no model errs."""
    seconds = np.array([row.batch_size * peak])
    one = compare(row, Simulation(seconds, seconds, {"compute": 1.0}), "fp32", comparing(model_error=0.0))
    return judge("a claim", claim, one, row.workload)


def test_resnet50_does_211_images_a_second_at_most(peak_s):
    assert 210 < 1 / peak_s["imagenet_resnet50"] < 212


def test_half_the_time_of_a_k80_needs_half_of_the_utilisation(peak_s, claims):
    (row,) = [
        one
        for one in rows("imagenet_resnet50", 0.05)
        if "K80" in one.device and "GCE" in one.device and one.scope == "step"
    ]
    needed = row.samples_per_s / ratio_of(claims["seed_training_time"])
    assert needed * peak_s["imagenet_resnet50"] == pytest.approx(0.49, abs=0.01)


@pytest.mark.parametrize("device", ["P100", "V100", "A100", "RTX 2080 Ti", "TITAN RTX"])
def test_resnet50_against_later_gpus_is_refuted_at_any_utilisation(peak_s, claims, device):
    found = [one for one in rows("imagenet_resnet50", 0.05) if device in one.device]
    assert found
    for row in found:
        verdict = at_peak(row, peak_s["imagenet_resnet50"], claims["seed_training_time"])
        assert verdict.outcome == "none" and verdict.impossible


def test_vgg16_is_refuted_against_every_gpu_of_the_tables(peak_s, claims):
    found = rows("imagenet_vgg16", 0.05)
    assert len(found) > 20
    for row in found:
        for claim in claims.values():
            assert at_peak(row, peak_s["imagenet_vgg16"], claim).outcome == "none", row.device


def test_three_times_the_throughput_is_possible_only_against_three_gpus(peak_s, claims):
    possible = {
        word
        for row in rows("imagenet_resnet50", 1e-6)  # none at all would bound nothing
        if not at_peak(row, peak_s["imagenet_resnet50"], claims["seed_throughput"]).impossible
        for word in row.device.replace(",", " ").split()
        if word in ("K80", "M4000", "M60") or not any(one in row.device for one in ("K80", "M4000", "M60"))
    }
    assert possible == {"K80", "M4000", "M60"}


def test_the_model_is_never_taken_to_be_exact():
    for quantity in ("time", "energy"):
        error = of_quantity(quantity, [0.05, 0.95])
        assert error.high > 1.05
