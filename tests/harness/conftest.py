"""What the tests of the program share: composed settings, and the command line run in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"


@pytest.fixture
def compose():
    """compose("workload=mnist_mlp", ...) gives the RunConfig of these overrides."""
    from hydra import compose as of_hydra
    from hydra import initialize_config_dir

    from harness.config import register, to_config

    def composed(*overrides):
        register()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return to_config(of_hydra("config", overrides=list(overrides)))

    return composed


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A database file with MLflow's tables and no runs; a fresh one takes seconds of migrations."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


def halfstep(*arguments, folder, python_path=None, timeout_s=300, **options):
    """Run the program with `arguments` in `folder`; returns the finished process with its output as text.

    python_path: a folder whose sitecustomize.py runs first. options: of subprocess.run.
    """
    paths = [str(path) for path in (python_path, ROOT) if path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        **options,
    )
