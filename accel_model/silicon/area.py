"""A proxy for silicon area: arithmetic, registers, on-chip memory and memory interface, from published part sizes.

It ranks designs and prices what a larger one takes; it is no floor plan. Out: clock and power distribution, wiring
beyond the parts' own, skew registers, control, the host's interface. Beside TPU v1's published floor plan (Jouppi et
al., ISCA 2017, figure 2) it gives 0.3 of the matrix unit and 0.8 of the unified buffer: wiring is most of the rest.
"""

from functools import cache

import numpy as np

from accel_model.array.record import Overlap
from accel_model.design import Design
from accel_model.formats.reading import read_table
from accel_model.silicon.energy import FALLBACK, MULTIPLY_ADD
from accel_model.types import DTYPE_BYTES, PRECISIONS, dtype_of

TABLE_NM = 45
LOGIC_SHRINK = np.log((6.9e9 / 83.27) / (410e6 / 107)) / np.log(45 / 7)
"""Exponent of logic area over the node, 1.65 where ideal scaling has 2.

Source: transistors per mm2 of whole chips, 410 million in 107 mm2 (Intel Penryn, 45 nm) and 6.9 billion in 83.27 mm2
(Apple A12, 7 nm); recalled, high certainty.
"""
SRAM_SHRINK = np.log(0.346 / 0.027) / np.log(45 / 7)
"""Exponent of SRAM area over the node, 1.37.

Source: bit cells of 0.346 um2 (45 nm, data/area_per_part.csv) and 0.027 um2 (Chang et al., ISSCC 2017, TSMC 7 nm);
recalled, high certainty.
"""
SRAM_CELLS = 0.5  # share of a memory that is bit cells; assumed, macros of this size have 0.4 to 0.7
PHY_MM2_PER_BYTE_PER_S = 6.05 * 3.264 / 256e9
"""Memory interface: the bump field of an HBM2 stack of 256 GB/s, which its host mirrors, at every node alike.

Source: 6050 um x 3264 um, JEDEC JESD235 and SK hynix, Hot Chips 26 (2014); recalled.
"""


@cache
def parts() -> dict[tuple[str, int], float]:
    """{(part, bits): um2 at 45 nm}, as published."""
    rows = read_table("data/area_per_part.csv", ("part", "bits", "um2"))
    return {(row["part"], int(row["bits"])): float(row["um2"]) for row in rows}


def logic_mm2(um2: np.ndarray, node_nm: np.ndarray) -> np.ndarray:
    """float64, mm2 at `node_nm` of logic that takes `um2` at 45 nm."""
    return um2 * 1e-6 * (node_nm / TABLE_NM) ** LOGIC_SHRINK


def mac_um2(precision: str) -> float:
    """Area of one multiplier and its adder at 45 nm in um2; of a format that no table has, that of the next larger."""
    table = parts()
    return sum(table.get((op, bits)) or table[FALLBACK[op], bits] for op, bits in MULTIPLY_ADD[precision])


def area_mm2(design: Design, precision: str) -> np.ndarray:
    """float64 (designs,), the area proxy of each row of `design` in mm2, with MAC units that take `precision`.

    Each PE holds two operands and its accumulator, twice where folds overlap; a vector lane adds and multiplies in
    fp32; a PE of a mac_rate above 1 has as many multipliers.
    """
    flip_flop = parts()["flip-flop", 1]
    element_bits = 8 * int(DTYPE_BYTES[dtype_of(precision)])
    sums = np.where(design.overlap == Overlap.NONE, 1, 2) * 8 * design.accumulator_bytes
    units = np.maximum(design.mac_rate[:, PRECISIONS.index(precision)], 1)
    pe_um2 = units * mac_um2(precision) + flip_flop * (2 * element_bits + sums)
    logic_um2 = design.pes * pe_um2 + design.vector_lanes * mac_um2("fp32")
    cells_mm2 = 8 * design.buffer_bytes * parts()["SRAM cell", 1] * 1e-6 * (design.node_nm / TABLE_NM) ** SRAM_SHRINK
    return (
        logic_mm2(logic_um2, design.node_nm) + cells_mm2 / SRAM_CELLS + design.dram_bytes_per_s * PHY_MM2_PER_BYTE_PER_S
    )
