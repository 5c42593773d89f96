"""MLflow: the one file that imports it. Every run of the program is one MLflow run; a sweep's runs share a parent."""

import contextlib
import logging
import math
import os
import shlex
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.settings.errors import TrackingError
from harness.settings.schema import TrackingName
from harness.store import address, pages
from harness.store.address import absolute as _absolute
from harness.text.shown import as_markdown_text, printable

BATCH = 1000  # metrics in one call, MLflow's limit
LONGEST_PARAM = 6000  # characters; MLflow cuts what is longer
LONGEST_NOTE = 7000  # characters of a description, before the addresses of its artifacts; MLflow cuts at 8000
DIGITS = 6  # of a metric, as many as the table of runs shows; result.json holds all
PORT = 5000  # of the page, as the command line tells it
ENVIRONMENT = "MLFLOW_TRACKING_URI"  # what conf/tracking takes the address from where nobody sets it


@dataclass(frozen=True)
class Place:
    """Where runs go: a store, an experiment in it, and the sweep's parent run where there is one."""

    uri: str
    experiment_id: str
    parent_run_id: str = ""
    sweep: str = ""  # the tag that the parent and its runs share


@dataclass(frozen=True, eq=False)
class Entry:
    """What is logged of a run beside its files."""

    params: dict  # {name: value}
    metrics: dict  # {name: float}, names with one slash and a unit; the page shows them in this order
    description: str  # Markdown; `](artifact:NAME)` points to an artifact, a picture is shown small
    answer: str = ""  # a few words, for the table of runs
    series: dict = field(default_factory=dict)  # {name: float (steps,), or {step: float}}
    tables: dict = field(default_factory=dict)  # {file name: {column: list}}


def prepare(config):
    """Create store and experiment of `config` (TrackingConfig) where they are missing, and return their Place.

    Only one process at a time does this for a database file, since two that migrate a fresh one destroy it.
    Returns None where tracking is off; raises TrackingError where the store cannot be written.
    """
    if config.name is TrackingName.none:
        return None
    uri = _absolute(config.uri)
    with _explained(uri), _alone(uri):
        if path := address.database(uri):
            address.check_file(path, _schema(), _program())
        client = _client(uri)
        experiment = client.get_experiment_by_name(config.experiment)
        if experiment is None:
            root = address.artifact_root(uri, config.experiment)
            experiment = client.get_experiment(client.create_experiment(config.experiment, artifact_location=root))
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {config.experiment!r} in {address.shown(uri)} is deleted: give another one, "
                f"e.g. tracking.experiment={config.experiment}2"
            )
        for tag, text in pages.experiment_tags(experiment.experiment_id).items():
            if tag not in experiment.tags:
                client.set_experiment_tag(experiment.experiment_id, tag, text)
        return Place(uri, experiment.experiment_id)


def start(place, name, columns=()):
    """Start an MLflow run called `name` at `place` and return its id; "" where tracking is off.

    columns: of the saved view of a sweep, where the run is to be its parent.
    """
    if place is None:
        return ""
    name = printable(name)
    tags = {"mlflow.runName": name} | ({"sweep": place.sweep} if place.sweep else {})
    if columns:
        tags["sweep_parent"] = "true"
    elif place.parent_run_id:
        tags["sweep_parent_run_id"] = place.parent_run_id  # flat: nested runs are folded away and left out of charts
    with _explained(place.uri):
        client = _client(place.uri)
        if columns:
            view = pages.saved_view(columns, place.sweep)
            client.set_experiment_tag(place.experiment_id, pages.SAVED_VIEW + place.sweep, view)
        return client.create_run(place.experiment_id, run_name=name, tags=tags).info.run_id


def join(place, run_id):
    """Make a finished run one of the sweep of `place` too, where that is a sweep's."""
    if not place.sweep:
        return
    with _explained(place.uri):
        client = _client(place.uri)
        sweeps = client.get_run(run_id).data.tags.get("sweep", "").split(", ")
        client.set_tag(run_id, "sweep", ", ".join(filter(None, dict.fromkeys([*sweeps, place.sweep]))))


def status(place, run_id):
    """The status of a run in the experiment of `place`, or "" where it is not there or deleted."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return ""
    with _explained(place.uri):
        try:
            info = _client(place.uri).get_run(run_id).info
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return ""
    is_there = info.lifecycle_stage == "active" and info.experiment_id == place.experiment_id
    return info.status if is_there else ""


def killed(place):
    """Whether any run of the sweep of `place` was killed by its user."""
    with _explained(place.uri):
        wanted = f"tags.sweep_parent_run_id = '{place.parent_run_id}' and attributes.status = 'KILLED'"
        return bool(_client(place.uri).search_runs([place.experiment_id], wanted, max_results=1))


def log(place: Place | None, run_id: str, entry: Entry, folder: Path | None = None, files: Sequence[Path] = ()) -> None:
    """Log an Entry, and every file of the run's folder, or single ones.

    Raises TrackingError; what was logged before stays.
    """
    if place is None:
        return
    with _explained(place.uri):
        client = _client(place.uri)
        _log_values(client, run_id, entry)
        text = entry.description
        cut = "" if len(text) <= LONGEST_NOTE else "\n\nThe rest is in summary.md among the artifacts."
        note = pages.with_artifacts(text[: LONGEST_NOTE - len(cut)] + cut, place.experiment_id, run_id)
        client.set_tag(run_id, pages.NOTE, printable(note, keep="\n"))
        if entry.answer:
            client.set_tag(run_id, "answer", printable(entry.answer))
        for name, table in entry.tables.items():
            client.log_table(run_id, {column: [*map(_seen, values)] for column, values in table.items()}, name)
        for path in files:
            client.log_artifact(run_id, str(path))
        for name in pages.pictures(text):
            client.log_image(run_id, pages.small(Path(folder or files[0].parent) / name), f"{pages.SMALL}/{name}")
        if folder:
            client.log_artifacts(run_id, str(folder))


def _log_values(client, run_id, entry):
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)  # MLflow counts milliseconds
    points = [Metric(name, _legible(value), now, 0) for name, value in entry.metrics.items()]
    points += [
        Metric(name, _legible(v), now, step)
        for name, values in entry.series.items()
        for step, v in (values.items() if isinstance(values, dict) else enumerate(values))
        if v is not None and math.isfinite(v)
    ]
    entries = [Param(name, printable(value)[:LONGEST_PARAM]) for name, value in entry.params.items()]
    for first in range(0, len(entries), 100):
        client.log_batch(run_id, params=entries[first : first + 100])
    for first in range(0, len(points), BATCH):
        client.log_batch(run_id, metrics=points[first : first + BATCH])


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
                _client(place.uri).set_tag(run_id, pages.NOTE, f"Did not finish: {as_markdown_text(why)}")
        finish(place, run_id, status)


def is_server(place):
    """Whether runs go to a server, and not to a database that this program opens itself."""
    return place is not None and place.uri.startswith("http")


def browse(place, run_id="", artifact="", charts=False):
    """Lines that tell how to open what was logged; [] where tracking is off.

    The `mlflow ui` command, the page of a run, that of one of its artifacts, and the saved view of its sweep or of all.
    charts: whether the saved view opens as charts too.
    """
    if place is None:
        return []
    lines, server = [], address.shown(place.uri).rstrip("/")
    if not is_server(place):
        store = shlex.quote(address.shown(place.uri))
        lines = [f"Browse:  {_program()} ui --backend-store-uri {store} --port {PORT}"]
        server = f"http://127.0.0.1:{PORT}"
    paths = {"Run": pages.run_path(place.experiment_id, run_id)} if run_id else {}
    if artifact:
        paths["Report"] = pages.run_path(place.experiment_id, run_id, artifact)
    key = place.sweep or pages.ALL
    paths["Table"] = pages.view_path(place.experiment_id, key)
    if charts:
        paths["Charts"] = pages.view_path(place.experiment_id, key, charts=True)
    return lines + [f"{f'{name}:':9}{server}/#{path}" for name, path in paths.items()]


def _program():
    """MLflow's command line as a shell takes it."""
    beside = Path(sys.executable).with_name("mlflow")
    return shlex.quote(str(beside)) if beside.is_file() else "mlflow"


def _seen(value):
    return printable(value) if isinstance(value, str) else value


def _legible(value):
    return float(value) if float(value).is_integer() else float(f"{value:.{DIGITS}g}")


def _client(uri):
    logging.getLogger("alembic").setLevel(logging.WARNING)  # migrations of a fresh database are no news
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _schema():
    """The Schema of this MLflow's database, None where it does not tell."""
    from mlflow.store.db import utils

    scripts = Path(utils.__file__).parents[1] / "db_migrations" / "versions"
    try:
        tables, newest = frozenset(utils.Base.metadata.tables), utils._get_latest_schema_revision()
    except AttributeError:
        return None
    return address.Schema(tables, newest, {path.name.partition("_")[0] for path in scripts.glob("*.py")})


@contextlib.contextmanager
def _alone(uri):
    """Hold the lock of a database file; other stores look after themselves."""
    path = address.database(uri)
    if path is None:
        yield
        return
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield


@contextlib.contextmanager
def _explained(uri):
    """Turn every way that MLflow and its database fail into one TrackingError."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        ours = isinstance(error, MlflowException | SQLAlchemyError | RequestException | sqlite3.Error | OSError)
        if not ours and not type(error).__module__.startswith("alembic"):
            raise
        lines = [line for line in str(error).splitlines() if line.strip()]
        detail = address.shown(lines[0] if lines else type(error).__name__)
        given = f" ({ENVIRONMENT} of the environment names it)" if os.environ.get(ENVIRONMENT) else ""
        raise TrackingError(
            f"the tracking store {address.shown(uri)} cannot be used ({detail[:200]}): check that it is there, is "
            f"writable and is not locked by another program{given}; or give another, e.g. {address.NEW} or "
            f"tracking=none"
        ) from None
