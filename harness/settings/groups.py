"""What a file of conf may say: values of its own group, as data.

Such a file may be somebody else's. It sets nothing of another group and nothing of Hydra's, names no code but the
models that come with this program and with torchvision, no place to read or write, nothing of the environment and no
file outside of the configuration folders; what it calls itself is a name. Code and places are given on the command
line, and `trust=true` there lets files give them, too.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from math import prod
from pathlib import PurePosixPath
from typing import Any, get_origin

from harness.settings.errors import ConfigError
from harness.settings.fields import is_name
from harness.settings.schema import SECTIONS, RunConfig
from harness.text.shown import quoted, shown

TRUST = "trust=true"
MODELS = ("harness.training.models", "torchvision.models")  # whose functions build models and do nothing else
GLOBAL = ("experiment", "task")  # groups whose files may say `# @package _global_`
RESERVED = ("outputs", "trust")  # settings of the command line and of conf/config.yaml
PLACES = {  # settings that name what is read or written
    *("outputs", "folder", "root", "uri", "path", "file", "dir"),
    *("trace", "timeline", "topology", "config", "errors", "chakra"),
}
MISSING = (None, "???")
MOST_CHOICES = 32  # of one entry of defaults
MOST_JOBS = 10_000  # of a sweep that a file asks for
KEY = re.compile(r"[A-Za-z]\w*")
DOTTED = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*")
REFERENCE = re.compile(rf"\$\{{({DOTTED.pattern})\}}")
TARGET = re.compile(rf"({DOTTED.pattern}):({DOTTED.pattern})")
FILE_LIKE = re.compile(r"[/\\~]|^\.|\.[A-Za-z]\w*$")
SWEPT = re.compile(r"[\w .,*\[\]+-]*|glob\([\w*]+\)|choice\([\w .,+-]*\)|range\(\d{1,4},\d{1,4}(,\d{1,4})?\)")
STORE = re.compile(r"sqlite:///\w[\w.-]*|https?://\S+")
STORE_OF_ENVIRONMENT = re.compile(rf'\$\{{oc\.env:MLFLOW_TRACKING_URI,"(?:{STORE.pattern})"\}}')  # as MLflow's own


def check_file(where: str, group: str, package: str | None, values: Any, trusted: bool = False) -> None:
    """Raise ConfigError where a file of conf says what is not its own to say.

    where: the file, for errors. group: its folder within conf. package: of its head line `# @package`. values: what it
    holds. trusted: it may name code and places.
    """
    if not isinstance(values, dict):
        kind = "is empty" if values is None else f"is a {type(values).__name__}"
        raise ConfigError(f"{where} {kind} and holds no settings: write lines such as `name: value`")
    if trusted:
        return
    root = group.partition("/")[0]
    values = dict(values)
    _check_defaults(where, root, values.pop("defaults", []))
    place = _package(where, group, root, package)
    if root == "experiment" and not place:
        values, swept = _without_sweep(values)
        _check_sweep(where, root, swept)
    for path, value in _leaves(where, place, values):
        _check_leaf(where, root, path, value)


def is_models(module: str) -> bool:
    """Whether files of conf may name functions of `module`: it holds models, and importing it does nothing else."""
    return module in MODELS or module.startswith(f"{MODELS[1]}.")


def _package(where, group, root, package):
    """The place in the settings that a file's values go to, as a tuple of keys."""
    own = tuple(group.split("/"))
    if root not in ("claim", "experiment") and package in (None, "_group_", ".".join(own)):
        return own
    if package == "_global_" and root in GLOBAL:
        return ()
    if root == "claim" and package and package.startswith("claim.") and is_name(package.removeprefix("claim.")):
        return ("claim", package.removeprefix("claim."))
    right = {"experiment": "# @package _global_", "claim": "# @package claim.NAME"}.get(root, "no such line")
    has = f"the package {quoted(package)}" if package else "no package"
    raise ConfigError(f"{where} has {has}: a file of the group {shown(root)} sets what is its own; write {right}")


def _check_defaults(where, root, entries):
    """A file builds on one other of its group; an experiment chooses among the groups, a workload its data."""
    if not isinstance(entries, list):
        raise ConfigError(f"{where}: defaults is no list: write lines such as `- NAME`")
    others = [one for one in entries if one != "_self_"]
    bases = [one for one in others if is_name(one)]
    if len(bases) > 1:
        raise ConfigError(f"{where} builds on {len(bases)} other files: name one at most in its defaults")
    for entry in others:
        if not is_name(entry) and not (
            isinstance(entry, dict) and len(entry) == 1 and _is_chosen(root, *entry.items())
        ):
            form = ", or choose of a group as `- override /GROUP: NAME`" if root == "experiment" else ""
            raise ConfigError(
                f"{where}: its defaults hold {quoted(entry)}: name another file of {shown(root)} as `- NAME`{form}; "
                "all "
                f"else is chosen on the command line, or with {TRUST} there"
            )


def _is_chosen(root, item):
    """Whether a file of the group `root` may have the entry {key: value} in its defaults."""
    key, value = item
    if root == "experiment":
        found = re.fullmatch(r"override /(\w+)", str(key))
        names = value if isinstance(value, list) else [value]
        fits = len(names) <= MOST_CHOICES and all(map(is_name, names)) and len(set(names)) == len(names)
        return found and found[1] not in ("hydra", "experiment") and (fits or value is None)
    if root == "workload":
        return key == "override /data@_global_.data" and is_name(value)
    found = re.fullmatch(r"/(\w+)", str(key)) if root == "task" else None
    return found and found[1] not in (*SECTIONS, "hydra", "experiment") and is_name(value)


def _leaves(where, place, value) -> Iterator[tuple[tuple, Any]]:
    """(path, value) of all within `value`, which goes to `place`, that is no mapping of more; lists are taken whole."""
    if not isinstance(value, dict) or (place and not value):
        yield place, value
        return
    if ".".join(place) in SCALARS:
        raise ConfigError(f"{where}: {'.'.join(place)} is a mapping: give one value")
    for key, one in value.items():
        if not (isinstance(key, str) and KEY.fullmatch(key)) and not (place == ("claim",) and is_name(key)):
            raise ConfigError(f"{where} has the key {quoted(key)}: give a word of letters, digits and underscores")
        yield from _leaves(where, (*place, key), one)


def _check_leaf(where, root, path, value):
    """Raise ConfigError where the file `where` of the group `root` may not set `path` to `value`."""
    name = shown(".".join(path))
    if path == ("tracking", "uri") and root == "tracking" and STORE_OF_ENVIRONMENT.fullmatch(str(value)):
        return
    _check_texts(where, name, value)
    if path[0] == "hydra":
        if root != "experiment" or path != ("hydra", "mode") or value not in ("RUN", "MULTIRUN"):
            raise ConfigError(
                f"{where} sets {name}: files of conf set nothing of Hydra's, but for hydra.mode (RUN or MULTIRUN) and "
                f"hydra.sweeper.params of an experiment; {_instead(name, value)}"
            )
    elif not _is_own(root, path[0]):
        raise ConfigError(f"{where} sets {name}, which is not of the group {shown(root)}: {_instead(name, value)}")
    elif path == ("workload", "target"):
        _check_target(where, value)
    elif path[1:] == ("name",) and not is_name(value):
        raise ConfigError(f"{where}: {name} is {quoted(value)}: give a name of letters, digits, dots and dashes")
    elif _is_place(root, path, value):
        raise ConfigError(f"{where} sets {name} to {quoted(value)}, a place: {_instead(name, value)}")
    elif name in SCALARS and isinstance(value, list):
        raise ConfigError(f"{where}: {name} is a list: give one value")


def _instead(name, value):
    given = shown(value) if isinstance(value, str | int | float) else "..."
    return f"give it on the command line, {name}={given}, or {TRUST} there if you know the files of conf that are used"


def _is_own(root, first):
    if first in RESERVED:
        return False
    return first == root or root == "experiment" or (root == "task" and first not in SECTIONS)


def _check_texts(where, name, value):
    """Raise ConfigError for a text, in lists too, that refers to anything but one plain setting."""
    for one in _texts(value):
        found = REFERENCE.fullmatch(one)
        if "${" in one and not (found and found[1] in SCALARS):
            raise ConfigError(
                f"{where}: {name} refers to {quoted(one)}: a file of conf may refer to one plain setting, such as "
                "${workload.batch_size}, and to nothing of the environment or of the program"
            )


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value.keys(), *value.values()])
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _check_target(where, value):
    found = TARGET.fullmatch(value) if isinstance(value, str) else None
    if value not in MISSING and not (found and is_models(found[1])):
        raise ConfigError(
            f"{where} names code, workload.target={shown(value)}, which would run with your rights: files of conf "
            f"name functions of {' and '.join(MODELS)} alone; {_instead('workload.target', value)}"
        )


def _is_place(root, path, value):
    """Whether a setting names a file or an address that its file may not choose."""
    if value in MISSING or path[0] in ("accelerator", "claim"):
        return False
    if path == ("data", "root"):  # within the working directory
        parts = PurePosixPath(value).parts if isinstance(value, str) else ("..",)
        return ".." in parts or parts[:1] == ("/",) or re.search(r"^~|[\\:]", value) is not None
    if path == ("tracking", "uri"):
        return root != "tracking" or not isinstance(value, str) or STORE.fullmatch(value) is None
    if path[:2] == ("workload", "arguments"):  # torchvision downloads these into the home folder
        return len(path) == 3 and path[2].startswith(("weights", "pretrained")) and value is not False
    is_of_task = path[0] == "task" or path[0] not in SECTIONS
    return path[-1] in PLACES or (is_of_task and any(map(FILE_LIKE.search, _texts(value))))


def _without_sweep(values):
    """(values without hydra.sweeper.params, those) of an experiment."""
    hydra = values.get("hydra")
    sweeper = hydra.get("sweeper") if isinstance(hydra, dict) else None
    if not isinstance(sweeper, dict) or "params" not in sweeper:
        return values, {}
    sweeper = {key: one for key, one in sweeper.items() if key != "params"}
    others = {key: one for key, one in hydra.items() if key != "sweeper"} | ({"sweeper": sweeper} if sweeper else {})
    return values | {"hydra": others}, hydra["sweeper"]["params"]


def _check_sweep(where, root, params):
    """The choices of a sweep are settings as a file of `root` may have them, and of a number that can be run."""
    if not isinstance(params, dict):
        raise ConfigError(f"{where}: hydra.sweeper.params is no mapping: write lines such as `batch_size: 32,64`")
    counts = []
    for key, value in params.items():
        if not isinstance(key, str) or not DOTTED.fullmatch(key):
            raise ConfigError(f"{where} sweeps over {quoted(key)}: name a group or a setting, such as batch_size")
        if not isinstance(value, str | int | float) or not SWEPT.fullmatch(str(value)):
            raise ConfigError(
                f"{where} sweeps {shown(key)} over {quoted(value)}: give choices such as `a,b` or `32,64`"
            )
        _check_leaf(where, root, tuple(key.split(".")), value)
        numbers = [int(one) for one in re.findall(r"\d+", value)] if str(value).startswith("range") else []
        counts.append(max(1, numbers[1] - numbers[0]) if numbers else str(value).count(",") + 1)
    if prod(counts) > MOST_JOBS:
        raise ConfigError(f"{where} is a sweep of {prod(counts)} runs: give choices for at most {MOST_JOBS}")


def _scalars(schema, prefix=""):
    """Dotted names of the settings in a schema that hold one value."""
    for one in fields(schema):
        if is_dataclass(one.type):
            yield from _scalars(one.type, f"{prefix}{one.name}.")
        elif one.type is not Any and get_origin(one.type) not in (list, dict):
            yield prefix + one.name


SCALARS = frozenset(_scalars(RunConfig)) - {"outputs", "trust", "tracking.uri"}
