"""What goes wrong while samples are loaded is one short error; folders of images are read right."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from harness.settings.errors import DataError, HalfstepError
from harness.tasks.failures import explained
from harness.training.data.loading import loading_error
from harness.training.data.samples import batches
from harness.training.data.sources import load
from harness.training.modes import refusal
from harness.training.train import train

IMAGES = ("data=imagenet", "workload=custom", "workload.target=harness.training.models:cifar_resnet20")
QUICK = ("data.workers=0", "batch_size=2", "train.steps=2", "train.warmup=0", "workload.timed_steps=null")


def folder_of_images(root, train_classes, val_classes, size=(40, 50), count=2):
    """A folder of the layout of ImageNet with random images."""
    rng = np.random.default_rng(0)
    for part, classes in (("train", train_classes), ("val", val_classes)):
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{number}.jpg")
    return root


def of(compose, root, *overrides, classes=2, shape="[3,32,32]"):
    given = (f"workload.classes={classes}", f"workload.input_shape={shape}", f"data.root={root}")
    return compose(*IMAGES, *QUICK, *given, *overrides)


@pytest.mark.parametrize("held_out", ["b", "bc", "ac", "abc", "c"])
def test_held_out_classes_have_the_numbers_of_the_trained_ones(compose, tmp_path, held_out):
    config = of(compose, folder_of_images(tmp_path, "abc", held_out), classes=3)
    samples = load(config.data, config.workload, 1, 0)
    numbers = {os.path.basename(os.path.dirname(path)): target for path, target in samples.held_out.samples}
    assert numbers == {name: "abc".index(name) for name in held_out}
    assert samples.held_out.targets == [target for _, target in samples.held_out.samples]
    assert [samples.held_out[i][1] for i in range(len(samples.held_out))] == samples.held_out.targets


def test_a_class_that_was_not_trained_is_refused_by_name(compose, tmp_path):
    config = of(compose, folder_of_images(tmp_path, "ab", "abxy"))
    with pytest.raises(DataError, match=r"2 classes that .*train lacks \('x', 'y'\)"):
        load(config.data, config.workload, 1, 0)


@pytest.mark.parametrize("shape", ["[3,24,32]", "[3,48,16]", "[3,32,32]"])
def test_images_have_the_shape_of_the_workload(compose, tmp_path, shape):
    config = of(compose, folder_of_images(tmp_path, "ab", "ab"), shape=shape)
    training = train(config, "cpu")
    assert training.evaluated == 4
    for part in (training.samples.train, training.samples.held_out):
        assert list(part[0][0].shape) == config.workload.input_shape


@pytest.mark.parametrize("shape", ["[1,32,32]", "[32,32]", "[3,4,32,32]"])
def test_a_shape_that_is_none_of_the_images_is_refused(compose, tmp_path, shape):
    config = of(compose, folder_of_images(tmp_path, "ab", "ab"), shape=shape)
    with pytest.raises(DataError, match=r"workload.input_shape=\["):
        load(config.data, config.workload, 1, 0)


@pytest.mark.parametrize("overrides", [("workload.classes=5",), ("data=digits", "workload.classes=9")])
def test_targets_beyond_the_workload_s_classes_are_refused(compose, overrides):
    config = compose("workload=mnist_mlp", *overrides)
    with pytest.raises(DataError, match=r"targets from 0 to 9 and workload.classes is ., .*give workload.classes=10"):
        load(config.data, config.workload, 4, 0)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def spoilt(path):
    path.write_bytes(b"\xff\xd8\xff" + bytes(100))


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("damage", [cut, spoilt, lambda path: path.write_bytes(b"")], ids=["cut", "spoilt", "empty"])
@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_read_is_named_wherever_it_is_met(compose, tmp_path, part, damage, workers):
    folder_of_images(tmp_path, "ab", "ab")
    bad = tmp_path / part / "b" / "1.jpg"
    damage(bad)
    config = of(compose, tmp_path, f"data.workers={workers}", "train.steps=4")
    with pytest.raises(HalfstepError) as caught:
        train(config, "cpu")
    text = explained(caught.value)
    assert str(bad) in text and len(text.splitlines()) == 1 and "remove it" in text
    assert str(bad) in refusal("eager", caught.value).why


class Failing(torch.utils.data.Dataset):
    """Samples whose second one raises `error`, or ends the process."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 4

    def __getitem__(self, i):
        if i == 1:
            if self.error is None:
                os._exit(3)
            raise self.error
        return torch.zeros(2), 0


@pytest.mark.parametrize(
    ("error", "workers", "says"),
    [
        (ValueError("odd\nand more"), 0, "ValueError: odd"),
        (ValueError("odd\nand more"), 1, "ValueError: odd"),
        (KeyError("label"), 1, "KeyError"),
        (RuntimeError("unable to write to file </torch_7_8_9>: No space left on device (28)"), 1, "data.workers=0"),
        (OSError(28, "No space left on device"), 1, "data.workers=0"),
        (None, 1, "data.workers=0"),
    ],
)
def test_a_failing_sample_is_one_short_data_error(error, workers, says):
    loader = batches(Failing(error), 2, SimpleNamespace(name="mine", workers=workers), 0, False, "cpu")
    assert len(loader) == 2
    with pytest.raises(DataError) as caught:
        list(loader)
    assert says in str(caught.value) and "\n" not in str(caught.value)


DEATHS = (
    "DataLoader worker (pid 77) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
    "shared memory. Please try to raise your shared memory limit.",
    "DataLoader worker (pid(s) 77, 78) exited unexpectedly",
    "unable to write to file </torch_77_123_0>: No space left on device (28)",
    "unable to open shared memory object </torch_77_123_0> in read-write mode: Too many open files (24)",
    "unable to mmap 4096 bytes from file </torch_77_123_0>: Cannot allocate memory (12)",
    "received 0 items of ancdata",
    "Pin memory thread exited unexpectedly",
)


@pytest.mark.parametrize("text", DEATHS)
def test_processes_that_die_are_explained_wherever_torch_tells_of_it(text):
    error = RuntimeError(text)
    for told in (explained(error), str(loading_error(error)), refusal("eager", error).why):
        assert "data.workers=0" in told and "/dev/shm" in told and "\n" not in told


@pytest.mark.parametrize("text", ["CUDA out of memory", "out of resource: shared memory, Required: 9", "size mismatch"])
def test_what_is_no_failure_of_loading_is_left_alone(text):
    assert loading_error(RuntimeError(text)) is None
