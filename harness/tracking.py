"""MLflow: the one file that imports it. Every run of the program is one MLflow run; a sweep's runs share a parent."""

import contextlib
import logging
import math
import sqlite3
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness.config import TrackingName
from harness.errors import TrackingError

BATCH = 1000  # metrics in one call, MLflow's limit
LONGEST_PARAM = 6000  # characters; MLflow cuts what is longer
LONGEST_NOTE = 7900  # characters of a description; MLflow cuts at 8000
SQLITE = "sqlite:///"
LOCK_WAIT_S = 10  # that another program may hold a database file


@dataclass(frozen=True)
class Place:
    """Where runs go: a store, an experiment in it, and the sweep's parent run where there is one."""

    uri: str
    experiment_id: str
    parent_run_id: str = ""
    sweep: str = ""


def prepare(config):
    """Create store and experiment of `config` (TrackingConfig) where they are missing, and return their Place.

    Only one process at a time does this for a database file, since two that migrate a fresh one destroy it.
    Returns None where tracking is off; raises TrackingError where the store cannot be written.
    """
    if config.name is TrackingName.none:
        return None
    uri = _absolute(config.uri)
    with _explained(uri), _alone(uri):
        _check_file(uri)
        client = _client(uri)
        experiment = client.get_experiment_by_name(config.experiment)
        if experiment is None:
            return Place(uri, client.create_experiment(config.experiment))
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {config.experiment!r} in {uri} is deleted: give another one, "
                f"e.g. tracking.experiment={config.experiment}2"
            )
        return Place(uri, experiment.experiment_id)


def start(place, name, description="", parent=False):
    """Start an MLflow run called `name` at `place` and return its id; "" where tracking is off."""
    if place is None:
        return ""
    tags = {"mlflow.runName": name, "mlflow.note.content": description, "sweep": place.sweep or name}
    if parent:
        tags["sweep_parent"] = "true"
    elif place.parent_run_id:
        tags["sweep_parent_run_id"] = place.parent_run_id  # flat: nested runs are folded away and left out of charts
    with _explained(place.uri):
        return _client(place.uri).create_run(place.experiment_id, run_name=name, tags=tags).info.run_id


def log(place, run_id, *, params, metrics, description, series=None, tables=None, folder=None):
    """Log a run: parameters, metrics, series of metrics, tables, and every file of its folder.

    params: {name: value}. metrics: {name: float}, names with one slash and a unit. series: {name: float (steps,), or
    {step: float}}.
    tables: {file name: {column: list}}. Raises TrackingError; what was logged before stays.
    """
    if place is None:
        return
    from mlflow.entities import Metric, Param

    with _explained(place.uri, folder):
        client = _client(place.uri)
        now = int(time.time() * 1000)  # MLflow counts milliseconds
        points = [Metric(name, float(value), now, 0) for name, value in metrics.items()]
        points += [
            Metric(name, float(v), now, step)
            for name, values in (series or {}).items()
            for step, v in (values.items() if isinstance(values, dict) else enumerate(values))
            if math.isfinite(v)
        ]
        entries = [Param(name, str(value)[:LONGEST_PARAM]) for name, value in params.items()]
        for first in range(0, len(entries), 100):
            client.log_batch(run_id, params=entries[first : first + 100])
        for first in range(0, len(points), BATCH):
            client.log_batch(run_id, metrics=points[first : first + BATCH])
        cut = "" if len(description) <= LONGEST_NOTE else "\n\nThe rest is in summary.md among the artifacts."
        client.set_tag(run_id, "mlflow.note.content", description[: LONGEST_NOTE - len(cut)] + cut)
        for name, table in (tables or {}).items():
            client.log_table(run_id, table, name)
        if folder:
            client.log_artifacts(run_id, str(folder))


def finish(place, run_id, status):
    """Set the status of a run: FINISHED, FAILED or KILLED."""
    if place is None or not run_id:
        return
    with _explained(place.uri):
        _client(place.uri).set_terminated(run_id, status)


def abandon(place, run_id, status, why):
    """Close a run that did not finish and say why; a store that fails here as well does not hide the first failure."""
    with contextlib.suppress(TrackingError):
        if place is not None and run_id:
            with _explained(place.uri):
                _client(place.uri).set_tag(run_id, "mlflow.note.content", f"Did not finish: {why}")
        finish(place, run_id, status)


def page(place, run_id=""):
    """The `mlflow ui` command and the address of a run's page, or the experiment's; ("", "") where tracking is off."""
    if place is None:
        return "", ""
    path = f"#/experiments/{place.experiment_id}" + (f"/runs/{run_id}" if run_id else "")
    view = "?workflowType=machine_learning" + ("" if run_id else "&compareRunsMode=CHART")
    if place.uri.startswith("http"):
        return "", f"{place.uri.rstrip('/')}/{path}{view}"
    program = Path(sys.executable).with_name("mlflow")
    command = f"{program if program.is_file() else 'mlflow'} ui --backend-store-uri {place.uri} --port 5000"
    return command, f"http://127.0.0.1:5000/{path}{view}"


def _client(uri):
    logging.getLogger("alembic").setLevel(logging.WARNING)  # migrations of a fresh database are no news
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _absolute(uri):
    """The address with the path of a database file made absolute, so that processes elsewhere find the same one."""
    if uri.startswith(SQLITE):
        return SQLITE + str(Path(uri.removeprefix(SQLITE)).absolute())
    return uri


def _check_file(uri):
    """Raise what is wrong with a database file at once, where MLflow would try again for minutes."""
    if not uri.startswith(SQLITE):
        return
    path = Path(uri.removeprefix(SQLITE))
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not a file")
    if path.exists():
        with contextlib.closing(sqlite3.connect(path, timeout=LOCK_WAIT_S)) as database:
            database.execute("BEGIN IMMEDIATE")  # fails where the file is locked, read-only or no database
            database.rollback()


@contextlib.contextmanager
def _alone(uri):
    """Hold the lock of a database file; other stores look after themselves."""
    if not uri.startswith(SQLITE):
        yield
        return
    from filelock import FileLock

    path = Path(uri.removeprefix(SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield


@contextlib.contextmanager
def _explained(uri, folder=None):
    """Turn every way that MLflow and its database fail into one TrackingError."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, RequestException, sqlite3.Error, OSError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        detail = lines[0] if lines else type(error).__name__
        kept = f"; results are kept in {folder}" if folder else ""
        raise TrackingError(
            f"the tracking store {uri} cannot be used ({detail[:200]}): check that it is there, is writable and is "
            f"not locked by another program; or give another, e.g. tracking.uri=sqlite:///new.db or tracking=none{kept}"
        ) from None
