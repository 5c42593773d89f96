"""A text file of one's own, as bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.settings.fields import check
from harness.settings.schema import WorkloadConfig
from harness.training.data.samples import TEXT, Samples, loading_processes

KIND = TEXT
ADVICE = "set data.root=FILE to a text file, or use data=python_source"
TRAINED_ON = 0.9  # of the samples; the last ones are held out


@dataclass
class TextData:
    """Settings of data=text."""

    name: str
    root: str  # the file
    workers: int = loading_processes()

    def __post_init__(self):
        check(self, "data")


SCHEMA = TextData


def load(settings: TextData, workload: WorkloadConfig, batch_size: int, seed: int) -> Samples:
    """The bytes of the file settings.root; see `of_bytes`."""
    path = Path(settings.root)
    return of_bytes([path], path.name, workload)


def of_bytes(files: Sequence[Path], name: str, workload: WorkloadConfig) -> Samples:
    """The bytes of `files`, one after the other, as the Samples called `name`: tokens, and the tokens after them.

    Raises ValueError where there are too few bytes for two samples, or one that the workload has no class for.
    """
    import torch
    from torch.utils.data import TensorDataset

    tokens = torch.frombuffer(bytearray(b"".join(file.read_bytes() for file in files)), dtype=torch.uint8)
    length = workload.input_shape[0]
    rows = (len(tokens) - 1) // length
    if rows < 2:
        raise ValueError(f"it has {len(tokens)} bytes and a sample needs {length + 1}")
    if int(tokens.max()) >= workload.classes:
        raise ValueError(f"it holds byte {int(tokens.max())} and workload.classes is {workload.classes}")
    inputs = tokens[: rows * length].view(rows, length).long()
    targets = tokens[1 : rows * length + 1].view(rows, length).long()
    split = max(1, int(rows * TRAINED_ON))
    parts = [TensorDataset(inputs[part], targets[part]) for part in (slice(split), slice(split, None))]
    return Samples(*parts, name, real=True)
