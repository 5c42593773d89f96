"""The shipped models are the ones their papers describe, and every data source gives what training needs."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from accel_model.types import DType, Role
from harness.flows.run import captured
from harness.settings import shipped
from harness.settings.errors import DataError, TrainingError
from harness.training import data, models
from harness.training.step import build_model, empty_batch
from harness.training.train import check_memory, train

MNIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"

PARAMETERS = {
    "mnist_mlp": 784 * 500 + 500 + 500 * 300 + 300 + 300 * 10 + 10,
    "mnist_lenet5": 6 * 26 + 16 * 151 + 120 * 401 + 84 * 121 + 10 * 85,
    "cifar10_resnet20": 269_722,  # He et al. 2016, table 6: 0.27 M
    "cifar10_vgg": 14_724_042,
    # torchvision's documented num_params
    "imagenet_alexnet": 61_100_840,
    "imagenet_resnet18": 11_689_512,
    "imagenet_resnet50": 25_557_032,
    "imagenet_vgg16": 138_357_544,
    "imagenet_mobilenet_v2": 3_504_872,
    "imagenet_vit_b16": 86_567_656,
}
FORWARD_GMACS = {  # a sample; ImageNet models: torchvision's documented _ops
    "mnist_mlp": (784 * 500 + 500 * 300 + 300 * 10) / 1e9,
    # 3x3 convolutions: 3-16, six 16-16 at 32x32; 16-32, five 32-32 at 16x16; 32-64, five 64-64 at 8x8; 64-10
    "cifar10_resnet20": 9 * (1024 * (48 + 6 * 256) + 256 * (512 + 5 * 1024) + 64 * (2048 + 5 * 4096)) / 1e9 + 640 / 1e9,
    "imagenet_alexnet": 0.714,
    "imagenet_resnet18": 1.814,
    "imagenet_resnet50": 4.089,
    "imagenet_vgg16": 15.47,
    "imagenet_mobilenet_v2": 0.301,
}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_model_has_the_parameters_that_its_source_states(name):
    with torch.device("meta"):
        model = build_model(shipped.load(name))
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", shipped.names())
def test_every_workload_is_captured_and_trains_every_phase(compose, name):
    config = compose(f"workload={name}")
    trace = captured(config.workload, config.precision, 2)
    macs = trace.macs_by_phase()
    assert not trace.uncounted
    assert 0 < macs["wgrad"] <= macs["forward"]  # a product of two activations, in attention, has no weight's gradient
    assert macs["forward"] < macs["dgrad"] + macs["wgrad"] <= 2 * macs["forward"]  # none for what the data need
    assert macs["update"] == 0
    assert macs["recompute"] < 0.1 * macs["forward"]  # fused attention makes its scores again in the backward pass
    if name in FORWARD_GMACS:
        assert macs["forward"] / 2e9 == pytest.approx(FORWARD_GMACS[name], rel=2e-3)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16", "int8", "fp8"])
def test_a_precision_changes_the_bytes_and_never_the_macs(compose, precision):
    workload = compose().workload
    plain = captured(workload, compose().precision, 8)
    other = captured(workload, compose(f"precision={precision}").precision, 8)
    assert other.macs_by_phase() == plain.macs_by_phase()
    matrix = other.ops.macs > 0
    assert len(set(other.ops.dtype[matrix].tolist())) == 1
    if precision in ("int8", "fp8"):
        resized = (plain.tensors.role == Role.ACTIVATION) & (plain.tensors.dtype == DType.FP32)
        assert resized.any()
        assert (4 * other.tensors.bytes[resized] == plain.tensors.bytes[resized]).all()
        assert (other.tensors.bytes[~resized] <= plain.tensors.bytes[~resized]).all()


def test_the_causal_decoder_sees_no_later_token():
    model = models.gpt(num_classes=11, layers=2, width=16, heads=2, context=8).eval()
    tokens = torch.randint(11, (1, 8))
    changed = tokens.clone()
    changed[0, 5:] = (changed[0, 5:] + 1) % 11
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    assert torch.allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("digits", ()),
        ("synthetic", ()),
        ("synthetic", ("workload=text_gpt_small",)),
        ("python_source", ("workload=text_gpt_small",)),
    ],
)
def test_samples_have_the_shapes_that_the_workload_asks_for(compose, name, overrides):
    config = compose(f"data={name}", *overrides)
    samples = data.load(config.data, config.workload, 4, seed=0)
    inputs, targets = next(iter(data.batches(samples.train, 4, config.data, 0, True, "cpu")))
    wanted_inputs, wanted_targets = empty_batch(config.workload, 4, "cpu")
    assert (inputs.shape, targets.shape) == (wanted_inputs.shape, wanted_targets.shape)
    assert inputs.dtype == wanted_inputs.dtype
    assert int(targets.max()) < config.workload.classes
    assert samples.real == (name != "synthetic")


def test_held_out_digits_are_not_trained_on(compose):
    config = compose()
    samples = data.load(config.data, config.workload, 4, seed=0)
    train_rows = {row.numpy().tobytes() for row in samples.train.tensors[0]}
    shared = sum(row.numpy().tobytes() in train_rows for row in samples.held_out.tensors[0])
    assert len(samples.train) + len(samples.held_out) == 1797
    assert shared == 0


def test_a_text_file_becomes_inputs_and_the_bytes_after_them(compose, tmp_path):
    text = bytes(range(32, 127)) * 60
    (tmp_path / "a.txt").write_bytes(text)
    config = compose("data=text", f"data.root={tmp_path / 'a.txt'}", "workload=text_gpt_small")
    samples = data.load(config.data, config.workload, 2, seed=0)
    inputs, targets = samples.train[1]
    assert bytes(inputs.tolist()) == text[256:512]
    assert bytes(targets.tolist()) == text[257:513]


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


def test_a_batch_larger_than_the_data_is_refused(compose):
    config = compose("batch_size=2000")
    with pytest.raises(DataError, match="at most 1437"):
        data.load(config.data, config.workload, 2000, seed=0)


def test_more_memory_than_there_is_is_refused_before_training(compose):
    check_memory(1, compose(), "cpu")
    with pytest.raises(TrainingError, match="baseline=published"):
        check_memory(10**16, compose(), "cpu")
