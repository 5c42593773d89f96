"""Random samples of the model's input shape: for timing only, since accuracy and loss on them mean nothing."""

from dataclasses import dataclass

from harness.settings.fields import check
from harness.settings.schema import WorkloadConfig
from harness.training.data.samples import EITHER, Samples, loading_processes, random_samples

KIND = EITHER
ADVICE = "give a smaller batch_size or workload.input_shape"
BATCHES = 4  # different ones that training goes round


@dataclass
class SyntheticData:
    """Settings of data=synthetic."""

    name: str
    workers: int = loading_processes()

    def __post_init__(self):
        check(self, "data")


SCHEMA = SyntheticData


def load(settings: SyntheticData, workload: WorkloadConfig, batch_size: int, seed: int) -> Samples:
    """Random samples, the same to train on and to hold out."""
    from torch.utils.data import TensorDataset

    dataset = TensorDataset(*random_samples(workload, BATCHES * batch_size, seed))
    return Samples(dataset, dataset, "synthetic", real=False)
