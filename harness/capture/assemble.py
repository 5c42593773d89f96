"""Rows and storages as the arrays of a Trace."""

from collections.abc import Sequence

import numpy as np

from accel_model.tables import GEOMETRY, Ops, Tensors, Uses, table
from accel_model.trace import Trace
from accel_model.types import PERSISTENT_ROLES, DType, Phase, Role
from harness.capture.storages import Stored
from harness.capture.writer import OpRow

MADE_BY_FORWARD = (Phase.FORWARD, Phase.RECOMPUTE, Phase.DGRAD)


def give_roles(rows: Sequence[OpRow], entries: Sequence[Stored]) -> None:
    """Give every storage that has no role yet the one that its history tells."""
    in_update = {id(use[0]) for row in rows if row.phase is Phase.UPDATE for use in row.uses}
    for entry in entries:
        entry.role = _role(entry, id(entry) in in_update)


def to_trace(
    rows: Sequence[OpRow], entries: Sequence[Stored], layers: Sequence[str], uncounted: dict, meta: dict
) -> Trace:
    """The Trace of recorded rows; storages that no row uses are left out, persistent ones excepted."""
    used = {id(use[0]) for row in rows for use in row.uses}
    kept = [entry for entry in entries if id(entry) in used or entry.role in PERSISTENT_ROLES]
    names = {name: number for number, name in enumerate(dict.fromkeys(row.name for row in rows))}
    return Trace(
        _ops(rows, names), _tensors(kept, len(rows)), _uses(rows, kept), tuple(layers), tuple(names), uncounted, meta
    )


def _role(entry, in_update):
    if entry.role is not None:
        return entry.role
    if entry.of_weight and in_update:
        return Role.GRADIENT
    if entry.existed:
        return {Phase.UPDATE: Role.OPTIMIZER_STATE, Phase.FORWARD: Role.BUFFER}.get(entry.written_in, Role.INPUT)
    return Role.ACTIVATION if entry.written_in in MADE_BY_FORWARD and not entry.of_weight else Role.TEMPORARY


def _ops(rows, names):
    count = len(rows)
    gemm = np.array([row.gemm for row in rows], dtype=np.int64).reshape(count, 4).T
    columns = {
        "layer": [row.layer for row in rows],
        "name": [names[row.name] for row in rows],
        "phase": [row.phase for row in rows],
        "kind": [row.kind for row in rows],
        "call": [row.call for row in rows],
        "vector_ops": [row.vector_ops for row in rows],
        "dtype": [DType.UINT8 if row.dtype is None else row.dtype for row in rows],
    }
    columns = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    return table(Ops, count, groups=gemm[0], m=gemm[1], n=gemm[2], k=gemm[3], **columns, **_geometry(rows))


def _geometry(rows):
    count = len(rows)
    columns = {name: np.zeros(count, np.int64) for name in ("batch", "in_channels", "out_channels", "transposed")}
    columns |= {name: np.zeros((3, count), np.int64) for name in GEOMETRY}
    for i, row in enumerate(rows):
        if row.geometry is None:
            continue
        for name, column in columns.items():
            value = getattr(row.geometry, name)
            if column.ndim == 1:
                column[i] = value
            else:
                column[3 - len(value) :, i] = value
    return columns


def _tensors(entries, count):
    columns = {
        "elements": [entry.elements for entry in entries],
        "dtype": [entry.dtype for entry in entries],
        "bytes": [entry.bytes for entry in entries],
        "role": [entry.role for entry in entries],
        "born": [entry.born for entry in entries],
        "freed": [count if entry.freed is None else entry.freed for entry in entries],
    }
    return table(Tensors, len(entries), **{name: np.array(v, dtype=np.int64) for name, v in columns.items()})


def _uses(rows, entries):
    index = {id(entry): number for number, entry in enumerate(entries)}
    found = [
        (op, index[id(entry)], write, size, operand)
        for op, row in enumerate(rows)
        for entry, write, size, operand in row.uses
    ]
    found = np.array(found, dtype=np.int64).reshape(len(found), 5).T
    names = ("op", "tensor", "write", "bytes", "operand")
    return table(Uses, found.shape[1], **dict(zip(names, found, strict=True)))
