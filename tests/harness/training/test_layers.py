"""Time by layer: the shares of the profiled pass, scaled to the unprofiled step."""

import pytest
import torch

from harness.training.data.sources import load
from harness.training.layers import COPY, PHASES, STEPS, layer_times, scaled
from harness.training.step import TrainingStep

PARAMETERS = {"body": 300, "head": 100}


def places_of(*one_step):
    return [(step, *place) for step in range(STEPS) for place in one_step]


def test_layers_phases_and_what_is_not_attributed_add_up_to_the_step():
    places = places_of(("body", "forward"), ("head", "forward"), ("body", "backward"), (None, "update"))
    found = dict(enumerate([1.0, 2.0, 4.0, 2.0] * STEPS))
    times = scaled(found, spare_s=STEPS * 1.0, places=places, parameters=PARAMETERS, step_s=20.0)
    assert times.unattributed_s == pytest.approx(20.0 * 1 / 10)
    assert times.seconds.sum() + times.unattributed_s == pytest.approx(20.0)
    assert times.profiled_s == pytest.approx(10.0)
    assert dict(zip(times.layers, times.seconds.tolist(), strict=True)) == {
        "body": pytest.approx([2.0, 8.0, 3.0]),  # 3/4 of the parameters, so 3/4 of the update
        "head": pytest.approx([4.0, 0.0, 1.0]),
    }


def test_one_slow_step_of_the_profiled_ones_changes_nothing():
    places = places_of(("body", "forward"), ("head", "forward"))
    found = dict(enumerate([1.0, 1.0] * STEPS)) | {0: 1000.0}
    times = scaled(found, 0.0, places, PARAMETERS, 2.0)
    assert times.seconds[:, 0] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(("spare_s", "note"), [(0.0, "saw no work"), (5.0, "links no kernel")])
def test_where_nothing_is_attributed_the_whole_step_is_told_so(spare_s, note):
    times = scaled({}, spare_s, [], PARAMETERS, 2.0)
    assert times.unattributed_s == 2.0 and times.layers == () and note in times.note


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_layer_of_a_real_step_has_its_phases(compose, precision):
    config = compose("batch_size=64", f"precision={precision}")
    samples = load(config.data, config.workload, config.batch_size, config.seed)
    times = layer_times(config, "cpu", 1.0, samples)
    assert times.seconds.sum() + times.unattributed_s == pytest.approx(1.0)
    assert times.unattributed_s < 0.05 and not times.note
    found = dict(zip(times.layers, times.seconds, strict=True))
    for name in ("conv1", "conv2", "fc1", "fc2", "fc3"):
        assert (found[name] > 0).all(), name
    assert found["relu1"][2] == 0 and (found["relu1"][:2] > 0).all()
    assert found[COPY][PHASES.index("forward")] > 0 and not found[COPY][1:].any()


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: out of memory"), MemoryError()]
)
def test_a_memory_that_is_full_with_the_profiler_costs_the_layers_and_not_the_run(compose, monkeypatch, error):
    def full(device):
        raise error

    monkeypatch.setattr("harness.training.layers.profiled", full)
    config = compose("batch_size=64")
    times = layer_times(config, "cpu", 1.0, load(config.data, config.workload, config.batch_size, config.seed))
    assert times.unattributed_s == 1.0 and times.layers == () and "memory was full" in times.note


def test_a_batch_that_takes_long_to_copy_is_seen_in_its_row_and_in_no_layer_s(compose, monkeypatch):
    config = compose("batch_size=64")
    samples = load(config.data, config.workload, config.batch_size, config.seed)
    whole = layer_times(config, "cpu", 1.0, samples)
    copy_in = TrainingStep.copy_in

    def slowly(self, inputs, targets):
        for _ in range(2000):
            copy_in(self, inputs, targets)

    monkeypatch.setattr(TrainingStep, "copy_in", slowly)
    slow = layer_times(config, "cpu", 1.0, samples)
    share, before = (one.seconds[one.layers.index(COPY)].sum() for one in (slow, whole))
    assert share > 0.5 > before and slow.seconds.sum() + slow.unattributed_s == pytest.approx(1.0)
    assert set(slow.layers) == set(whole.layers)
