"""Real text that every machine has: the source code of Python's standard library, as bytes."""

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from harness.settings.fields import check
from harness.settings.schema import WorkloadConfig
from harness.training.data.samples import TEXT, Samples, loading_processes
from harness.training.data.text import of_bytes

KIND = TEXT
ADVICE = "use data=text with data.root=FILE, or data=synthetic"


@dataclass
class PythonSourceData:
    """Settings of data=python_source."""

    name: str
    workers: int = loading_processes()

    def __post_init__(self):
        check(self, "data")


SCHEMA = PythonSourceData


def load(settings: PythonSourceData, workload: WorkloadConfig, batch_size: int, seed: int) -> Samples:
    """The files of the standard library by name, one after the other; see harness.training.data.text.of_bytes."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    return of_bytes(files, "Python's standard library (source text)", workload)
