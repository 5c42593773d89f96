"""Break-even: laws of the look-up, and what a brute-force replay of the same variants says."""

import math
from dataclasses import replace

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from harness.judging.breakeven import PARAMETERS, curves, frontier, ladder, smallest
from tests.helpers.traces import conv_trace, random_trace

SEED = Design.load("seed")
STEPPED = {"macs": 2.0, "buffer_bytes": 1.5}  # largest ratio of two values tried
SMOOTH = ("clock_hz", "dram_bytes_per_s")


def traces():
    rng = np.random.default_rng(3)
    convolutions = conv_trace([(16, 28, 32, 3, 1, 1, 1), (32, 14, 64, 3, 2, 1, 1), (64, 7, 64, 1, 1, 0, 2)], batch=32)
    return [random_trace(rng), convolutions, Trace.from_gemms(*rng.integers(50, 2000, size=(3, 12)))]


@pytest.fixture(scope="module", params=range(3), ids=["mixed", "convolutions", "gemms"])
def case(request):
    trace = traces()[request.param]
    return trace, curves(trace, SEED)


def step_s(trace, **columns):
    """Seconds of a step on the seed with `columns` in place of its own values."""
    count = len(next(iter(columns.values())))
    own = {name: np.asarray(values).astype(getattr(SEED, name).dtype) for name, values in columns.items()}
    return replay(trace, replace(SEED[np.zeros(count, dtype=int)], **own), per_op=False, must_run=False).step_s


def targets(found, parameter, count=40):
    """Seconds between the slowest and the fastest of the parameter's values that run."""
    seconds = found.step_s(parameter, "step_and_copy")
    seconds = seconds[np.isfinite(seconds)]
    return np.random.default_rng(0).uniform(seconds.min() * 1.0001, seconds.max(), count)


@pytest.mark.parametrize("parameter", SMOOTH)
def test_the_target_is_met_one_percent_above_the_answer_and_not_one_percent_below(case, parameter):
    trace, found = case
    wanted = targets(found, parameter)
    answers = np.array([smallest(found, target, "step_and_copy")[parameter].value for target in wanted])
    inside = answers > found.values[parameter][0]
    assert inside.sum() > 10
    assert (step_s(trace, **{parameter: answers * 1.01}) <= wanted).all()
    below = step_s(trace, **{parameter: answers * 0.99})
    flat = np.isclose(below, wanted, rtol=1e-3)  # where the parameter hardly matters, 1 % of it is lost in rounding
    assert (below > wanted)[inside & ~flat].all()


def test_memory_meets_the_target_at_the_answer_and_not_one_step_below(case):
    trace, found = case
    for target in targets(found, "buffer_bytes"):
        value = smallest(found, target, "step_and_copy")["buffer_bytes"].value
        assert step_s(trace, buffer_bytes=[value]) <= target
        if value > found.values["buffer_bytes"][0]:
            assert step_s(trace, buffer_bytes=[value / STEPPED["buffer_bytes"]]) > target


def test_macs_equal_a_search_of_every_array_by_brute_force(case):
    trace, found = case
    arrays = [tuple(int(side) for side in array) for array in found.arrays]
    seconds = [step_s(trace, rows=[r], cols=[c], cores=[n])[0] for r, c, n in arrays]
    for target in targets(found, "macs"):
        meets = [r * c * n for (r, c, n), time in zip(arrays, seconds, strict=True) if time <= target]
        assert smallest(found, target, "step_and_copy")["macs"].value == min(meets)


def test_the_grid_equals_design_grid():
    trace = traces()[2]
    found = curves(trace, Design.grid())
    table = Design.grid(array=found.arrays.tolist(), dram_bytes_per_s=found.bandwidths.tolist())
    brute = replay(trace, table, per_op=False, must_run=False)
    np.testing.assert_allclose(found.grid_s("step_and_copy").ravel(), brute.step_s, rtol=1e-12)
    target = float(np.median(brute.step_s))
    macs = np.where(brute.step_s <= target, table.pes, np.inf).reshape(found.grid.shape).min(axis=0)
    bandwidths, answer = frontier(found, target, "step_and_copy")
    np.testing.assert_array_equal(bandwidths, np.unique(table.dram_bytes_per_s))
    np.testing.assert_array_equal(np.nan_to_num(answer, nan=np.inf), macs)


@pytest.mark.parametrize("scope", ["step", "step_and_copy", "forward_backward", "step_and_loading"])
def test_a_larger_target_never_needs_a_larger_value(case, scope):
    _, found = case
    wanted = np.geomspace(1e-8, 1e3, 300)
    for parameter in PARAMETERS:
        values = np.array([smallest(found, target, scope)[parameter].value for target in wanted])
        some = np.isfinite(values)
        assert some.any() and not some.all()
        assert (np.diff(some.astype(int)) >= 0).all()  # once met, met from there on
        assert (np.diff(values[some]) <= values[some][1:] * 1e-12).all()


def test_scopes_that_cover_less_take_no_longer(case):
    _, found = case
    for parameter in PARAMETERS:
        whole = found.step_s(parameter, "step_and_copy")
        assert (found.step_s(parameter, "step") <= whole).all()
        assert (found.step_s(parameter, "forward_backward") <= found.step_s(parameter, "step") * (1 + 1e-12)).all()


def test_the_frontiers_ends_agree_with_the_answers_alone(case):
    _, found = case
    for target in targets(found, "macs", 20):
        alone = smallest(found, target, "step_and_copy")
        bandwidths, macs = frontier(found, target, "step_and_copy")
        assert macs[bandwidths == found.own["dram_bytes_per_s"]] == alone["macs"].value
        if math.isfinite(alone["dram_bytes_per_s"].value):
            enough = macs <= found.own["macs"]  # of those bandwidths the design's own array, or a smaller one, suffices
            assert enough[bandwidths >= alone["dram_bytes_per_s"].value].all()


@pytest.mark.parametrize(
    ("gemm", "starved", "says"), [((4096, 4096, 4096), False, "MAC units"), ((1, 8192, 8192), True, "DRAM")]
)
def test_below_the_floor_no_value_suffices_and_the_answer_says_what_binds(gemm, starved, says):
    found = curves(Trace.from_gemms(*gemm), Design.grid(launch_s=0.0))
    parameter = "clock_hz" if starved else "dram_bytes_per_s"
    floor = found.step_s(parameter, "step").min()
    answer = smallest(found, 0.9 * floor, "step")[parameter]
    assert math.isnan(answer.value) and math.isnan(answer.factor)
    assert f"of the step wait for {'' if starved else 'the '}{says}" in answer.why
    assert f"{1e3 * floor:.4g} ms" in answer.why


def test_arrays_too_large_for_the_memory_are_no_answer_and_the_reason_says_so():
    found = curves(Trace.from_gemms(8192, 8192, 64), Design.grid(array=[(32, 32, 1)], buffer_bytes=2**18))
    assert not np.isfinite(found.step_s("macs", "step")).all()
    answer = smallest(found, 1e-12, "step")["macs"]
    assert math.isnan(answer.value) and "no tile fits the on-chip memory" in answer.why
    met = smallest(found, float(found.step_s("macs", "step").min()), "step")["macs"]
    assert math.isfinite(met.value)


def test_what_the_design_does_itself_needs_no_more_than_its_own_values(case):
    trace, found = case
    own = float(replay(trace, SEED, per_op=False).step_s[0])
    for parameter, answer in smallest(found, own * (1 + 1e-9), "step_and_copy").items():
        assert answer.factor <= 1 + 1e-9, parameter
        assert answer.value == pytest.approx(answer.factor * found.own[parameter])
        assert "suffices" in answer.why


@pytest.mark.parametrize("array", [(32, 32, 1), (1, 1024, 1), (12, 14, 1), (16, 16, 4), (4096, 4096, 1)])
def test_the_ladder_of_arrays_holds_the_own_one_and_spans_the_range(array):
    arrays = ladder(*array)
    macs = arrays.prod(axis=1)
    assert list(array) in arrays.tolist()
    assert (arrays[:, 2] == array[2]).all() and (np.diff(macs) > 0).all()
    assert macs[0] <= 64 * array[2] and macs[-1] >= 2048**2 * array[2]
