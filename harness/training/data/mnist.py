"""MNIST through torchvision."""

from dataclasses import dataclass

from harness.settings.fields import check
from harness.settings.schema import WorkloadConfig
from harness.training.data.samples import IMAGES, Samples, downloaded, fit, loading_processes

KIND = IMAGES
ADVICE = (
    "set data.root=FOLDER to where it lies, connect to the network so that it can be downloaded, or use data=digits"
)
MEAN, DEVIATION = 0.1307, 0.3081  # of the training pixels, scaled to 0 to 1


@dataclass
class MnistData:
    """Settings of data=mnist."""

    name: str
    root: str  # folder of the data set, as torchvision lays it out
    workers: int = loading_processes()

    def __post_init__(self):
        check(self, "data")


SCHEMA = MnistData


def load(settings: MnistData, workload: WorkloadConfig, batch_size: int, seed: int) -> Samples:
    """MNIST in the workload's input shape, with its own split; downloaded to settings.root where it is not there."""
    from torch.utils.data import TensorDataset
    from torchvision.datasets import MNIST

    parts = [downloaded(MNIST, settings.root, train) for train in (True, False)]
    tensors = [((part.data.unsqueeze(1) / 255 - MEAN) / DEVIATION, part.targets) for part in parts]
    return Samples(*(TensorDataset(fit(x, workload), y) for x, y in tensors), "MNIST", real=True)
