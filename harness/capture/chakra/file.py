"""Import of PyTorch's execution traces (Chakra, schema 1.1.x), as torch.profiler.ExecutionTraceObserver writes them.

A file holds every framework call with nested ones, shapes and storage numbers, but not when storages die, which module
ran, or which tensors are parameters. Parameters are what an optimiser changes or an op takes as its weight; a storage
dies after its last use. Recomputed forward work is not told from the backward pass. Of several steps one is taken.
"""

from pathlib import Path

from accel_model import Trace
from accel_model.errors import TraceError
from harness.capture.chakra.document import (
    LARGEST_MEMORY,
    PER_FILE,
    ExecutionTraceError,
    printable,
    read,
    reason,
    shown,
)
from harness.capture.chakra.nodes import Recording, parsed
from harness.capture.chakra.steps import chosen
from harness.capture.chakra.walk import Walk

SCHEMA = "1.1."
LARGEST_FILE = LARGEST_MEMORY // PER_FILE  # bytes, unpacked


def load(path: str | Path, step: int | None = None, memory_bytes: int = LARGEST_MEMORY) -> Trace:
    """The Trace of one training step in an execution trace file, plain or packed by gzip; executes nothing of it.

    step, memory_bytes: as in `recording`. Raises ExecutionTraceError where the file is missing, too large, of another
    schema, damaged, or holds no framework call.
    """
    return recording(path, step, memory_bytes).trace


def recording(path: str | Path, step: int | None = None, memory_bytes: int = LARGEST_MEMORY) -> Recording:
    """The Recording of one training step in an execution trace file.

    step: N of ProfilerStep#N, or which optimiser's step, counted from 0, where the file has no such marks; None: the
    last complete one. memory_bytes: what the file may take once read. Raises ExecutionTraceError as `load` does.
    """
    document = read(path, memory_bytes)
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, str) or not schema.startswith(SCHEMA):
        raise ExecutionTraceError(
            f"{path} is of schema {shown(schema)}, this version reads {SCHEMA}x: record it with "
            "torch.profiler.ExecutionTraceObserver of torch 2.5 or newer"
        )
    calls = parsed(path, document.get("nodes"))
    taken, count = chosen(path, calls, step)
    calls = [call for call in calls if taken.first <= call.number < taken.beyond and not call.on_device]
    meta = {
        "source": "chakra",
        "schema": schema[:40],
        "file": Path(path).name,
        "step": printable(taken.name),
        "steps": count,
    }
    try:
        roles = Walk(path, {}).over(calls).roles()
        walk = Walk(path, roles).over(calls)
        trace = walk.trace(meta)
    except ExecutionTraceError:
        raise
    except (TraceError, OverflowError, RecursionError) as error:
        raise ExecutionTraceError(f"{path} makes no valid trace: {reason(error)}") from None
    limits = taken.first, taken.beyond
    return Recording(trace, tuple(walk.calls), frozenset(walk.inside), document, limits)
