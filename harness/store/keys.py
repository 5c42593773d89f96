"""The keys by which results are found again, each a digest of all that decides the result and of nothing else.

- A finished run (`run_key`): its settings but DECIDE_NOTHING; the code that decides results; published, recorded and
  placed figures; torch's version; a model of one's own, and a file of data.
- A trace (`trace_key`): the model's settings, batch and precision; the code that captures, and the shipped models;
  torch's version; a model of one's own.
- A replay (`replay_key`): every column of the trace and of the designs; the accelerator model's code.
- An exploration (`exploration_key`): the trace, the space, objectives and limits; the code of model and search.

A model of one's own is its source, that of every module of one's own that it imports, the files that this source or
workload.arguments name, and the versions of the packages that it imports.

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
from importlib.metadata import PackageNotFoundError, packages_distributions, version
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
LONGEST_PATH = 300  # characters
BLOCK = 2**20  # bytes


def run_key(config: RunConfig) -> str:
    """Key of a finished run of task=run."""
    values = {one.name: getattr(config, one.name) for one in fields(config) if one.name not in DECIDE_NOTHING}
    settings = {key: asdict(one) if hasattr(one, "__dataclass_fields__") else one for key, one in values.items()}
    settings["claim"] = {key: asdict(one) for key, one in config.claim.items()}
    return _digest(
        *(_text(settings), _code(DECIDING), _tables(), _versions(), *_own_model(config.workload)),
        *_contents(_named(getattr(config.data, "root", None), [Path.cwd()])),
    )[:16]


def trace_key(workload: WorkloadConfig, precision: PrecisionConfig, batch_size: int) -> str:
    """Key of the trace of a training step."""
    values = _text([asdict(workload), asdict(precision), batch_size])
    return _digest(values, _code(CAPTURING), _versions(), *_own_model(workload))[:16]


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
    for name, _, data in _modules(target)[0]:
        yield name.encode() + b"\0" + data


def _own_model(workload):
    """Everything beside the settings that decides what a user's model is, as parts of a digest."""
    modules, foreign = _modules(workload.target)
    yield from (name.encode() + b"\0" + data for name, _, data in modules)
    yield _text([f"{name} {_version_of(name)}" for name in sorted(foreign)])
    yield from _contents(_named(workload.arguments, [Path.cwd()]))
    for _, path, data in modules:
        yield from _contents(_named(_texts_in(data), [path.parent, Path.cwd()]))


def _modules(target):
    """([(name, Path, source)] of one's own modules that `target` leads to, names of other packages they import)."""
    todo, done, foreign = [target.partition(":")[0]], {}, set()
    while todo and len(done) < MOST_FILES:
        name = todo.pop(0)
        path = _own_file(name)
        if path is None:
            foreign.add(name.partition(".")[0])
            continue
        if path in done:
            continue
        data = path.read_bytes()
        done[path] = (name, path, data)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        parents = name.split(".")
        todo += [".".join(parents[:count]) for count in range(1, len(parents))]
        todo += _imported(data, package) if path.suffix == ".py" else []
    known = {"harness", "accel_model", "baselines", *LIBRARIES, *sys.stdlib_module_names}
    known |= {name.partition(".")[0] for name, _, _ in done.values()}
    return list(done.values()), {name for name in foreign - known if name.isidentifier()}


def _version_of(package):
    """The version of what is imported as `package`; of one whose distribution has another name, that one's."""
    found = _version(package)
    if found == "none":
        found = ", ".join(f"{name} {_version(name)}" for name in sorted(_distributions().get(package, ())))
    return found


@lru_cache(maxsize=1)
def _distributions():
    return packages_distributions()


def _texts_in(data):
    """The short texts that stand in a source, among which are the names of files that it reads."""
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return []
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _named(values, folders):
    """Paths of the files that texts in a nest of lists and mappings name, seen from `folders`."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return sorted({path for value in values for path in _named(value, folders)})
    if not isinstance(values, str) or not values or len(values) > LONGEST_PATH or "\n" in values or "\0" in values:
        return []
    found = []
    for folder in folders:
        try:
            path = folder / Path(values).expanduser()
            found += [path.resolve()] if path.is_file() else []
        except (OSError, RuntimeError, ValueError):  # a name that is too long, or of a user who is not there
            continue
    return found


def _contents(paths):
    """Name and digest of each file, as parts of a digest; a file that cannot be read counts by its name."""
    for path in paths:
        digest = hashlib.sha256()
        try:
            with open(path, "rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
        except OSError:
            pass
        yield f"{path.name} {digest.hexdigest()}"


def _own_file(name):
    """The Path of a module's source, None where it is built in, installed, shipped here or not there."""
    where = [str(Path.cwd()), *sys.path]
    spec = None
    for part in name.split("."):
        spec = PathFinder.find_spec(part if spec is None else f"{spec.name}.{part}", where)
        if spec is None:
            return None
        where = list(spec.submodule_search_locations or ())
    if not spec.origin or not spec.origin.endswith((".py", ".so", ".pyd")):
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
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                level = len(node.args[0].value) - len(node.args[0].value.lstrip("."))
                base = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                found.append(".".join(filter(None, [*base, node.args[0].value.lstrip(".")])))
        elif isinstance(node, ast.Import):
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
