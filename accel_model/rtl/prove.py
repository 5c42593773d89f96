"""The table of proven rows: matrix products that the Verilog array computed like numpy, and the cycles it took.

`python -m accel_model.rtl.prove` plays them again and rewrites the table; a few minutes on one core.
"""

import csv
import hashlib
import io
import logging
import re
from itertools import product
from pathlib import Path

import numpy as np

from accel_model.array.dataflow import Dataflow
from accel_model.array.record import Overlap
from accel_model.formats import reading
from accel_model.formats.atomic import write_bytes
from accel_model.rtl.simulate import SOURCES, Product, SimulationError, share_count, simulate

TABLE = Path(__file__).parent / "proven.csv"
SIZES = ("rows", "cols", "groups", "m", "n", "k", "cores")
MODES = tuple(product((Dataflow.OS, Dataflow.WS, Dataflow.IS), Overlap, (False, True)))
ARRAYS = (
    *((1, 1, 10), (1, 5, 25), (6, 1, 25), (2, 2, 40), (2, 7, 40), (5, 2, 40), (3, 4, 60), (4, 4, 60)),
    *((6, 5, 40), (8, 8, 40), (4, 16, 20), (16, 3, 20), (12, 12, 12), (16, 16, 8), (24, 10, 4), (32, 32, 1)),
)
"""(rows, cols, random shapes) of the arrays in the table."""

log = logging.getLogger(__name__)


def random_shapes(rng, rows, cols, count):
    """`count` products for an array of `rows` x `cols` PEs: int64 (count, 5) of groups, m, n, k and cores.

    Sizes are 1, below, at, around and above multiples of the array's sides, so that every kind of edge fold occurs.
    """

    def size(side):
        around = side * rng.integers(1, 4) + rng.integers(-1, 2)
        return max(1, int(rng.choice([1, rng.integers(1, side + 1), side, around, rng.integers(1, 3 * side + 2)])))

    def shape():
        groups, cores = rng.choice([1, 1, 1, 2, 3], size=2)
        return groups, size(rows), size(cols), size(rng.choice([rows, cols])), cores

    return np.array([shape() for _ in range(count)])


def measure(rng, rows, cols, shapes, modes=MODES, product_stages=0, gaps=False):
    """Cycles of `shapes` on the simulated array in every mode, once their numbers are found equal to numpy's.

    shapes: int64 (count, 5) as from `random_shapes`; their int8 operands are drawn from rng.
    Returns int64 (count, modes): of the core that takes longest. Raises SimulationError where a number is wrong.
    """
    operands = [
        (_int8(rng, groups, m, k), _int8(rng, groups, k, n), int(cores)) for groups, m, n, k, cores in shapes.tolist()
    ]
    cycles = np.zeros((len(shapes), len(modes)), dtype=np.int64)
    for family in ((Dataflow.OS,), (Dataflow.WS, Dataflow.IS)):
        played = [
            (i, j, Product(a, b, *mode, core, cores))
            for (i, (a, b, cores)), (j, mode) in product(enumerate(operands), enumerate(modes))
            if mode[0] in family
            for core in range(share_count(Product(a, b, *mode, cores=cores), rows, cols))
        ]
        if not played:
            continue
        sums = {}
        results = simulate([p for _, _, p in played], rows, cols, product_stages=product_stages, gaps=gaps)
        for (i, j, _), (core_cycles, y) in zip(played, results, strict=True):
            cycles[i, j] = max(cycles[i, j], core_cycles)
            sums[i, j] = sums.get((i, j), 0) + y
        for (i, j), y in sums.items():
            a, b, _ = operands[i]
            if not np.array_equal(y, a.astype(np.int64) @ b.astype(np.int64)):
                raise SimulationError(f"{rows}x{cols} PEs, mode {modes[j]}, shape {shapes[i]}: not what numpy computes")
    return cycles


def mode_name(dataflow, overlap, trim):
    """A mode's column in the table, e.g. os_none_padded."""
    return f"{dataflow.name}_{overlap.name}_{'trimmed' if trim else 'padded'}".lower()


def source_hash(sources=SOURCES):
    """SHA-256 over the Verilog `sources`, in their order, without comments and spacing."""
    code = (re.sub(r"//.*", "", path.read_text()).split() for path in sources)
    return hashlib.sha256(" ".join(word for words in code for word in words).encode()).hexdigest()


def read_table(path=TABLE):
    """The proven table: (sizes {name: int64 (shapes,)}, cycles {mode: int64 (shapes,)}, hash of its sources)."""
    rows = reading.read_table(path, (*SIZES, *(mode_name(*mode) for mode in MODES)))
    columns = {name: np.array([int(row[name]) for row in rows]) for name in rows[0]}
    cycles = {mode: columns[mode_name(*mode)] for mode in MODES}
    head = reading.read_text(path).split("\n", 1)[0]
    return {name: columns[name] for name in SIZES}, cycles, head.split()[-1]


def main():
    """Play every product of the table and write it."""
    rng = np.random.default_rng(2)
    text = io.StringIO()
    text.write(f"# written by python -m accel_model.rtl.prove; sha256 of the Verilog {source_hash()}\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*SIZES, *(mode_name(*mode) for mode in MODES)])
    for rows, cols, count in ARRAYS:
        shapes = random_shapes(rng, rows, cols, count)
        cycles = measure(rng, rows, cols, shapes)
        table.writerows([rows, cols, *shape, *of_shape] for shape, of_shape in zip(shapes, cycles, strict=True))
        log.info("%d x %d PEs: %d shapes", rows, cols, count)
    write_bytes(TABLE, text.getvalue().encode())


def _int8(rng, *shape):
    return rng.integers(-128, 128, shape).astype(np.int8)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
