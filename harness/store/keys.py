"""The keys by which results are found again, each a digest of all that decides the result and of nothing else.

- A finished run (`run_key`): its settings but DECIDE_NOTHING; the code that decides results; published, recorded and
  placed figures; torch's version; the source of a model of one's own.
- A trace (`trace_key`): the model's settings, batch and precision; the code that captures, and the shipped models;
  torch's version; the source of a model of one's own.
- A replay (`replay_key`): every column of the trace and of the designs; the accelerator model's code.
- An exploration (`exploration_key`): the trace, the space, objectives and limits; the code of model and search.

What writes, shows or logs results decides none: a report that is worded anew leaves every key as it is.
"""

import ast
import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from enum import Enum
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from accel_model import Design, Trace
from accel_model.formats import contents
from harness.settings.schema import PrecisionConfig, RunConfig, WorkloadConfig

ROOT = Path(__file__).resolve().parents[2]
DECIDE_NOTHING = ("tracking", "resume", "outputs", "trust")  # settings of where results go
ROOMS = ("settings", "capture", "training", "judging", "flows")
DECIDING = ("accel_model", "baselines", *(f"harness/{room}" for room in ROOMS))
CAPTURING = ("harness/capture", "harness/training/models.py", "harness/training/step.py")
SEARCHING = ("harness/flows/explore",)
FIGURES = ("baselines", "accel_model")  # folders whose tables are results of others
TABLES = (".csv", ".json")
LIBRARIES = ("torch", "torchvision")
MOST_FILES = 500  # of a model of one's own


def run_key(config: RunConfig) -> str:
    """Key of a finished run of task=run."""
    values = {one.name: getattr(config, one.name) for one in fields(config) if one.name not in DECIDE_NOTHING}
    settings = {key: asdict(one) if hasattr(one, "__dataclass_fields__") else one for key, one in values.items()}
    settings["claim"] = {key: asdict(one) for key, one in config.claim.items()}
    return _digest(
        *(_text(settings), _code(DECIDING), _tables(), _versions(), *sources(config.workload.target)),
    )[:16]


def trace_key(workload: WorkloadConfig, precision: PrecisionConfig, batch_size: int) -> str:
    """Key of the trace of a training step."""
    values = _text([asdict(workload), asdict(precision), batch_size])
    return _digest(values, _code(CAPTURING), _versions(), *sources(workload.target))[:16]


def trace_digest(trace: Trace) -> str:
    """Digest of every column of a Trace; its names and metadata decide no time."""
    return _digest(*contents.of_trace(trace))


def replay_key(of_trace: str, of_designs: str) -> str:
    """Key of the replay of a trace with that `trace_digest` on designs with that `designs_digest`."""
    return _digest(of_trace, of_designs)


def designs_digest(designs: Design) -> str:
    """Digest of every column of a Design and of the accelerator model's code."""
    return _digest(*contents.of_table(designs), contents.of_model())


def exploration_key(trace: Trace, choices: Iterable[Mapping], settings: Mapping) -> str:
    """Key of an exploration. choices: {axis: array} of what varies and of what does not. settings: JSON values."""
    parts = [*contents.of_trace(trace), contents.of_model(), _code(SEARCHING)]
    for one in choices:
        parts += contents.of_arrays(one)
    return _digest(_text(dict(settings)), *parts)[:16]


def sources(target: str) -> Iterator[bytes]:
    """The source of the module that `target` (module:function) names, and of every module of one's own it imports.

    What is installed is told by its version, what is shipped here by the code's digest. Nothing is imported or run.
    """
    todo, done = [target.partition(":")[0]], set()
    while todo and len(done) < MOST_FILES:
        name = todo.pop(0)
        path = _own_file(name)
        if path is None or path in done:
            continue
        done.add(path)
        data = path.read_bytes()
        yield name.encode() + b"\0" + data
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        parents = name.split(".")
        todo += [".".join(parents[:count]) for count in range(1, len(parents))]
        todo += _imported(data, package)


def _own_file(name):
    """The Path of a module's source, None where it is built in, installed, shipped here or not there."""
    where = [str(Path.cwd()), *sys.path]
    spec = None
    for part in name.split("."):
        spec = PathFinder.find_spec(part if spec is None else f"{spec.name}.{part}", where)
        if spec is None:
            return None
        where = list(spec.submodule_search_locations or ())
    if not spec.origin or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin).resolve()
    foreign = [Path(sysconfig.get_path(one)).resolve() for one in ("stdlib", "platstdlib", "purelib", "platlib")]
    ours = [ROOT / folder for folder in ("harness", "accel_model", "baselines")]
    return None if any(folder in path.parents for folder in [*foreign, *ours]) else path


def _imported(data, package):
    """Names of the modules that a source imports anywhere, relative ones made absolute; [] where it does not parse."""
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            name = ".".join([*filter(None, base), *filter(None, [node.module])])
            found += [name, *(f"{name}.{one.name}" for one in node.names)] if name else [one.name for one in node.names]
    return found


@lru_cache
def _code(places):
    files = [path for place in places for path in _files(ROOT / place, (".py",))]
    return _of_files(files)


@lru_cache(maxsize=1)
def _tables():
    return _of_files([path for place in FIGURES for path in _files(ROOT / place, TABLES)])


def _files(place, endings):
    found = [place] if place.is_file() else place.rglob("*")
    return sorted(path for path in found if path.suffix in endings and path.is_file())


def _of_files(paths):
    return _digest(*(part for path in paths for part in (str(path.relative_to(ROOT)), path.read_bytes())))


@lru_cache(maxsize=1)
def _versions():
    return _text([_version(name) for name in LIBRARIES])


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _text(values):
    return json.dumps(
        values, sort_keys=True, default=lambda value: value.value if isinstance(value, Enum) else str(value)
    )


def _digest(*parts):
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]
