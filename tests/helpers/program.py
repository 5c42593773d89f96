"""The program as a process in a folder of its own, and what it logged there."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"


def halfstep(*arguments, folder, python_path=None, root=ROOT, timeout_s=300, **options):
    """Run the program with `arguments` in `folder`; returns the finished process with its output as text.

    python_path: a folder whose sitecustomize.py runs first. root: of the program's packages. options: of
    subprocess.run.
    """
    paths = [str(path) for path in (python_path, root) if path]
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


def refused(done, *says):
    """Assert that a finished process failed with a short error that holds every text of `says`."""
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in text
    for one in says:
        assert one in text
    assert sum(line.startswith("error:") for line in text.splitlines()) == 1


def client(folder):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")


def runs(folder):
    of_store = client(folder)
    experiment = of_store.get_experiment_by_name("halfstep")
    return of_store.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])


def only(paths):
    (path,) = paths
    return path
