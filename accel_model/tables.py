"""The three tables of a trace, their columns and dtypes, and how one is made of plain columns."""

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from accel_model.errors import TraceError

SCHEMA_VERSION = 1
LARGEST_EXACT = 2**53  # beyond this an int64 count no longer survives a float64

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
    arrays = {}
    for name, f in known.items():
        dtype, rank = f.metadata["dtype"], f.metadata["rank"]
        shape = (length,) if rank == 1 else (3, length)
        given = np.asarray(columns.get(name, 0))
        if given.dtype.kind not in "biu" and given.size:
            raise TraceError(f"{kind.__name__.lower()}.{name} holds {given.dtype}: give whole numbers")
        if given.ndim and given.shape != shape:
            raise TraceError(f"{kind.__name__.lower()}.{name} has shape {given.shape}: give {shape}")
        if (
            given.size
            and dtype.kind == "i"
            and (given.max() > np.iinfo(dtype).max or given.min() < np.iinfo(dtype).min)
        ):
            raise TraceError(f"{kind.__name__.lower()}.{name} holds a value that does not fit {dtype}")
        arrays[name] = np.array(np.broadcast_to(given.astype(dtype), shape))
    return kind(**arrays)
