"""The three tables of a trace, their columns and dtypes, and how one is made of plain columns."""

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from accel_model.errors import TraceError
from accel_model.formats.shown import quoted

SCHEMA_VERSION = 1
LARGEST_EXACT = 2**53  # beyond this an int64 count no longer survives a float64
LARGEST_SUM = 2**62  # of a count over all rows of a table: half of what an int64 holds

T = TypeVar("T")  # Ops, Tensors or Uses
GEOMETRY = ("input_size", "filter_size", "output_size", "stride", "padding", "dilation")
"""Columns of `Ops` with shape (3, ops): up to three spatial axes, the last axis of the image last, 0 where unused."""


def column(dtype: np.dtype | type, rank: int = 1) -> Any:
    """A dataclass field that holds an array of `dtype` with the ops (or tensors, uses) on its last axis."""
    return field(metadata={"dtype": np.dtype(dtype), "rank": rank})


@dataclass(frozen=True, eq=False)
class Ops:
    """One row per GEMM or vector operation, in program order; every column has shape (ops,) or (3, ops).

    For a GEMM row `groups * m * n * k` MACs are done; m = n = k = groups = 0 where there are none. Convolution rows
    keep the geometry of the forward convolution in every phase; geometry columns are 0 elsewhere.
    """

    layer: np.ndarray = column(np.int32)  # index into Trace.layers
    name: np.ndarray = column(np.int32)  # index into Trace.names: what the framework calls the op
    phase: np.ndarray = column(np.int8)  # Phase
    kind: np.ndarray = column(np.int8)  # Kind
    call: np.ndarray = column(np.int32)  # rows of one framework call share it
    groups: np.ndarray = column(np.int64)  # independent GEMMs
    m: np.ndarray = column(np.int64)  # rows of A and C, per group
    n: np.ndarray = column(np.int64)  # columns of B and C, per group
    k: np.ndarray = column(np.int64)  # contraction, per group
    batch: np.ndarray = column(np.int64)  # samples of a convolution
    in_channels: np.ndarray = column(np.int64)  # of the whole convolution, all groups
    out_channels: np.ndarray = column(np.int64)  # of the whole convolution, all groups
    input_size: np.ndarray = column(np.int64, 2)  # pixels, of the module's own input
    filter_size: np.ndarray = column(np.int64, 2)  # pixels
    output_size: np.ndarray = column(np.int64, 2)  # pixels, of the module's own output
    stride: np.ndarray = column(np.int64, 2)
    padding: np.ndarray = column(np.int64, 2)
    dilation: np.ndarray = column(np.int64, 2)
    transposed: np.ndarray = column(np.bool_)
    vector_ops: np.ndarray = column(np.int64)  # elementary operations outside the MAC array
    dtype: np.ndarray = column(np.int8)  # DType of the operands

    @property
    def macs(self) -> np.ndarray:
        """int64 (ops,), multiply-accumulates of each row."""
        return self.groups * self.m * self.n * self.k


@dataclass(frozen=True, eq=False)
class Tensors:
    """One row per distinct storage; every column has shape (tensors,)."""

    elements: np.ndarray = column(np.int64)
    dtype: np.ndarray = column(np.int8)  # DType
    bytes: np.ndarray = column(np.int64)
    role: np.ndarray = column(np.int8)  # Role
    born: np.ndarray = column(np.int64)  # first op that sees it; 0 where it was there before the step
    freed: np.ndarray = column(np.int64)  # first op after which it is gone; len(ops) where it outlives the step


@dataclass(frozen=True, eq=False)
class Uses:
    """One row per (op, tensor, read or write), ordered by op; every column has shape (uses,)."""

    op: np.ndarray = column(np.int64)  # row of ops
    tensor: np.ndarray = column(np.int64)  # row of tensors
    write: np.ndarray = column(np.bool_)
    bytes: np.ndarray = column(np.int64)  # distinct elements touched x element size, at most the storage
    operand: np.ndarray = column(np.int8)  # Operand


def table(kind: type[T], length: int, /, **columns: Any) -> T:
    """A table of `kind` (Ops, Tensors or Uses) with `length` rows; columns that are not named are zero.

    A scalar fills its column. Raises TraceError where a column does not have `length` rows or is not of its dtype.
    """
    known = {f.name: f for f in fields(kind)}
    if unknown := set(columns) - set(known):
        raise TraceError(f"{kind.__name__.lower()} has no column {sorted(unknown)}: it has {sorted(known)}")
    return kind(**{name: filled(kind, name, columns.get(name, 0), length) for name in known})


def filled(kind: type, name: str, given: Any, length: int) -> np.ndarray:
    """The column `name` of a table of `kind` with `length` rows: an array of the column's dtype with what is `given`.

    A scalar fills it. Raises TraceError, with table, column and row, for other lengths and for values that are not of
    the column's kind or do not fit it.
    """
    metadata = next(f.metadata for f in fields(kind) if f.name == name)
    dtype, where = metadata["dtype"], f"{kind.__name__.lower()}.{name}"
    shape = (length,) if metadata["rank"] == 1 else (3, length)
    given = np.asarray(given)
    if given.ndim and given.shape != shape:
        raise TraceError(f"{where} has shape {given.shape}: give {shape}")
    check_kind(where, given, dtype)
    if given.size and dtype.kind == "i":
        limits = np.iinfo(dtype)
        if given.max() > limits.max or given.min() < limits.min:
            row, value = first_row(given, (given > limits.max) | (given < limits.min))
            raise TraceError(f"{where} holds {value} in row {row}: a value that does not fit {dtype}")
    return np.array(np.broadcast_to(given.astype(dtype, copy=False), shape))


def check_kind(where: str, values: np.ndarray, dtype: np.dtype) -> None:
    """Raise TraceError unless `values` are of the kind of `dtype`: whole numbers, or true and false (0 and 1 as well).

    where: table and column.
    """
    if dtype.kind == "b" and values.dtype.kind in "iu" and values.size:
        if (wrong := (values < 0) | (values > 1)).any():
            row, value = first_row(values, wrong)
            raise TraceError(f"{where} holds {value} in row {row}: give true or false")
    elif values.size and values.dtype.kind not in {"b": "b", "i": "iu"}[dtype.kind]:
        row, value = _first_odd(values)
        wanted = "true or false" if dtype.kind == "b" else "whole numbers"
        raise TraceError(f"{where} holds {values.dtype}, {quoted(value)} in row {row}: give {wanted}")


def first_row(values: np.ndarray, wrong: np.ndarray) -> tuple[int, Any]:
    """(row, value) of the first of `values` that is `wrong`, bool of the same shape; rows are on the last axis."""
    place = tuple(np.argwhere(wrong)[0]) if values.ndim else ()
    value = values[place]
    return (int(place[-1]) if place else 0), value.item() if isinstance(value, np.generic | np.ndarray) else value


def _first_odd(values):
    """(row, value) of the first value that is no finite whole number, or of the first one where that cannot be told."""
    odd = np.zeros(values.shape, dtype=bool)
    if values.dtype.kind == "f":
        odd = ~np.isfinite(values) | (values != np.floor(values))
    elif values.dtype.kind == "O":
        odd = np.frompyfunc(lambda one: not isinstance(one, int) or abs(one) > LARGEST_EXACT, 1, 1)(values).astype(bool)
    return first_row(values, odd if odd.any() else np.ones(values.shape, dtype=bool))
