"""What a dataflow is to the model: one record of formulas, and the products and arrays that they are given.

The array has R rows and C columns, one MAC per PE and cycle, one register hop right and down per cycle, skew registers
inside. Cycles are clock edges from the one that samples the first operand at the array's edge to the one that writes
the last result at the bottom row, both included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

UNLIMITED_BYTES_PER_S = 1e30
"""A DRAM bandwidth that nothing waits for. SCALE-Sim's memories stall an op and cut it into no tiles."""


class Overlap(IntEnum):
    """What a fold waits for: the last result before it, the last MAC before it, or its turn to stream."""

    NONE = 0
    BUFFERED = 1
    PIPELINED = 2


class Convention(IntEnum):
    """Which cycles are counted: the RTL's, or those that SCALE-Sim v3 reports."""

    RTL = 0
    SCALESIM = 1


@dataclass(frozen=True, eq=False)
class Gemm:
    """`groups` independent products C[M,N] = A[M,K] B[K,N], sizes in elements: docs/model.md, (1).

    Ints or arrays that broadcast, with each other and with the arrays' columns: int64, or float64 that hold whole
    numbers below 2^53; above 0.
    """

    m: object
    n: object
    k: object
    groups: object = 1


@dataclass(frozen=True, eq=False)
class Arrays:
    """Arrays of one class. Columns are ints or arrays as those of a Gemm, (arrays, 1) in a replay."""

    rows: object  # PEs
    cols: object  # PEs
    cores: object = 1  # arrays of rows x cols that share the folds of an op
    accumulator_bytes: object = 4  # of a partial sum
    overlap: Overlap = Overlap.PIPELINED
    trim: bool = True
    convention: Convention = Convention.RTL


@dataclass(frozen=True)
class TiledDataflow:
    """A dataflow whose ops pass through the buffer in tiles; sizes are in elements of C[M,N] = A[M,K] B[K,N].

    number: what stands for the dataflow in a Design's column: 0 to 127, no other dataflow's, the same for good.
    cycles: (Gemm, Arrays) to the cycles of the core that takes longest, at full operand bandwidth.
    operands: (Gemm, Arrays) to the elements of A and B of one group that the array reads.
    spills: (Gemm, Arrays, chunk) to how often a partial sum goes to the buffer and comes back; chunk: K that is summed
    up in the array at a time, of a dataflow that has `stretches`.
    along_m, along_n, along_k: the side of the array, "rows" or "cols", over which a dimension is spread; None where it
    streams. Tiles are multiples of these sides.
    stretches: lengths of K that a tile of several folds may be summed up in, where sums stay in the array meanwhile;
    none where sums leave it with every fold along K.
    scalesim: (Gemm, Arrays) to (folds of one group, cycles of a fold) as SCALE-Sim counts; where it is None, the
    convention changes nothing.
    in_best: whether `best` takes it where it is the fastest.
    """

    name: str
    number: int
    cycles: Callable
    operands: Callable
    spills: Callable
    along_m: str | None = None
    along_n: str | None = None
    along_k: str | None = None
    stretches: tuple[int, ...] = ()
    scalesim: Callable | None = None
    in_best: bool = False


@dataclass(frozen=True)
class WholeDataflow:
    """A dataflow whose ops run as a whole, each missed byte moved once beside the MACs.

    number, in_best: as in TiledDataflow. run: (Units, Arrays) to (cycles of the core that takes longest, bytes between
    buffer and arrays); the Units have a convolution's images, rows, pixels and filter beside the product's sizes.
    """

    name: str
    number: int
    run: Callable
    in_best: bool = False
