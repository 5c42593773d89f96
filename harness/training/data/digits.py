"""The 1,797 handwritten digits that scikit-learn bundles.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from dataclasses import dataclass

from harness.settings.fields import check
from harness.settings.schema import WorkloadConfig
from harness.training.data.samples import IMAGES, Samples, fit, loading_processes

KIND = IMAGES
ADVICE = "install scikit-learn anew, or use data=synthetic"
HELD_OUT = 0.2  # of the digits, which have no split of their own
MEAN, DEVIATION = 0.3053, 0.3761  # of the pixels, scaled from 0 to 16 to 0 to 1


@dataclass
class DigitsData:
    """Settings of data=digits."""

    name: str
    workers: int = loading_processes()

    def __post_init__(self):
        check(self, "data")


SCHEMA = DigitsData


def load(settings: DigitsData, workload: WorkloadConfig, batch_size: int, seed: int) -> Samples:
    """The digits in the workload's input shape, split the same way for every seed."""
    import torch
    from sklearn.datasets import load_digits
    from torch.utils.data import TensorDataset

    bunch = load_digits()
    images = (torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 16 - MEAN) / DEVIATION
    targets = torch.tensor(bunch.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    split = int(len(order) * (1 - HELD_OUT))
    images = fit(images, workload)
    parts = [TensorDataset(images[part], targets[part]) for part in (order[:split], order[split:])]
    return Samples(*parts, "digits (scikit-learn)", real=True)
