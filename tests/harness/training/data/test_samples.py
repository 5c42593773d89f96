"""Every data source gives what training needs, and random batches lie in memory as the step's own do."""

from types import SimpleNamespace

import pytest
import torch

from harness.settings.errors import DataError
from harness.training.data.samples import batches, random_batch, random_samples
from harness.training.data.sources import load
from harness.training.step import empty_batch


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
    samples = load(config.data, config.workload, 4, seed=0)
    inputs, targets = next(iter(batches(samples.train, 4, config.data, 0, True, "cpu")))
    wanted_inputs, wanted_targets = empty_batch(config.workload, 4, "cpu")
    assert (inputs.shape, targets.shape) == (wanted_inputs.shape, wanted_targets.shape)
    assert inputs.dtype == wanted_inputs.dtype
    assert int(targets.max()) < config.workload.classes
    assert samples.real == (name != "synthetic")


def test_held_out_digits_are_not_trained_on(compose):
    config = compose()
    samples = load(config.data, config.workload, 4, seed=0)
    train_rows = {row.numpy().tobytes() for row in samples.train.tensors[0]}
    shared = sum(row.numpy().tobytes() in train_rows for row in samples.held_out.tensors[0])
    assert len(samples.train) + len(samples.held_out) == 1797
    assert shared == 0


def test_a_text_file_becomes_inputs_and_the_bytes_after_them(compose, tmp_path):
    text = bytes(range(32, 127)) * 60
    (tmp_path / "a.txt").write_bytes(text)
    config = compose("data=text", f"data.root={tmp_path / 'a.txt'}", "workload=text_gpt_small")
    samples = load(config.data, config.workload, 2, seed=0)
    inputs, targets = samples.train[1]
    assert bytes(inputs.tolist()) == text[256:512]
    assert bytes(targets.tolist()) == text[257:513]


def test_a_batch_larger_than_the_data_is_refused(compose):
    config = compose("batch_size=2000")
    with pytest.raises(DataError, match="at most 1437"):
        load(config.data, config.workload, 2000, seed=0)


@pytest.mark.parametrize("name", ["mnist_lenet5", "text_gpt_small"])
@pytest.mark.parametrize("count", [1, 3, 130])
def test_a_random_batch_lies_as_the_step_s_own_does(compose, name, count):
    config = compose(f"workload={name}")
    inputs, targets = random_samples(config.workload, count, 0)
    laid_out = inputs.contiguous(memory_format=torch.channels_last) if inputs.dim() == 4 else inputs

    step = SimpleNamespace(inputs=laid_out, targets=targets)
    batch = random_batch(step, config.workload, 0)
    for one, like in zip(batch, (laid_out, targets), strict=True):
        assert (one.shape, one.dtype, one.stride()) == (like.shape, like.dtype, like.stride())
    assert torch.equal(batch[0][:64], inputs[:64])
    assert batch[1].max() < config.workload.classes
