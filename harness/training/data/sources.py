"""A data source is one file of this folder, found by its name, with its settings in conf/data.

Such a file has KIND and ADVICE; SCHEMA, a dataclass with `name`, `workers` and no defaults, since conf/data/NAME.yaml
states every value; and `load(settings, workload, batch_size, seed)`, which returns Samples. It
imports torch in functions only, so that its settings are known without it.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from harness.settings.errors import ConfigError, DataError
from harness.training.data import samples
from harness.training.step import is_text
from harness.training.target import imported

if TYPE_CHECKING:
    from harness.settings.schema import WorkloadConfig

HERE = Path(__file__).resolve().parent
SHARED = ("loading", "samples", "sources")  # the files here that are no source
SETTINGS = ("name", "workers")  # that every source has


def names() -> list[str]:
    """Names of the data sources, sorted."""
    return sorted(path.stem for path in HERE.glob("[!_]*.py") if path.stem not in SHARED)


def source(name: str) -> ModuleType:
    """The file of the data source called `name`; raises ConfigError where there is none or it lacks something."""
    place = f"harness/training/data/{name}.py"
    if name not in names():
        raise ConfigError(f"there is no data source {name!r}: use one of {', '.join(names())}, or add {place}")
    found = imported(f"{__package__}.{name}", f"data={name}", ConfigError)
    if getattr(found, "KIND", None) not in (samples.IMAGES, samples.TEXT, samples.EITHER):
        raise ConfigError(f"{place} does not say what its samples are: give KIND = IMAGES, TEXT or EITHER, of samples")
    if not isinstance(getattr(found, "ADVICE", None), str):
        raise ConfigError(f"{place} does not say what to do where its data cannot be read: give a text ADVICE")
    if not callable(getattr(found, "load", None)):
        raise ConfigError(f"{place} has no load: give a function load(settings, workload, batch_size, seed)")
    _schema(found, place)
    return found


def schema_of(name: str) -> type:
    """The dataclass of the settings of the data source called `name`; raises ConfigError as `source` does."""
    return _schema(source(name), f"harness/training/data/{name}.py")


def load(settings: samples.DataSettings, workload: WorkloadConfig, batch_size: int, seed: int) -> samples.Samples:
    """The Samples of the data source that `settings` names, in the input shape of `workload`.

    Raises DataError where they are missing, damaged or do not suit the workload.
    """
    name = settings.name
    of_source = source(name)
    wanted = samples.TEXT if is_text(workload) else samples.IMAGES
    if of_source.KIND not in (wanted, samples.EITHER):
        example = "python_source" if is_text(workload) else "synthetic"
        raise DataError(f"data={name} does not suit workload={workload.name}: choose {wanted}, e.g. data={example}")
    try:
        found = of_source.load(settings, workload, batch_size, seed)
    except (OSError, RuntimeError, ValueError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        root = getattr(settings, "root", None)
        place = f" from {root}" if root else ""
        raise DataError(f"cannot read data={name}{place} ({detail}): {of_source.ADVICE}") from None
    size = len(found.train)
    if size < batch_size:
        raise DataError(f"data={found.name} has {size} training samples: give a batch_size of at most {size}")
    for part in (found.train, found.held_out):
        _check_targets(part, name, workload)
        _check_first(part, name, workload)
    return found


def _check_targets(dataset, name, workload):
    """Raise DataError where a data set that tells its targets has one that the workload has no class for."""
    targets = getattr(dataset, "targets", None)  # of torchvision's data sets
    if targets is None:
        targets = (getattr(dataset, "tensors", None) or (None,))[-1]
    if targets is None or not len(targets):
        return
    import torch

    targets = torch.as_tensor(targets)
    least, most = int(targets.min()), int(targets.max())
    if least < 0 or most >= workload.classes:
        raise DataError(
            f"data={name} has targets from {least} to {most} and workload.classes is {workload.classes}, which takes "
            f"0 to {workload.classes - 1}: give workload.classes={max(most, 0) + 1}, or other data"
        )


def _check_first(dataset, name, workload):
    """Raise DataError where the first sample is not of the workload's input shape."""
    import torch

    if not len(dataset):
        return
    with torch.random.fork_rng(devices=[]):  # a random crop leaves the caller's numbers as they were
        inputs = dataset[0][0]
    shape = getattr(inputs, "shape", None)
    if shape is None or tuple(shape) != tuple(workload.input_shape):
        found = f"a {type(inputs).__name__}" if shape is None else "x".join(map(str, shape))
        raise DataError(
            f"data={name} gives samples of {found} and workload.input_shape is {list(workload.input_shape)}: give the "
            f"shape of the data as workload.input_shape, or other data"
        )


def _schema(found, place):
    """The SCHEMA of a source's file; raises ConfigError where it is no proper dataclass."""
    schema = getattr(found, "SCHEMA", None)
    if not (isinstance(schema, type) and is_dataclass(schema)):
        raise ConfigError(f"{place} has no SCHEMA: give SCHEMA = a dataclass of its settings")
    if missing := [name for name in SETTINGS if name not in {field.name for field in fields(schema)}]:
        raise ConfigError(f"{place}: {schema.__name__} lacks {missing[0]}, which every data source has: add it")
    return schema
