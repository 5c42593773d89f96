"""What a trace, a table of designs or this model consists of, as bytes, by which results are kept and found again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from accel_model.trace import Trace


def of_arrays(arrays: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """Yield the bytes of a mapping of names to numpy arrays: each name with its dtype and shape, then its values."""
    for name, values in arrays.items():
        values = np.ascontiguousarray(values)
        yield f"{name} {values.dtype} {values.shape}".encode()
        yield values.tobytes()


def of_table(table: Any) -> Iterator[bytes]:
    """Yield the bytes of a dataclass of arrays, such as a Design."""
    yield from of_arrays({f.name: getattr(table, f.name) for f in fields(table)})


def of_trace(trace: Trace) -> Iterator[bytes]:
    """Yield the bytes of the three tables of a Trace; its names and metadata decide no time."""
    for table in (trace.ops, trace.tensors, trace.uses):
        yield from of_table(table)


@lru_cache(maxsize=1)
def of_model() -> bytes:
    """The bytes of this package's source and tables, each file with its place: another model gives other results."""
    home = Path(__file__).parents[1]
    files = sorted(path for path in home.rglob("*") if path.suffix in (".py", ".csv"))
    return b"".join(f"{path.relative_to(home).as_posix()}\n".encode() + path.read_bytes() for path in files)
