"""A copy of the packages in a folder of its own, to which a test adds a file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.helpers.program import ROOT

COPIED = ("accel_model", "baselines", "harness", "conf")


def house(folder: Path) -> Path:
    """Copy the packages and conf/ into a new folder within `folder`; returns it, to be put on PYTHONPATH."""
    place = Path(folder) / "house"
    for name in COPIED:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def python(code: str, place: Path, timeout_s: float = 300) -> str:
    """Run `code` in a Python of its own that imports the packages of `place`; returns what it printed.

    Fails where it ends with an error.
    """
    environment = os.environ | {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
