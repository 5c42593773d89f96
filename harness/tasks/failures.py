"""Which failures are a user's to mend, and the few lines that tell how."""

import dataclasses
import difflib
import errno
import re
import traceback
from pathlib import Path

from accel_model.errors import AccelModelError
from accel_model.formats.yaml_file import read_yaml
from baselines.errors import BaselineError
from harness.settings import CONF
from harness.settings.errors import ConfigError, HalfstepError
from harness.settings.schema import RunConfig
from harness.text.shown import shown
from harness.training.data.loading import loading_error

LONGEST = 10  # lines of an explanation by Hydra
MOST_LINES = 12  # of any
LONGEST_LINE = 1000  # characters
ENDLESS = re.compile(r"(\S{100})\S{80,}(\S{60})")  # a word that no line of a terminal takes
LONGEST_TEXT = 240  # characters of a line by Hydra, which repeats what it was given
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room on the disk, in the quota, or for a file of that size


def forget(error):
    """Empty the local variables of every frame that `error` and its causes came through; they stay printable.

    A sweep keeps the errors of its jobs until its end, and a failed step's memory with them.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def explained(error):
    """A text of at most MOST_LINES lines for an error that a user can mend, or None for a bug of the program."""
    text = _explained(error)
    lines = [ENDLESS.sub(r"\1...\2", line) for line in text.splitlines()[:MOST_LINES]] if text else []
    return "\n".join(_shortened(line, LONGEST_LINE) for line in lines) or text


def _shortened(line, longest):
    return line if len(line) <= longest else f"{line[: longest * 2 // 3]} ... {line[-longest // 4 :]}"


def _explained(error):
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if told := loading_error(error):
        return str(told)
    if isinstance(error, HalfstepError | AccelModelError | BaselineError):
        return "\n".join(str(error).splitlines()[:LONGEST])
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _of_hydra(error)
    if isinstance(error, RuntimeError) and "srun" in str(error):
        return "hydra/launcher=slurm found no srun: run it where SLURM is, or use hydra/launcher=submitit_local"
    if isinstance(error, OSError) and error.errno in FULL:
        return (
            f"cannot write the results ({error.strerror}): free some space or give another folder, "
            f"e.g. outputs=/another/folder"
        )
    if isinstance(error, OSError) and error.filename:
        return (
            f"cannot use {Path(error.filename).absolute()} ({error.strerror}): check that it is there, is writable and "
            f"has room; results go to another folder with outputs=/another/folder"
        )
    return _of_composing(error)


def _of_composing(error):
    """A text for what Hydra raises of its own while it composes settings, None for what is raised elsewhere."""
    if "load_configuration" not in {frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)}:
        return None
    if isinstance(error, RecursionError):
        return (
            "the settings lead back to themselves or are nested too deeply: look for files of conf whose defaults name "
            "each other, and for long values on the command line"
        )
    first = next(iter(str(error).splitlines()), "")
    return f"the settings cannot be composed ({type(error).__name__}: {_shortened(first, LONGEST_TEXT)})"


def _of_hydra(error):
    lines = []
    while error is not None:
        lines += [line for line in str(error).splitlines() if line.strip() and "HYDRA_FULL_ERROR" not in line]
        error = error.__cause__
    options = [line.strip() for line in lines if line.startswith("\t") and "provider=" not in line]
    text = [line for line in lines if not line.startswith("\t")]
    text = list(dict.fromkeys(line.strip() for line in text if not line.strip().startswith("object_type=")))
    text = [_shortened(line, LONGEST_TEXT) for line in text if not line.startswith("Config search path")]
    if options:
        text.append("  " + ", ".join(options))
    text += _near_settings(text[0]) + _inner_value(text) if text else []
    return "\n".join(text[:LONGEST])


def _near_settings(text):
    """A line on a setting that `text` says does not exist: the task that has it, or the settings closest to it."""
    found = re.match(r"Could not override '([\w.]+)'", text)
    if not found:
        return []
    of_tasks = _settings_of_tasks()
    name = found[1]
    if tasks := of_tasks.get(name) or of_tasks.get(name.partition(".")[0]):
        mark = f"{name} is a setting of task={tasks[0]}: give task={tasks[0]}"
        return [f"{mark}, or, to measure on a device, baseline.device=cuda" if name in ("gpu", "device") else mark]
    near = difflib.get_close_matches(name, [*_settings(RunConfig), *of_tasks], n=3)
    return [f"Did you mean {' or '.join(near)}?"] if near else []


def _settings_of_tasks():
    """{setting: names of the tasks that have it} of the files in conf/task, those under `task` left out."""
    found = {}
    for path in sorted((CONF / "task").glob("*.yaml")):
        try:
            values = read_yaml(path, ConfigError)[1]
        except ConfigError:
            continue  # it is told of where it is chosen
        if not isinstance(values, dict) or "task" not in values:
            continue  # its settings are all under task, whatever the task
        groups = [key.strip("/") for one in values.get("defaults") or () if isinstance(one, dict) for key in one]
        values |= dict.fromkeys(groups)
        for name, value in values.items():
            inner = [f"{name}.{key}" for key in value] if isinstance(value, dict) else []
            for one in [name, *inner] if name not in ("task", "defaults") else []:
                found.setdefault(one, []).append(path.stem)
    return found


def _inner_value(text):
    """A line that tells how to set a value that comes with its range and source, or nothing."""
    found = re.match(r"Error merging override ([\w.]+)=(.*)", text[0])
    clash = found and any(line.startswith("Cannot merge DictConfig") for line in text)
    if clash and found[1].startswith("explore.space."):
        write = f"'~{found[1]}' '+{found[1]}={shown(found[2])}'"
        return [f"To put a range in place of a list, or a list for a range, write {write}"]
    return [f"It is a value with its range and source: write {found[1]}.value={shown(found[2])}"] if clash else []


def _settings(schema, prefix=""):
    for field in dataclasses.fields(schema):
        yield prefix + field.name
        if dataclasses.is_dataclass(field.type):
            yield from _settings(field.type, f"{prefix}{field.name}.")
