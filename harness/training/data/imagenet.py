"""ImageNet, or any folder of images of that layout: train/CLASS/* and val/CLASS/*."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.settings.errors import DataError
from harness.settings.fields import check
from harness.settings.schema import WorkloadConfig
from harness.training.data.loading import read_image
from harness.training.data.samples import IMAGES, Samples, image_shape, loading_processes

if TYPE_CHECKING:
    from torchvision.datasets import ImageFolder

KIND = IMAGES
ADVICE = (
    "it needs the folders train/CLASS and val/CLASS; set data.root=FOLDER, or use data=synthetic to time without it"
)
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # by channel, as torchvision's models are trained with
MOST_NAMED = 5  # classes in an error


@dataclass
class ImagenetData:
    """Settings of data=imagenet."""

    name: str
    root: str  # folder that holds train and val
    workers: int = loading_processes()

    def __post_init__(self):
        check(self, "data")


SCHEMA = ImagenetData


def load(settings: ImagenetData, workload: WorkloadConfig, batch_size: int, seed: int) -> Samples:
    """Random crops and mirror images to train on, centre crops held out, in the workload's input size.

    The folders of train/ number the classes of both. Raises DataError where they are more than the workload has, or
    where val/ has one that train/ lacks.
    """
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    size = image_shape(workload, len(MEANS))[1:]
    normalise = [transforms.ToTensor(), transforms.Normalize(MEANS, DEVIATIONS)]
    crop = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *normalise]
    centre = [transforms.Resize(max(size) * 256 // 224), transforms.CenterCrop(size), *normalise]
    root = Path(settings.root)
    train = ImageFolder(root / "train", transforms.Compose(crop), loader=read_image)
    held_out = ImageFolder(root / "val", transforms.Compose(centre), loader=read_image)
    count = len(train.classes)
    if count > workload.classes:
        raise DataError(
            f"{root / 'train'} has {count} classes and workload.classes is {workload.classes}: give "
            f"workload.classes={count}"
        )
    number_alike(held_out, train)
    return Samples(train, held_out, "ImageNet folder", real=True)


def number_alike(held_out: ImageFolder, train: ImageFolder) -> None:
    """Give the classes of `held_out` the numbers that they have in `train`; raises DataError where it lacks one."""
    known = train.class_to_idx
    if strange := [name for name in held_out.classes if name not in known]:
        named = ", ".join(map(repr, strange[:MOST_NAMED])) + (", ..." if len(strange) > MOST_NAMED else "")
        raise DataError(
            f"{held_out.root} has {len(strange)} classes that {train.root} lacks ({named}): give both the same "
            f"folders, or remove these"
        )
    held_out.samples = [(path, known[held_out.classes[target]]) for path, target in held_out.samples]
    held_out.imgs, held_out.targets = held_out.samples, [target for _, target in held_out.samples]
    held_out.classes, held_out.class_to_idx = train.classes, known
