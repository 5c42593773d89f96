"""A copy of the program in a folder, to add files to."""

import shutil
from pathlib import Path

from tests.helpers.program import ROOT

PACKAGES = ("accel_model", "baselines", "harness", "conf")


def house(folder: Path) -> Path:
    """Copy the program's packages and conf into `folder`, and return it; a process runs there with it as PYTHONPATH."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
