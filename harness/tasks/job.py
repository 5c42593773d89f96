"""One job of the command line: what it is, and the MLflow run around what it does."""

import contextlib
import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.settings.errors import ConfigError, TrackingError
from harness.settings.fields import shown
from harness.settings.schema import SECTIONS, RunConfig, checked
from harness.settings.shipped import short_name
from harness.store import tracking
from harness.store.files import RESULT, read_parent
from harness.tasks.failures import explained, forget
from harness.text.console import progress
from harness.text.shown import printable
from harness.training.data.sources import schema_of
from harness.training.target import imported

LOG = logging.getLogger(__name__)
HERE = Path(__file__).resolve().parent
LONGEST_NAME = 22  # characters of a run's name that MLflow shows


@dataclass(frozen=True)
class Job:
    """What the command line asks for, read once from Hydra's state: settings, where results go, how it was called."""

    task: str  # name of a file in conf/task and in harness/tasks
    config: RunConfig
    folder: Path  # of its results
    command: str  # that does the same again
    overrides: tuple[str, ...]
    sweep: Path | None  # folder of the sweep that it is a job of

    def sets(self, name: str) -> bool:
        """Whether the command line sets `name`, a setting or a group."""
        return any(one.lstrip("+~").partition("=")[0] == name for one in self.overrides)


def read_job(node: Any, hydra: Any) -> Job:
    """The Job of the composed settings `node`. hydra: the HydraConf of it; raises ConfigError."""
    overrides = tuple(hydra.overrides.task)
    return Job(
        task=node.task.name,
        config=read_config(node),
        folder=Path(hydra.runtime.output_dir),
        command=_command(overrides),
        overrides=overrides,
        sweep=Path(hydra.sweep.dir) if hydra.mode.name == "MULTIRUN" else None,
    )


def read_config(node: Any) -> RunConfig:
    """The RunConfig of composed settings, with what the task and the data source bring; raises ConfigError."""
    task = task_module(node.task.name)
    schema, section = getattr(task, "SCHEMA", None), getattr(task, "SECTION", "task")
    own = {key: node.task._get_node(key) for key in node.task if key != "name"}
    if schema and section != "task":
        here = node if section == "" else node[section]
        own |= {key: here._get_node(key) for key in here if section or key not in SECTIONS}
    common = {key: node._get_node(key) for key in node if key in SECTIONS and key not in ("task", "data")}
    extra = set(node) - set(SECTIONS) - {section, "hydra"} - set(own)
    if extra or (own and not schema):
        name = min(extra or own)
        raise ConfigError(
            f"{name} is set in conf, and no schema knows it: give it in the SCHEMA of the task that reads it"
        )
    config = checked(common | {"task": None, "data": None}, RunConfig, "")
    return replace(
        config,
        task=checked(own, schema, section) if schema else None,
        data=checked(node.data, schema_of(node.data.name), "data"),
    )


def task_module(name: str) -> ModuleType:
    """The module of the task called `name`, found by its place; raises ConfigError where it or its function lacks."""
    if not str(name).isidentifier():
        raise ConfigError(f"task.name is {shown(name)}: name a file of conf/task, e.g. task=run")
    if not (HERE / f"{name}.py").is_file():
        raise ConfigError(f"task={name} has a file in conf/task and none in harness/tasks: write {_form(name)}")
    module = imported(f"{__package__}.{name}", f"task={name}", ConfigError)
    if not callable(getattr(module, name, None)):
        raise ConfigError(f"{module.__file__} has no function {name}: write {_form(name)}")
    if not is_dataclass(getattr(module, "SCHEMA", Job)):
        raise ConfigError(
            f"{module.__file__}: SCHEMA is no dataclass: write one of the task's settings, without values"
        )
    return module


def _form(name):
    return f"harness/tasks/{name}.py with a function {name}(job) that does the task and returns a small dict"


def _command(overrides):
    """The command that makes a run again, as it was called: by its name, or as a module where it has none."""
    program = "python -m harness" if sys.argv[0].endswith("__main__.py") else "halfstep"
    return " ".join([program, *map(shlex.quote, overrides)])


def run_name(config: RunConfig) -> str:
    """A name of at most LONGEST_NAME characters, the most telling part first."""
    return f"{short_name(config.workload.name)} b{config.batch_size} {config.precision.name}"[:LONGEST_NAME]


def place_of(job: Job) -> tracking.Place | None:
    """The Place where this job logs: its sweep's, or its own, created where it is missing; None: tracking is off."""
    place = read_parent(job.sweep) if job.sweep else None
    return place or tracking.prepare(job.config.tracking)


@contextlib.contextmanager
def tracked(job: Job, name: str, out: Any, sweep: str = "", columns: Sequence[str] = ()) -> Iterator[tuple]:
    """An MLflow run around what is done, under progress: yields (place, run id, (say, on_step)).

    The run is FINISHED at the end, and KILLED or FAILED, with the reason, where an error leaves.
    sweep, columns: the tag and the saved view's columns of the runs that this one is to be the parent of.
    """
    place = place_of(job)
    if place and sweep:
        place = replace(place, sweep=sweep)
    run_id = tracking.start(place, name, columns)
    try:
        with progress(out) as (say, on_step):

            def told(text):
                LOG.info(printable(text))
                say(text)

            yield place, run_id, (told, on_step)
        tracking.finish(place, run_id, "FINISHED")
    except BaseException as error:
        killed = isinstance(error, KeyboardInterrupt)
        is_away = isinstance(error, TrackingError) and tracking.is_server(place)  # asked again, it is waited for again
        if not is_away:
            tracking.abandon(place, run_id, "KILLED" if killed else "FAILED", explained(error) or repr(error))
        forget(error)
        if isinstance(error, TrackingError) and (job.folder / RESULT).is_file():
            raise TrackingError(
                f"{error}. Nothing is lost: all results are in {job.folder}, and the same command with resume=true "
                f"logs them without computing them again"
            ) from None
        raise
