"""What a trace, a table of designs or this model consists of, as bytes, by which results are kept and found again."""

from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import numpy as np


def of_arrays(arrays):
    """Yield the bytes of a mapping of names to numpy arrays: each name with its dtype and shape, then its values."""
    for name, values in arrays.items():
        values = np.ascontiguousarray(values)
        yield f"{name} {values.dtype} {values.shape}".encode()
        yield values.tobytes()


def of_table(table):
    """Yield the bytes of a dataclass of arrays, such as a Design."""
    yield from of_arrays({f.name: getattr(table, f.name) for f in fields(table)})


def of_trace(trace):
    """Yield the bytes of the three tables of a Trace; its names and metadata decide no time."""
    for table in (trace.ops, trace.tensors, trace.uses):
        yield from of_table(table)


@lru_cache(maxsize=1)
def of_model():
    """The bytes of this package's source: another model gives other results."""
    return b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
