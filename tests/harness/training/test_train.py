"""Training learns, repeats with its seed, ends with its budget, and refuses what the memory does not hold."""

import math

import numpy as np
import pytest

import baselines
from harness.settings.errors import TrainingError
from harness.training.train import check_memory, train
from tests.helpers.program import ROOT

MNIST = ROOT.parent / "shared" / "data" / "mnist"


def test_an_image_folder_of_the_layout_of_imagenet_trains(compose, tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for kind in ("cat", "dog"):
            (tmp_path / part / kind).mkdir(parents=True)
            for number in range(3):
                pixels = rng.integers(0, 255, (80, 90, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / kind / f"{number}.png")
    config = compose(
        "workload=imagenet_resnet18",
        "workload.input_shape=[3,64,64]",
        "data=imagenet",
        f"data.root={tmp_path}",
        "data.workers=0",
        "batch_size=2",
        "train.steps=3",
        "train.warmup=1",
    )
    training = train(config, "cpu")
    assert len(training.losses) == 3
    assert training.measurement.samples_s.shape == (2,)
    assert training.evaluated == 6
    assert training.samples.real


@pytest.mark.skipif(not MNIST.is_dir(), reason="the real MNIST is not there")
def test_real_mnist_trains(compose):
    config = compose("workload=mnist_mlp", "data=mnist", f"data.root={MNIST}", "train.steps=150")
    training = train(config, "cpu")
    assert training.samples.name == "MNIST"
    assert training.accuracy > 0.8


def test_lenet5_learns_the_digits_as_the_default_run_trains_it(compose):
    training = train(compose(), "cpu")
    assert training.accuracy >= 0.95
    assert training.stopped_by == "epochs"
    assert len(training.losses) == 20 * training.steps_per_epoch


def test_a_seed_repeats_the_training(compose):
    config = compose("workload=mnist_mlp", "train.steps=5")
    other = compose("workload=mnist_mlp", "train.steps=5", "seed=1")
    first, again, different = (train(one, "cpu").losses for one in (config, config, other))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, different)


def test_the_budget_ends_training_and_says_so(compose):
    training = train(compose("workload=mnist_mlp", "train.budget_s=1e-6", "train.epochs=1000"), "cpu")
    assert training.stopped_by == "budget"
    assert len(training.losses) > 5  # never less than the warm-up and one step


def test_synthetic_data_give_times_and_no_accuracy(compose):
    training = train(compose("workload=mnist_mlp", "data=synthetic", "train.steps=8", "batch_size=16"), "cpu")
    assert math.isnan(training.accuracy)
    assert training.evaluated == 0
    assert training.measurement.step_s > 0
    assert training.measurement.warmup == 5


def test_more_memory_than_there_is_is_refused_before_training(compose):
    check_memory(1, compose(), "cpu")
    with pytest.raises(TrainingError, match="baseline=published"):
        check_memory(10**16, compose(), "cpu")


def test_a_device_that_an_earlier_failure_cost_this_process_is_told_before_anything_is_trained(compose, monkeypatch):
    monkeypatch.setattr(baselines, "device_fault", lambda device: "captures_underway.empty() INTERNAL ASSERT FAILED")
    with pytest.raises(TrainingError, match=r"INTERNAL ASSERT.*run the same command again"):
        check_memory(1, compose(), "cuda")
