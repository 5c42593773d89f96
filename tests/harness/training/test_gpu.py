"""The main job on a GPU; skipped where there is none."""

import numpy as np
import pytest
import torch

from harness.settings.errors import TrainingError
from harness.training.data.sources import load
from harness.training.layers import layer_times
from harness.training.train import train

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_lenet5_learns_on_the_gpu_in_every_precision(compose, precision):
    training = train(compose(f"precision={precision}"), "cuda")
    assert training.accuracy >= 0.95
    assert training.measurement.device_kind == "gpu"
    assert training.measurement.clock == "cuda_event"


def test_the_measured_step_is_near_the_wall_clock(compose):
    config = compose("workload=imagenet_resnet18", "batch_size=32", "train.steps=40")
    training = train(config, "cuda")
    total_s = training.measurement.step_s * len(training.losses)
    assert 0.3 * training.wall_s < total_s <= 1.05 * training.wall_s


def test_the_layers_share_the_step_on_the_gpu(compose):
    config = compose("workload=cifar10_resnet20", "batch_size=64")
    samples = load(config.data, config.workload, config.batch_size, config.seed)
    times = layer_times(config, "cuda", 1.0, samples)
    assert times.seconds.sum() + times.unattributed_s == pytest.approx(1.0)
    assert np.all(times.seconds >= 0) and times.unattributed_s < 0.1
    assert (times.seconds[times.layers.index("conv1")] > 0).all()


def test_a_batch_that_does_not_fit_is_refused(compose):
    config = compose("workload=imagenet_vgg16", "batch_size=4096", "train.steps=2", "data=synthetic")
    with pytest.raises(TrainingError, match="batch_size"):
        train(config, "cuda")
