"""Energy per operation and per byte by process node, from published tables, and what the energy of a step goes to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from accel_model.formats.reading import read_table
from accel_model.types import DTYPE_BYTES, PRECISION_OF, PRECISIONS

if TYPE_CHECKING:
    from accel_model.design import Design
    from accel_model.report import Report
    from accel_model.trace import Trace

MULTIPLY_ADD = {
    "fp32": (("fp multiply", 32), ("fp add", 32)),
    "tf32": (("fp multiply", 16), ("fp add", 32)),  # an 11-bit significand, as fp16; no table has tf32
    "bf16": (("bfloat16 multiply", 16), ("fp add", 32)),
    "fp16": (("fp multiply", 16), ("fp add", 32)),
    "fp8": (("int multiply", 8), ("fp add", 16)),  # no table has fp8: an 8-bit multiplier is the nearest
    "int8": (("int multiply", 8), ("int add", 32)),
}
"""What a MAC of each precision is made of; floating-point sums are kept in fp32."""

FALLBACK = {"bfloat16 multiply": "fp multiply"}  # the 45 nm table has no bf16; its fp16 multiplier costs more
REGISTER_SHARE = 1 / 6
"""Energy of a PE's register file over that of the on-chip buffer, per byte.

Source: Chen et al., "Eyeriss: A Spatial Architecture for Energy-Efficient Dataflow", ISCA 2016, Table IV: 1x and 6x.
"""
SRAM_BYTES = (8 * 2**10, 32 * 2**10, 2**20)
WORD_BYTES = 8  # the tables give energy per 64-bit access
PARTS = ("macs", "registers", "buffer", "dram", "vector", "static")  # what the energy of a step goes to


@cache
def table() -> dict[tuple[str, int, int], float]:
    """{(op, bits, node in nm): J}, as published: Horowitz, ISSCC 2014 (45 nm); Jouppi et al., ISCA 2021 (7 nm)."""
    rows = read_table("data/energy_per_op.csv", ("op", "bits", "node_nm", "pJ"))
    return {(row["op"], int(row["bits"]), int(row["node_nm"])): float(row["pJ"]) * 1e-12 for row in rows}


def at_node(op: str, bits: int, node_nm: np.ndarray) -> np.ndarray:
    """Energy of `op` in J at `node_nm` (n,): a power law of the node through the published 7 and 45 nm.

    docs/model.md, (37).
    """
    small = _published(op, bits, 7)
    slope = np.log(_published(op, bits, 45) / small) / np.log(45 / 7)
    return small * (np.asarray(node_nm, dtype=np.float64) / 7) ** slope


def mac_j(node_nm: np.ndarray) -> np.ndarray:
    """float64 (n, precisions), J per MAC of each of PRECISIONS."""
    return np.stack([sum(at_node(*part, node_nm) for part in MULTIPLY_ADD[p]) for p in PRECISIONS], axis=1)


def buffer_j_per_byte(node_nm: np.ndarray, buffer_bytes: np.ndarray) -> np.ndarray:
    """float64 (n,), J per byte of on-chip memory: log-linear between published sizes, banks of at most 1 MiB."""
    sizes = np.log(SRAM_BYTES)
    at_size = np.stack([at_node("SRAM read", size, node_nm) for size in (8, 32, 1024)])
    position = np.interp(np.log(buffer_bytes), sizes, np.arange(3.0))
    low = np.minimum(position.astype(np.int64), 1)
    part = position - low
    row = np.arange(at_size.shape[1])
    return np.exp((1 - part) * np.log(at_size[low, row]) + part * np.log(at_size[low + 1, row])) / WORD_BYTES


def dram_j_per_byte() -> float:
    """J per byte of HBM2 at 7 nm, the lower published value."""
    return table()["DRAM HBM2", 64, 7] / WORD_BYTES


def defaults(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The energies of designs that state none: {field: array}, from their node_nm and buffer_bytes columns."""
    node, size = np.maximum(columns["node_nm"], 1e-3), np.maximum(columns["buffer_bytes"], 1)  # checked by Design
    buffer = buffer_j_per_byte(node, size)
    eight_kib = buffer_j_per_byte(node, np.full(len(node), SRAM_BYTES[0]))
    return {
        "mac_j": mac_j(node),
        "register_j_per_byte": eight_kib * REGISTER_SHARE,
        "buffer_j_per_byte": buffer,
        "dram_j_per_byte": np.full(len(node), dram_j_per_byte()),
    }


def vector_j(mac_j: np.ndarray) -> np.ndarray:
    """float64 (n,), J per elementary vector operation, the mean of an fp32 add and multiply: half an fp32 MAC.

    mac_j: float64 (n, precisions), J per MAC of each of PRECISIONS.
    """
    return mac_j[:, 0] / 2


def energy_by_part(trace: Trace, design: Design, report: Report) -> dict[str, np.ndarray]:
    """{one of PARTS: float64 (designs,) joules}, which add up to report.energy_j.

    report: that of `trace` on `design` (numpy arrays), with its columns per op.
    """
    ops = trace.ops
    macs, element_bytes = ops.macs, DTYPE_BYTES[ops.dtype]
    by_precision = np.bincount(PRECISION_OF[ops.dtype], macs, len(PRECISIONS))
    operand_bytes, sums = float((2 * macs * element_bytes).sum()), 2.0 * float(macs.sum())
    return {
        "macs": design.mac_j @ by_precision,
        "registers": (operand_bytes + sums * design.accumulator_bytes) * design.register_j_per_byte,
        "buffer": report.buffer_traffic_bytes.sum(axis=1) * design.buffer_j_per_byte,
        "dram": report.dram_bytes.sum(axis=1) * design.dram_j_per_byte,
        "vector": float(ops.vector_ops.sum()) * vector_j(design.mac_j),
        "static": report.step_s * design.static_w,
    }


def _published(op, bits, node_nm):
    if op == "SRAM read":
        size = {8: "8 KB", 32: "32 KB", 1024: "1 MB"}[bits]
        return table()["SRAM read " + size if node_nm == 7 else "SRAM/cache read " + size, 64, node_nm]
    values = table()
    key = (op, bits, node_nm)
    return values[key] if key in values else values[FALLBACK[op], bits, node_nm]
