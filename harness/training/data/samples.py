"""Samples and batches of them, real or random, and what the files of data sources share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass
from typing import TYPE_CHECKING, Protocol

from harness.settings.errors import DataError
from harness.settings.fields import between
from harness.training.data.loading import Batches
from harness.training.step import TrainingStep, is_text

if TYPE_CHECKING:
    import torch
    from torch.utils.data import Dataset

    from harness.settings.schema import WorkloadConfig

IMAGES, TEXT, EITHER = "images", "text", "images or text"  # what the samples of a source are
DIFFERENT = 64  # random samples that a batch for timing repeats


class DataSettings(Protocol):
    """What the settings of every data source hold."""

    name: str
    workers: int  # processes that load samples


@dataclass(frozen=True, eq=False)
class Samples:
    """Training and held-out samples; `real` says whether accuracy on them means something."""

    train: Dataset
    held_out: Dataset
    name: str
    real: bool


def loading_processes() -> Field:
    """The field `workers` of a data source's settings: processes that load samples, none where it is 0."""
    return between(0, 257, 4, "processes that load samples")


def batches(
    dataset: Dataset, batch_size: int, settings: DataSettings, seed: int, shuffle: bool, device: str
) -> Batches:
    """Whole batches (the last, smaller one is left out while training, when they are shuffled)."""
    import torch
    from torch.utils.data import DataLoader

    loader = DataLoader(
        dataset,
        batch_size,
        shuffle=shuffle,
        drop_last=shuffle,
        num_workers=settings.workers,
        pin_memory=torch.device(device).type == "cuda",
        generator=torch.Generator().manual_seed(seed),
    )
    return Batches(loader, settings.name, settings.workers)


def random_samples(workload: WorkloadConfig, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(inputs, targets) of `count` random samples, of the shapes and types of harness.training.step.empty_batch."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    shape = (count, *workload.input_shape)
    if is_text(workload):
        inputs = torch.randint(workload.classes, shape, generator=generator)
        return inputs, torch.randint(workload.classes, shape, generator=generator)
    inputs = torch.randn(shape, generator=generator)
    return inputs, torch.randint(workload.classes, (count,), generator=generator)


def random_batch(step: TrainingStep, workload: WorkloadConfig, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(inputs, targets) on the host, laid out in memory as those of `step` are.

    Of a large batch only the first DIFFERENT samples differ: no time depends on more.
    """
    import torch

    count = len(step.inputs)
    samples = random_samples(workload, min(count, DIFFERENT), seed)
    rows = torch.arange(count) % DIFFERENT
    pairs = zip((step.inputs, step.targets), samples, strict=True)
    return tuple(torch.empty_like(like, device="cpu").copy_(some[rows]) for like, some in pairs)


def fit(images: torch.Tensor, workload: WorkloadConfig) -> torch.Tensor:
    """Images, float (samples, channels, height, width), resized and repeated to the workload's input shape."""
    from torch.nn import functional

    channels, *size = image_shape(workload)
    if list(images.shape[2:]) != size:
        images = functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
    return images.expand(-1, channels, -1, -1).contiguous()


def image_shape(workload: WorkloadConfig, channels: int | None = None) -> tuple[int, int, int]:
    """(channels, height, width) of a workload's images; raises DataError for a shape that is none.

    channels: how many the data have, None where any number will do.
    """
    shape = tuple(workload.input_shape)
    if len(shape) != 3 or (channels and shape[0] != channels):
        have = f"images of {channels} channels" if channels else "images"
        raise DataError(
            f"the data are {have} and workload.input_shape is {list(shape)}: give channels, height and width, e.g. "
            f"workload.input_shape=[{channels or 1},{shape[-1]},{shape[-1]}], or use data=synthetic"
        )
    return shape


def downloaded(dataset: Callable[..., Dataset], root: str, train: bool, transform: Callable | None = None) -> Dataset:
    """A part of a torchvision `dataset` at `root`, fetched there only if it is not there already."""
    try:
        return dataset(root, train=train, transform=transform, download=False)
    except RuntimeError:
        return dataset(root, train=train, transform=transform, download=True)
