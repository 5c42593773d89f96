"""Verdicts are intervals: laws of comparing and judging, and known truths from arithmetic on published figures."""

from dataclasses import replace

import numpy as np
import pytest

from baselines import Filter, Measurement, published
from harness.judging import compare as sides
from harness.judging.claims import contradiction, judge, overall, ratio_of, speedup
from harness.judging.compare import Simulation, compare
from harness.judging.model_error import of_quantity
from harness.settings.errors import ConfigError
from tests.helpers.settings import claiming, comparing

MACS_PER_S = 1024 * 2.5e9  # of the seed accelerator: 1024 MAC units at 2.5 GHz
RESNET50_MACS = 12.15e9  # of a training image, to four digits: three times 4.089 GMAC less the first layer's dgrad


def claim(metric="time_reduction", threshold=0.5):
    return claiming(metric=metric, threshold=threshold, workloads=["imagenet_*"], device_kinds=["gpu"])


def measurement(step_s=1.0, **changes):
    values = {
        "device": "a GPU",
        "device_kind": "gpu",
        "kind": "published",
        "workload": "imagenet_resnet50",
        "model": "resnet50",
        "samples_s": np.array([step_s]),
        "block": np.zeros(1, np.int64),
        "batch_size": 64,
        "precision": "fp32",
        "scope": "step",
        "clock": "published",
        "source": "a paper",
        "confidence": "verified",
        "relative_uncertainty": 0.05,
    }
    return Measurement(**values | changes)


def comparison(step_s, simulated_s, floor_s=0.0, settings=None, precision="fp32", **changes):
    simulated = np.atleast_1d(np.asarray(simulated_s, float))
    floor = np.broadcast_to(np.asarray(floor_s, float), simulated.shape)
    simulation = Simulation(simulated, floor, {"compute": 0.7, "dram": 0.3})
    settings = settings or comparing(model_error=0.1)
    return compare(measurement(step_s, **changes), simulation, precision, settings)


@pytest.mark.parametrize("metric", ["time_reduction", "throughput_gain"])
def test_an_outcome_is_what_the_ends_of_the_interval_say(metric):
    rng = np.random.default_rng(0)
    for _ in range(200):
        threshold = rng.uniform(-0.5, 0.9)
        one = comparison(rng.uniform(0.1, 10), rng.uniform(0.01, 10, 50))
        verdict = judge("c", claim(metric, threshold), one, "imagenet_resnet50")
        values = one.reduction if metric == "time_reduction" else one.gain
        expected = {"supported": 0, "refuted": 0, "undecided": 0}
        for low, high in zip(values[0], values[2], strict=True):
            outcome = "supported" if low >= threshold else "refuted" if high < threshold else "undecided"
            expected[outcome] += 1
        assert verdict.counts == expected
        assert sum(expected.values()) == 50
        ends = values[0].min() >= threshold, values[0].max() >= threshold, values[2].max() >= threshold
        assert verdict.outcome == next(
            (w for w, met in zip(("all", "some", "undecided"), ends, strict=True) if met), "none"
        )


def test_reduction_and_gain_are_one_number_seen_twice():
    one = comparison(3.0, [0.5, 1.0, 3.0, 7.0])
    assert np.allclose(1 / (1 - one.reduction), 1 + one.gain)
    assert np.allclose(one.reduction[1], [1 - 0.5 / 3, 1 - 1 / 3, 0, 1 - 7 / 3])


def test_wider_intervals_never_turn_a_doubt_into_a_verdict():
    rng = np.random.default_rng(1)
    for _ in range(200):
        step_s, simulated_s, threshold = rng.uniform(0.1, 10), rng.uniform(0.01, 10, 20), rng.uniform(-1, 0.9)
        narrow = comparison(step_s, simulated_s, settings=comparing(model_error=0.05))
        wide = comparison(step_s, simulated_s, settings=comparing(model_error=0.3), relative_uncertainty=0.2)
        before, after = (judge("c", claim(threshold=threshold), one, "imagenet_resnet50") for one in (narrow, wide))
        assert after.counts["supported"] <= before.counts["supported"]
        assert after.counts["refuted"] <= before.counts["refuted"]


def test_no_simulated_end_lies_below_the_floor():
    one = comparison(1.0, [0.5, 0.9], floor_s=[0.49, 0.85])
    assert (one.simulated_s >= one.floor_s).all()
    assert one.simulated_s[0].tolist() == [0.49, 0.85]  # 10 % less would lie below


def test_a_figure_with_loading_in_it_can_refute_but_not_support():
    slow = comparison(1.0, 0.01, scope="step_and_loading")
    fast = comparison(1.0, 5.0, scope="step_and_loading")
    assert judge("c", claim(), slow, "imagenet_resnet50").outcome == "undecided"
    assert judge("c", claim(), fast, "imagenet_resnet50").outcome == "none"


@pytest.mark.parametrize(
    ("changes", "precision", "says"),
    [
        ({}, "bf16", "precision"),
        ({"confidence": "recalled"}, "fp32", "memory"),
        ({"device_kind": "cpu"}, "fp32", "cpu"),
    ],
)
def test_a_row_that_no_claim_can_rest_on_is_context(changes, precision, says):
    verdict = judge("c", claim(), comparison(1.0, 0.01, precision=precision, **changes), "imagenet_resnet50")
    assert not verdict.decides
    assert says in verdict.scope
    assert sum(overall([verdict]).values()) == 0


def test_a_claim_does_not_speak_of_other_workloads():
    verdict = judge("c", claim(), comparison(1.0, 0.01), "text_gpt_small")
    assert "text_gpt_small" in verdict.scope


def test_unequal_thresholds_contradict_and_equal_ones_do_not():
    half, triple, double = claim(), claim("throughput_gain", 2.0), claim("throughput_gain", 1.0)
    assert "2x" in contradiction({"a": half, "b": triple})
    assert "3x" in contradiction({"a": half, "b": triple})
    assert contradiction({"a": half, "b": double}) == ""
    assert contradiction({"a": half}) == ""


def test_precision_classes_are_symmetric():
    """A precision is of equal quality to itself, and quality does not depend on which side has it."""
    for name, partners in sides.PARITY.items():
        assert name in partners
        for partner in partners:
            if partner in sides.PARITY:
                assert name in sides.PARITY[partner]


@pytest.mark.parametrize(
    ("device", "scope", "outcome_at_peak"),
    [
        # images/s as published, against 2.56e12 / 12.15e9 = 210.7 images/s of the seed with every MAC unit busy
        ("Tesla K80 (one GK210 of the dual board, GCE)", "step", "all"),  # 51.9: 75 % less time at the peak
        ("Tesla P100 (DGX-1)", "step", "none"),  # 219: not even as fast
        ("GTX 1080", "forward_backward", "undecided"),  # 106.8: 49.3 % less time, and the figure is not exact
    ],
)
def test_resnet50_against_published_gpus_at_full_utilisation(device, scope, outcome_at_peak):
    rows = published(Filter(workload="imagenet_resnet50", precision="fp32", scope=scope))
    row = next(one for one in rows if one.device == device)
    peak_s = row.batch_size * RESNET50_MACS / MACS_PER_S
    simulation = Simulation(np.array([peak_s]), np.array([peak_s]), {"compute": 1.0})
    one = compare(row, simulation, "fp32", comparing(model_error=0.0))
    assert judge("c", claim(), one, "imagenet_resnet50").outcome == outcome_at_peak


def test_the_gtx_1080_refutes_half_the_time_as_printed():
    rows = published(Filter(workload="imagenet_resnet50", device="GTX 1080", scope="forward_backward"))
    row = next(one for one in rows if one.device == "GTX 1080")
    peak_s = row.batch_size * RESNET50_MACS / MACS_PER_S
    assert 1 - peak_s / row.step_s < 0.5
    assert 1 - peak_s / (row.step_s * 1.015) >= 0.5  # an uncertainty of 1.5 % is enough to leave it open


def test_recorded_rows_are_those_of_the_nearest_batch_of_each_device():
    from harness.flows.run import nearest_recorded

    recorded = [measurement(kind="recorded", device=d, batch_size=b) for d in ("x", "y") for b in (1, 32, 128)]
    other = [measurement(batch_size=7)]
    kept = nearest_recorded([*recorded, *other], 96)  # 128 is 0.4 octaves away, 32 is 1.6
    assert [(row.device, row.batch_size) for row in kept] == [("x", 128), ("y", 128), ("a GPU", 7)]
    assert nearest_recorded(other, 96) == other


def test_best_median_and_worst_are_designs_of_the_set_in_that_order():
    times = np.random.default_rng(2).uniform(0.1, 2, 101)
    verdict = judge("c", claim(), comparison(1.0, times), "imagenet_resnet50")
    assert verdict.best.step_s == times.min() and verdict.worst.step_s == times.max()
    assert verdict.median.step_s == np.sort(times)[50]
    assert verdict.nominal.step_s == times[0]
    assert verdict.best.value[1] >= verdict.median.value[1] >= verdict.worst.value[1]


@pytest.mark.parametrize(
    ("metric", "threshold", "factor"),
    [("time_reduction", 0.5, 2), ("throughput_gain", 2.0, 3), ("speedup", 1.5, 1.5), ("energy_reduction", 0.75, 4)],
)
def test_the_ratio_of_a_claim_is_where_its_metric_reaches_the_threshold(metric, threshold, factor):
    one = claim(metric, threshold)
    assert np.isclose(one.rule.value(ratio_of(one)), threshold)
    assert np.isclose(speedup(one), factor)


def test_a_claim_on_energy_needs_a_measured_energy():
    saves = claim("energy_reduction", 0.5)
    unknown = comparison(1.0, 0.1)
    assert "energy" in judge("c", saves, unknown, "imagenet_resnet50").scope
    simulation = Simulation(np.array([1.0, 1.0]), np.zeros(2), {"compute": 1.0}, np.array([1.0, 9.0]))
    known = compare(measurement(1.0, energy_j=10.0), simulation, "fp32", comparing(model_error=0.1))
    verdict = judge("c", saves, known, "imagenet_resnet50")
    assert verdict.decides and verdict.outcome == "some"  # 1 J of 10 J saves, 9 J of 10 J do not
    assert verdict.counts == {"supported": 1, "refuted": 1, "undecided": 0}
    assert verdict.ceiling == np.inf


@pytest.mark.parametrize(
    ("changes", "row", "says"),
    [
        ({"kinds": ["live"]}, {}, "published"),
        ({"years": [2020, 2022]}, {"year": 2017}, "2017"),
        ({"device_kinds": ["fpga"]}, {}, "fpga"),
        ({"workloads": ["cifar10_*"]}, {}, "imagenet_resnet50"),
    ],
)
def test_a_claim_says_what_it_does_not_speak_of(changes, row, says):
    verdict = judge("c", replace(claim(), **changes), comparison(1.0, 0.1, **row), "imagenet_resnet50")
    assert not verdict.decides and says in verdict.scope


def test_a_claim_without_parity_counts_rows_of_any_precision():
    one = comparison(1.0, 0.1, precision="int8")
    assert not judge("c", claim(), one, "imagenet_resnet50").decides
    assert judge("c", replace(claim(), parity=False), one, "imagenet_resnet50").decides


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"threshold": 1.0}, "100 %"),
        ({"metric": "energy_reduction", "threshold": 1.5}, "100 %"),
        ({"metric": "throughput_gain", "threshold": -1.0}, "-1"),
        ({"metric": "speedup", "threshold": 0.0}, "above 0"),
        ({"threshold": float("nan")}, "fraction"),
        ({"workloads": []}, "workloads"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["guessed"]}, "guessed"),
        ({"device_kinds": ["tpu"]}, "tpu"),
        ({"years": [2022, 2020]}, "years"),
    ],
)
def test_a_claim_that_cannot_be_is_refused_with_what_to_write(changes, says):
    with pytest.raises(ConfigError, match=says):
        replace(claim(), **changes)


def test_model_error_is_what_the_validated_chips_show():
    """The interval of a simulated time holds the published time of nine in ten cells of the table behind it."""
    error = of_quantity("time", [0.05, 0.95])
    assert error.low < 1 < error.high
    logs = np.array([float(row["log_error"]) for row in error.cells])
    inside = (np.exp(-logs) >= error.low - 1e-12) & (np.exp(-logs) <= error.high + 1e-12)
    assert inside.mean() >= 0.8 and len(logs) >= 10
    whole = of_quantity("time", [0.0, 1.0])
    assert whole.low <= error.low and whole.high >= error.high
    assert np.isclose(whole.low, min(np.exp(-logs).min(), 1))
    with pytest.raises(ConfigError, match="weight"):
        of_quantity("weight", [0.05, 0.95])


def test_placed_arrays_share_the_model_error_of_the_design():
    placed = comparison(1.0, 0.4, kind="placed", device_kind="fpga", clock="modelled", confidence="modelled")
    assert placed.simulated_s[:, 0].tolist() == [0.4, 0.4, 0.4]
    assert any("share" in remark for remark in placed.remarks)
