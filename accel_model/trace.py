"""Trace: what one training step does, op by op, knowing nothing of any device."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from accel_model.errors import TraceError
from accel_model.formats import trace_file
from accel_model.formats.listing import ROWS, counted, listing
from accel_model.tables import GEOMETRY, LARGEST_EXACT, LARGEST_SUM, Ops, Tensors, Uses, check_kind, first_row, table
from accel_model.types import (
    DTYPE_BYTES,
    PERSISTENT_ROLES,
    PRECISIONS,
    WITHOUT_RATE,
    DType,
    Kind,
    Operand,
    Phase,
    Role,
    dtype_of,
)


@dataclass(frozen=True, eq=False)
class Trace:
    """What one training step does in the steady state: one period of a loop in which parameters carry over.

    ops, tensors, uses: the three tables. layers: module paths ("" is the model itself). names: what the framework calls
    each op. uncounted: ops that have no formula, as {name: (count, bytes)}. meta: JSON values (model, batch, precision,
    versions). Raises TraceError where the tables contradict each other.
    """

    ops: Ops
    tensors: Tensors
    uses: Uses
    layers: tuple[str, ...] = ("",)
    names: tuple[str, ...] = ("",)
    uncounted: dict = field(default_factory=dict)
    meta: dict = field(default_factory=dict)

    def __post_init__(self):
        check(self)

    def __len__(self) -> int:
        return len(self.ops.m)

    def __repr__(self):
        return f"Trace({len(self)} ops, {len(self.tensors.bytes)} tensors, {int(self.ops.macs.sum())} MACs)"

    def __str__(self):
        ops, macs = self.ops, self.ops.macs
        rows = [
            (
                row,
                self.layers[ops.layer[row]] or self.names[ops.name[row]] or "-",
                Phase(ops.phase[row]).name.lower(),
                Kind(ops.kind[row]).name.lower(),
                DType(ops.dtype[row]).name.lower(),
                *(int(getattr(ops, name)[row]) for name in ("groups", "m", "n", "k")),
                float(macs[row] / 1e6),
                int(ops.vector_ops[row]),
            )
            for row in range(min(len(self), ROWS))
        ]
        head = ("op", "layer", "phase", "kind", "format", "groups", "M", "N", "K", "MMAC", "vector ops")
        size = f"{macs.sum() / 1e9:.4g} GMAC, {counted(len(self.tensors.bytes), 'tensor')}"
        return listing(f"Trace of {counted(len(self), 'op')}, {size}", head, rows, len(self))

    @classmethod
    def from_gemms(
        cls,
        m: ArrayLike,
        n: ArrayLike,
        k: ArrayLike,
        groups: ArrayLike = 1,
        dtype: str | Sequence[str] = "bf16",
        phase: Phase = Phase.FORWARD,
    ) -> Self:
        """A trace of bare GEMMs C[M,N] = A[M,K] B[K,N], each with tensors of its own.

        m, n, k, groups: int or int (ops,), sizes in elements, above 0. dtype: a name of PRECISIONS or (ops,) of them.
        Raises TraceError for sizes that are not whole numbers above 0 or whose MACs pass 2^53.
        """
        groups, m, n, k = _sizes(groups, m, n, k)
        count = len(m)
        formats = _formats(dtype, count)
        check_products(groups, m, n, k)
        ops = table(
            Ops,
            count,
            groups=groups,
            m=m,
            n=n,
            k=k,
            dtype=formats,
            call=np.arange(count),
            phase=int(phase),
            kind=Kind.GEMM,
        )
        elements = np.stack([groups * m * k, groups * k * n, groups * m * n], axis=1).reshape(-1)
        of_op = np.repeat(np.arange(count), 3)
        size = elements * DTYPE_BYTES[formats[of_op]]
        tensors = table(
            Tensors,
            3 * count,
            elements=elements,
            bytes=size,
            dtype=formats[of_op],
            role=Role.ACTIVATION,
            born=of_op,
            freed=of_op + 1,
        )
        operands = np.tile([Operand.A, Operand.B, Operand.C], count)
        uses = table(
            Uses,
            3 * count,
            op=of_op,
            tensor=np.arange(3 * count),
            write=operands == Operand.C,
            bytes=size,
            operand=operands,
        )
        return cls(ops, tensors, uses, meta={"source": "from_gemms"})

    @classmethod
    def load(cls, path: str | PathLike, limit_bytes: int | None = None) -> Self:
        """The trace in the file at `path`.

        limit_bytes: that the file may take unpacked, refused before it does; None stands for the environment variable
        HALFSTEP_TRACE_BYTES, or else for accel_model.formats.trace_file.LARGEST_BYTES. Raises TraceError where the file
        is missing, damaged, larger than that or of another schema.
        """
        return trace_file.load(path, cls, limit_bytes)

    def save(self, path: str | PathLike) -> None:
        """Write the trace to one file at `path`, atomically; raises TraceError where it cannot be written."""
        trace_file.save(self, path)

    def macs_by_phase(self) -> dict[str, int]:
        """MACs of each phase as {phase name: int}, phases in the order of `Phase`."""
        sums = np.bincount(self.ops.phase, weights=None, minlength=len(Phase)) * 0
        np.add.at(sums, self.ops.phase, self.ops.macs)
        return {phase.name.lower(): int(sums[phase]) for phase in Phase}

    def live_bytes(self) -> np.ndarray:
        """int64 (ops,), bytes of the tensors alive at each op; its maximum is the step's peak memory."""
        change = np.zeros(len(self) + 1, dtype=np.int64)
        np.add.at(change, self.tensors.born, self.tensors.bytes)
        np.add.at(change, self.tensors.freed, -self.tensors.bytes)
        return np.cumsum(change)[: len(self)]

    def at(self, precision: str) -> Self:
        """This trace with its MAC operands and floating-point activations stored in `precision`.

        Parameters, optimiser state, buffers and whole-number tensors keep their size: master weights stay as they are.
        Returns a Trace; raises TraceError for a name that is not in PRECISIONS.
        """
        if precision not in PRECISIONS:
            raise TraceError(f"precision {precision!r} is unknown: use one of {', '.join(PRECISIONS)}")
        target = dtype_of(precision)
        floating = np.isin(self.tensors.dtype, [DType.FP64, *map(dtype_of, PRECISIONS)])
        resized = floating & ~np.isin(self.tensors.role, (*PERSISTENT_ROLES, Role.GRADIENT))
        old = DTYPE_BYTES[self.tensors.dtype]
        dtype = np.where(resized, target, self.tensors.dtype)
        new = DTYPE_BYTES[dtype]
        mac_rows = self.ops.kind <= Kind.ATTENTION
        ops = replace(self.ops, dtype=np.where(mac_rows, target, self.ops.dtype).astype(np.int8))
        tensors = replace(self.tensors, dtype=dtype.astype(np.int8), bytes=self.tensors.bytes // old * new)
        uses = replace(self.uses, bytes=self.uses.bytes // old[self.uses.tensor] * new[self.uses.tensor])
        return replace(self, ops=ops, tensors=tensors, uses=uses, meta=self.meta | {"replayed_at": precision})


def _sizes(groups, m, n, k):
    """Four int64 (ops,) of sizes, or one each; raises TraceError where one is no whole number above 0."""
    sizes = [np.asarray(x) for x in (groups, m, n, k)]
    for name, size in zip(("groups", "m", "n", "k"), sizes, strict=True):
        check_kind(name, size, np.dtype(np.int64))
        if size.size and (size.min() <= 0 or size.max() > LARGEST_EXACT):
            row, value = first_row(size, (size <= 0) | (size > LARGEST_EXACT))
            raise TraceError(f"{name} holds {value} in row {row}: a GEMM needs sizes above 0 and up to 2^53")
    try:
        return np.broadcast_arrays(*(np.atleast_1d(size).astype(np.int64) for size in sizes))
    except ValueError:
        raise TraceError(
            f"groups, m, n and k have {[s.size for s in sizes]} values: give one each, or one for all"
        ) from None


def _formats(dtype, count):
    """int64 (count,), the DType of each GEMM; raises TraceError for a name that is none, or too many of them."""
    try:
        return np.broadcast_to([dtype_of(d) for d in np.atleast_1d(dtype)], (count,)).astype(np.int64)
    except KeyError as error:
        raise TraceError(f"dtype {error} is unknown: use one of {', '.join(PRECISIONS)}") from None
    except AttributeError:
        raise TraceError(f"dtype holds values that are no texts: use one of {', '.join(PRECISIONS)}") from None
    except ValueError:
        raise TraceError(
            f"dtype has {np.size(dtype)} values for {count} GEMMs: give one each, or one for all"
        ) from None


def check_products(groups: np.ndarray, m: np.ndarray, n: np.ndarray, k: np.ndarray) -> None:
    """Raise TraceError where groups*m*n*k of any row passes 2^53, found without overflowing int64."""
    product = groups.astype(np.float64) * m * n * k
    if product.size and product.max() > LARGEST_EXACT:
        row = int(product.argmax())
        raise TraceError(
            f"op {row} does {product[row]:.3g} MACs: counts are exact up to 2^53, so split it into smaller ops"
        )


def check_rates(trace: Trace) -> None:
    """Raise TraceError where MACs are of a format that no design states a rate for, and fp32's would be wrong."""
    without = (trace.ops.m > 0) & np.isin(trace.ops.dtype, WITHOUT_RATE)
    if not without.any():
        return
    row, macs = int(without.argmax()), trace.ops.macs[without].sum()
    where = trace.layers[trace.ops.layer[row]] or trace.names[trace.ops.name[row]]
    what = DType(trace.ops.dtype[row])
    remedy = (
        "build the model in float32 (model.float(), no torch.set_default_dtype(torch.float64)), or ask what another "
        "format would take with trace.at('fp32')"
        if what is DType.FP64
        else "capture the step again: a complex product counts as four real ones, (m, 2 n, 2 k)"
    )
    raise TraceError(
        f"{macs:.4g} MACs of the trace are {what.name.lower()}, the first in op {row}{f' ({where})' if where else ''}: "
        f"no accelerator states a rate for them, so {remedy}"
    )


def check(trace: Trace) -> None:
    """Raise TraceError where the tables of `trace` contradict each other, or hold what is no count."""
    for rows in (trace.ops, trace.tensors, trace.uses):
        _check_columns(rows)
    ops, tensors, uses, count = trace.ops, trace.tensors, trace.uses, len(trace)
    bounds = [
        ("ops.layer", ops.layer, 0, len(trace.layers)),
        ("ops.name", ops.name, 0, len(trace.names)),
        ("ops.phase", ops.phase, 0, len(Phase)),
        ("ops.kind", ops.kind, 0, len(Kind)),
        ("ops.dtype", ops.dtype, 0, len(DType)),
        ("tensors.dtype", tensors.dtype, 0, len(DType)),
        ("tensors.role", tensors.role, 0, len(Role)),
        ("tensors.born", tensors.born, 0, max(count, 1)),
        ("tensors.freed", tensors.freed, 0, count + 1),
        ("uses.op", uses.op, 0, count),
        ("uses.tensor", uses.tensor, 0, len(tensors.bytes)),
        ("uses.operand", uses.operand, 0, len(Operand)),
    ]
    sizes = ("call", "groups", "m", "n", "k", "batch", "in_channels", "out_channels", "vector_ops", *GEOMETRY)
    bounds += [(f"ops.{name}", getattr(ops, name), 0, LARGEST_EXACT) for name in sizes]
    bounds += [(f"tensors.{name}", getattr(tensors, name), 0, LARGEST_EXACT) for name in ("elements", "bytes")]
    bounds += [("uses.bytes", uses.bytes, 0, LARGEST_EXACT)]
    for name, values, low, high in bounds:
        if values.size and (values.min() < low or values.max() >= high):
            row, bad = first_row(values, (values < low) | (values >= high))
            raise TraceError(f"{name} holds {bad} in row {row}: values must be at least {low} and below {high}")
    check_products(ops.groups, ops.m, ops.n, ops.k)
    _check_sums(trace)
    _check_geometry(ops)
    sides = np.stack([ops.groups, ops.m, ops.n, ops.k])
    _refuse_rows(
        (sides == 0).any(axis=0) & (sides > 0).any(axis=0),
        "ops.m: an op has some of groups, m, n, k at 0: give all four above 0 for MACs, or all 0 for none",
    )
    _refuse_rows(
        tensors.freed < tensors.born,
        "tensors.freed: a tensor is freed before it is born: tensors.freed must be at least tensors.born",
    )
    _refuse_rows(np.diff(uses.op, prepend=0) < 0, "uses.op: uses are not ordered by op: sort them")
    _refuse_rows(
        uses.bytes > tensors.bytes[uses.tensor],
        "uses.bytes: a use touches more bytes than its tensor has: uses.bytes must be at most tensors.bytes",
    )


def _refuse_rows(wrong, text):
    if wrong.any():
        raise TraceError(f"{text} (row {int(wrong.argmax())})")


def _check_columns(rows):
    """Raise TraceError unless all columns of a table are arrays of its kinds and of one length."""
    table_name, length = type(rows).__name__.lower(), None
    for f in fields(rows):
        values, where = getattr(rows, f.name), f"{table_name}.{f.name}"
        if not isinstance(values, np.ndarray):
            raise TraceError(f"{where} is a {type(values).__name__}: give a numpy array")
        length = values.shape[-1] if length is None and values.ndim else length
        shape = (length,) if f.metadata["rank"] == 1 else (3, length)
        if values.shape != shape:
            raise TraceError(f"{where} has shape {values.shape}: give {shape}")
        check_kind(where, values, f.metadata["dtype"])
        if values.dtype.kind == "u":
            raise TraceError(f"{where} holds {values.dtype}: give signed whole numbers")


def _check_sums(trace):
    """Raise TraceError where a count would overflow int64 in its sum over all rows."""
    ops = trace.ops
    sums = {
        "MACs of its ops": ops.groups.astype(np.float64) * ops.m * ops.n * ops.k,
        "vector operations of its ops": ops.vector_ops,
        "bytes of its tensors": trace.tensors.bytes,
        "bytes of its uses": trace.uses.bytes,
    }
    for what, values in sums.items():
        if (total := float(values.sum(dtype=np.float64))) >= LARGEST_SUM:
            raise TraceError(f"the {what} are {total:.3g} in sum: a trace holds up to 2^62, so split it")


def _check_geometry(ops):
    """Raise TraceError where the pixels of an image, or the reach of a filter, pass 2^53, found without overflow."""
    sizes = {name: np.maximum(getattr(ops, name).astype(np.float64), 1) for name in GEOMETRY}
    batch, channels = np.maximum(ops.batch, 1).astype(np.float64), np.maximum(ops.in_channels, 1)
    products = {
        "input_size": sizes["input_size"].prod(axis=0) * channels * batch,
        "output_size": sizes["output_size"].prod(axis=0) * np.maximum(ops.out_channels, 1) * batch,
        "filter_size": sizes["filter_size"].prod(axis=0) * channels,
        "dilation": (sizes["filter_size"] * sizes["dilation"]).max(axis=0),
        "stride": (np.maximum(sizes["output_size"], sizes["input_size"]) * sizes["stride"]).max(axis=0),
    }
    for name, values in products.items():
        if values.size and values.max() > LARGEST_EXACT:
            row = int(values.argmax())
            raise TraceError(f"ops.{name} in row {row} gives {values[row]:.3g} elements: counts are exact up to 2^53")
