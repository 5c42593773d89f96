"""Traces that are captured once and kept in a folder, by the model, its batch and the code that captures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from accel_model import Trace
from accel_model.errors import TraceError
from harness.settings import shipped

HERE = Path(__file__).resolve().parent
CODE = ("capture", "models.py", "step.py")  # of this package: another code may capture another trace
LIBRARIES = ("torch", "torchvision")
FULL = "fp32"  # the precision whose trace gives those that only resize it


def trace_path(folder, workload, precision, batch_size):
    """Where the trace of a training step lies, or would lie. workload: WorkloadConfig. precision: PrecisionConfig."""
    values = [asdict(workload), asdict(precision), batch_size, _code(), [_version(name) for name in LIBRARIES]]
    text = json.dumps(values, sort_keys=True, default=lambda value: value.value)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Path(folder) / f"{workload.name}_b{batch_size}_{precision.name}_{digest}.halfstep"


def stored(folder, workload, precision, batch_size, strict=False):
    """The path of the trace of a training step, captured where it is not there yet or cannot be read."""
    path = trace_path(folder, workload, precision, batch_size)
    try:
        if path.is_file():
            Trace.load(path)
            return path
    except TraceError:
        path.unlink(missing_ok=True)
    if precision.autocast is None and precision.operands != FULL:  # torch runs the same ops, in other sizes
        full = Trace.load(stored(folder, workload, shipped.precision(FULL), batch_size, strict))
        trace = replace(full, meta=full.meta | {"precision": precision.name}).at(precision.operands)
    else:
        from harness.flows.run import captured

        trace = captured(workload, precision, batch_size, strict)
    trace.save(path)
    return path


@lru_cache(maxsize=1)
def _code():
    digest = hashlib.sha256()
    for name in CODE:
        place = HERE / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
