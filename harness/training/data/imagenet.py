"""ImageNet, or any folder of images of that layout: train/CLASS/* and val/CLASS/*."""

from dataclasses import dataclass
from pathlib import Path

from harness.settings.fields import check
from harness.settings.schema import WorkloadConfig
from harness.training.data.samples import IMAGES, Samples, loading_processes

KIND = IMAGES
ADVICE = (
    "it needs the folders train/CLASS and val/CLASS; set data.root=FOLDER, or use data=synthetic to time without it"
)
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # by channel, as torchvision's models are trained with


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

    Raises ValueError where the folders hold more classes than the workload has.
    """
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    size = workload.input_shape[-1]
    normalise = [transforms.ToTensor(), transforms.Normalize(MEANS, DEVIATIONS)]
    crop = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *normalise]
    centre = [transforms.Resize(size * 256 // 224), transforms.CenterCrop(size), *normalise]
    root = Path(settings.root)
    train = ImageFolder(root / "train", transforms.Compose(crop))
    held_out = ImageFolder(root / "val", transforms.Compose(centre))
    if len(train.classes) > workload.classes:
        raise ValueError(f"it has {len(train.classes)} classes and workload.classes is {workload.classes}")
    return Samples(train, held_out, "ImageNet folder", real=True)
