"""Traces by hand: captured from a workload, read from files, or captured once and kept by what decides them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from accel_model import Trace
from accel_model.errors import TraceError
from accel_model.formats.scalesim_topology import load_topology
from harness.capture import capture_model, chakra
from harness.settings import shipped
from harness.settings.schema import PrecisionConfig, WorkloadConfig
from harness.store.keys import trace_key
from harness.training.step import build_step

EXECUTION_TRACES = (".json", ".json.gz", ".tar.gz", ".et", ".et.gz")
FULL = "fp32"  # the precision whose trace gives those that only resize it


def captured(workload: WorkloadConfig, precision: PrecisionConfig, batch_size: int, strict: bool = False) -> Trace:
    """The Trace of a training step of `workload` at the operands of `precision`; takes no memory and no device.

    strict: raise CaptureError where an op has no formula.
    """
    meta = {"workload": workload.name, "batch_size": batch_size, "precision": precision.name}
    trace = capture_model(lambda: build_step(workload, precision, batch_size), meta=meta, strict=strict)
    runs_natively = precision.autocast or precision.operands == FULL
    return trace if runs_natively else trace.at(precision.operands)


def read_trace(path: str | Path) -> Trace:
    """The Trace in a file: a saved one, a SCALE-Sim topology (.csv) or a PyTorch execution trace (.json, .json.gz).

    Raises TraceError.
    """
    if str(path).lower().endswith(".csv"):
        return load_topology(path)
    return chakra.file.load(path) if is_execution_trace(path) else Trace.load(path)


def read_recording(path: str | Path, step: int | None = None, memory_mb: int | None = None) -> Any:
    """The chakra Recording of one step of a PyTorch execution trace.

    step: which, as the file numbers them; None: the last complete one. memory_mb: what the file may take once read,
    in MB; None: the reader's own limit. Raises TraceError.
    """
    limit = {} if memory_mb is None else {"memory_bytes": memory_mb << 20}
    return chakra.file.recording(path, step, **limit)


def is_execution_trace(path: str | Path) -> bool:
    """Whether a file is a PyTorch execution trace by its name, or a protobuf one, which its reader refuses."""
    return str(path).lower().endswith(EXECUTION_TRACES)


def trace_path(folder: str | Path, workload: WorkloadConfig, precision: PrecisionConfig, batch_size: int) -> Path:
    """Where the trace of a training step lies, or would lie."""
    key = trace_key(workload, precision, batch_size)
    return Path(folder) / f"{workload.name}_b{batch_size}_{precision.name}_{key}.halfstep"


def stored(
    folder: str | Path, workload: WorkloadConfig, precision: PrecisionConfig, batch_size: int, strict: bool = False
) -> Path:
    """The path of the trace of a training step, captured where it is not there yet or cannot be read.

    strict: raise CaptureError where an op has no formula, in a trace that is there too.
    """
    path = trace_path(folder, workload, precision, batch_size)
    try:
        if path.is_file() and not (Trace.load(path).uncounted and strict):
            return path
    except TraceError:
        path.unlink(missing_ok=True)
    if precision.autocast is None and precision.operands != FULL:  # torch runs the same ops, in other sizes
        full = Trace.load(stored(folder, workload, shipped.precision(FULL), batch_size, strict))
        trace = replace(full, meta=full.meta | {"precision": precision.name}).at(precision.operands)
    else:
        trace = captured(workload, precision, batch_size, strict)
    trace.save(path)
    return path
