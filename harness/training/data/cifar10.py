"""CIFAR-10 through torchvision."""

from dataclasses import dataclass

from harness.settings.fields import check
from harness.settings.schema import WorkloadConfig
from harness.training.data.samples import IMAGES, Samples, downloaded, image_shape, loading_processes

KIND = IMAGES
ADVICE = (
    "set data.root=FOLDER to where it lies, connect to the network so that it can be downloaded, or use data=synthetic"
)
MEANS, DEVIATIONS = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training pixels by channel, 0 to 1
OWN_SIZE = 32  # pixels


@dataclass
class Cifar10Data:
    """Settings of data=cifar10."""

    name: str
    root: str  # folder of the data set, as torchvision lays it out
    workers: int = loading_processes()

    def __post_init__(self):
        check(self, "data")


SCHEMA = Cifar10Data


def load(settings: Cifar10Data, workload: WorkloadConfig, batch_size: int, seed: int) -> Samples:
    """CIFAR-10 in the workload's input size, with its own split; downloaded to settings.root where it is not there.

    Training images are random crops of the padded image and mirror images: He et al., CVPR 2016, section 4.2.
    """
    from torchvision import transforms
    from torchvision.datasets import CIFAR10

    normalise = [transforms.ToTensor(), transforms.Normalize(MEANS, DEVIATIONS)]
    size = height, width = image_shape(workload, len(MEANS))[1:]
    resize = [] if size == (OWN_SIZE, OWN_SIZE) else [transforms.Resize(size)]
    crop = transforms.RandomCrop(size, padding=(width // 8, height // 8))
    augment = [*resize, crop, transforms.RandomHorizontalFlip()]
    train = downloaded(CIFAR10, settings.root, True, transforms.Compose(augment + normalise))
    held_out = downloaded(CIFAR10, settings.root, False, transforms.Compose(resize + normalise))
    return Samples(train, held_out, "CIFAR-10", real=True)
