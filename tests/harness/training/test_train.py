"""Training learns, repeats with its seed, ends with its budget, and refuses what the memory does not hold."""

import math

import numpy as np
import pytest

import baselines
from baselines import BaselineError
from harness.settings.errors import TrainingError
from harness.training.train import check_memory, train, warm_from
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


@pytest.mark.parametrize("step_s", [1e-4, 5e-3, 0.3, 5.0])
@pytest.mark.parametrize("count", [1, 2, 30, 3000])
def test_the_steps_of_a_gpu_s_first_two_seconds_are_its_warm_up_but_for_half_of_all(step_s, count):
    taken_s = np.full(count, step_s)
    assert warm_from(taken_s, 5, "cpu") == min(5, count - 1)
    warm = warm_from(taken_s, 5, "cuda")
    assert min(5, count - 1) <= warm <= max(min(5, count - 1), count // 2) and warm < count
    assert taken_s[:warm].sum() >= 2.0 or warm in (count // 2, min(5, count - 1))
    assert warm <= max(5, 2.0 / step_s + 1)


def test_a_precision_that_a_gpu_would_emulate_is_refused_before_training(compose, monkeypatch):
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: (7, 5))
    with pytest.raises(BaselineError, match="has no bf16"):
        train(compose("precision=bf16"), "cuda")
