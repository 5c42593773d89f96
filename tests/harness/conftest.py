"""What the tests of the program share: composed settings, and the command line run in a folder of its own."""

import pytest

from tests.helpers.settings import composed


@pytest.fixture
def compose():
    """compose("workload=mnist_mlp", ...) gives the RunConfig of these overrides."""
    return composed


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A database file with MLflow's tables and no runs; a fresh one takes seconds of migrations."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path
