"""Matrix products played through the Verilog shell, the array as it is placed and routed, by Icarus Verilog.

What is written here to the shell's port is what a processor beside it would write: tiles of operands with their tags,
the order in which folds take them, a start, and reads of the results.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from accel_model.array.dataflow import Dataflow
from accel_model.rtl.simulate import SOURCES, SimulationError, call

X, Y, SET, START, READ = range(1, 6)
X_TAG, Y_TAG, X_SEEK, Y_SEEK, X_PLAY, X_COUNTS, Y_PLAY, Y_COUNTS, RESULTS, BANK, READ_SEEK, READ_COLUMN = range(12)
WAIT = 1 << 35

OPERAND_BEATS = 1024  # of each operand memory
RESULTS_PER_COLUMN = 512  # of each of two banks
LEAST_CHUNK = 4  # results of ws between two that are added to one sum
SHELL = SOURCES[0].parent / "shell.v"
SHELL_SOURCES = (*(path for path in SOURCES if path.stem != "testbench"), SHELL)
TESTBENCH = SHELL.with_name("shell_testbench.v")


@dataclass(frozen=True, eq=False)
class Played:
    """What the shell made of one product.

    y: int32 or float32 (m, n). cycles: clock edges from the first beat taken to the last result in the bottom row, both
    included. busy: edges from the start to the last result in memory.
    """

    y: np.ndarray
    cycles: int
    busy: int


def play(products, rows, cols, dataflow, *, timeout_s=600):
    """Play `products` one after another on a shell around `rows` x `cols` PEs; returns a list of Played.

    products: pairs of a (m, k) and b (k, n), both int8, or both uint16 that hold the bits of bfloat16. dataflow: OS or
    WS. Each product's operands are written while the one before is at work. Raises SimulationError where a product is
    too large for the shell's memories or Icarus Verilog fails.
    """
    kinds = {matrix.dtype for pair in products for matrix in pair}
    if kinds not in ({np.dtype(np.int8)}, {np.dtype(np.uint16)}) or dataflow not in (Dataflow.OS, Dataflow.WS):
        raise SimulationError(f"give int8 or uint16 (bfloat16) operands and os or ws, not {kinds} and {dataflow!r}")
    is_float = kinds == {np.dtype(np.uint16)}
    plans = [(_os if dataflow == Dataflow.OS else _ws)(a, b, rows, cols, i % 2) for i, (a, b) in enumerate(products)]
    words = []
    for i, plan in enumerate(plans):
        words += plan.writes  # while the product before is at work
        words += [_set(BANK, i % 2 << 14 | plan.chunks) | WAIT, *plan.settings, START << 32]
        words += plans[i - 1].reads if i else []
    words += [_set(BANK, len(plans) % 2 << 14) | WAIT, *plans[-1].reads]
    parameters = {
        "WEIGHT_STATIONARY": int(dataflow == Dataflow.WS),
        "ROWS": rows,
        "COLS": cols,
        "FLOAT": int(is_float),
        "OPERAND_BITS": 16 if is_float else 8,
        "WORDS": len(words),
        "LIMIT": 10_000 + 20 * len(words),
    }
    with tempfile.TemporaryDirectory(prefix="rtl.") as folder:
        folder = Path(folder)
        (folder / "host.hex").write_text("".join(f"{word:x}\n" for word in words))
        defines = [f"-Pshell_testbench.{name}={value}" for name, value in parameters.items()]
        sources = [str(path) for path in (*SHELL_SOURCES, TESTBENCH)]
        call(["iverilog", "-g2005", "-s", "shell_testbench", *defines, "-o", "shell.vvp", *sources], folder, timeout_s)
        call(["vvp", "-n", "shell.vvp"], folder, timeout_s)
        lines = (folder / "out.txt").read_text().splitlines()
    reads = [line.split()[1] for line in lines if line.startswith("read")]
    times = [line.split()[1:] for line in lines if line.startswith("cycles")]
    if any("x" in word for word in reads):
        raise SimulationError("the shell gave results that it never wrote")
    if "stuck" in lines or len(times) != len(plans) or len(reads) != sum(len(plan.places) for plan in plans):
        raise SimulationError("the shell did not come to an end, or lost results")
    played, at = [], 0
    for plan, (cycles, busy) in zip(plans, times, strict=True):
        bits = [int(word, 16) for word in reads[at : at + len(plan.places)]]
        at += len(plan.places)
        y = np.zeros(plan.shape, dtype=np.uint32)
        y[tuple(np.array(plan.places).T)] = bits
        played.append(Played(y.view(np.float32 if is_float else np.int32), int(cycles), int(busy)))
    return played


@dataclass(frozen=True, eq=False)
class _ShellPlan:
    """The port's words that write one product's operands, set its order and read its results, which go to `places`."""

    writes: list
    settings: list
    chunks: int
    reads: list
    places: list
    shape: tuple


def _os(a, b, rows, cols, half):
    """os: a beat of x is a column of a row fold of A, a beat of y a row of a column fold of B."""
    (m, k), n = a.shape, b.shape[1]
    row_folds, col_folds = _folds(m, rows), _folds(n, cols)
    x = [(_pad(a[i : i + used].T, rows), used) for i, used in row_folds]
    y = [(_pad(b[:, j : j + used], cols), used) for j, used in col_folds]
    columns = [
        [
            (i + r, j + c)
            for j, n_used in col_folds
            if c < n_used
            for i, used in row_folds
            for r in reversed(range(used))
        ]
        for c in range(min(n, cols))
    ]
    counts = (k * len(row_folds), len(col_folds), 1), (k, len(row_folds), len(col_folds))
    return _plan(x, y, columns, (*counts, (m * len(col_folds), 1, 1)), (m, n), half)


def _ws(a, b, rows, cols, half):
    """ws: a beat of x is a row of a K fold of A, a beat of y a row of weights, the lowest first."""
    (m, k), n = a.shape, b.shape[1]
    if m < LEAST_CHUNK and k > rows:
        raise SimulationError(f"ws with m = {m} and more than one fold of k: the shell adds sums of {LEAST_CHUNK} rows")
    row_folds, col_folds = _folds(k, rows), _folds(n, cols)
    x = [(_pad(a[:, i : i + used], rows), used) for i, used in row_folds]
    y = [
        (_pad(b[i : i + used, j : j + n_used][::-1], cols), n_used) for j, n_used in col_folds for i, used in row_folds
    ]
    columns = [[(s, j + c) for j, n_used in col_folds if c < n_used for s in range(m)] for c in range(min(n, cols))]
    counts = (m * len(row_folds), len(col_folds), 1), (k * len(col_folds), 1, 1)
    return _plan(x, y, columns, (*counts, (m, len(row_folds), len(col_folds))), (m, n), half)


def _plan(x, y, columns, counts, shape, half):
    """The words of one product. x, y: (beats, used lanes) per fold. counts: (chunk, repeats, chunks) of x, y, results.

    half: operands lie in this half of their memories, while the other is played.
    """
    base = half * OPERAND_BEATS // 2
    sizes = [sum(len(beats) for beats, _ in folds) for folds in (x, y)]
    if max(sizes) > OPERAND_BEATS // 2 or max(map(len, columns)) > RESULTS_PER_COLUMN:
        raise SimulationError(f"a product of {shape} needs more than the shell's memories hold: give a smaller one")
    (x_chunk, *x_counts), (y_chunk, *y_counts), (chunk, repeats, chunks) = counts
    reads = []
    for j, places in enumerate(columns):
        reads += [_set(READ_COLUMN, 1 << j), _set(READ_SEEK, 0), *[READ << 32] * len(places)]
    return _ShellPlan(
        writes=[*_writes(X, X_TAG, X_SEEK, x, base), *_writes(Y, Y_TAG, Y_SEEK, y, base)],
        settings=[
            _set(X_PLAY, base << 14 | x_chunk - 1),
            _set(X_COUNTS, x_counts[0] - 1 << 14 | x_counts[1] - 1),
            _set(Y_PLAY, base << 14 | y_chunk - 1),
            _set(Y_COUNTS, y_counts[0] - 1 << 14 | y_counts[1] - 1),
            _set(RESULTS, repeats - 1 << 14 | chunk - 1),
        ],
        chunks=chunks - 1,
        reads=reads,
        places=[place for places in columns for place in places],
        shape=shape,
    )


def _writes(command, tag, seek, folds, base):
    words = [_set(seek, base)]
    for beats, used in folds:
        lanes = beats.shape[1]
        mask = (1 << used) - 1
        octets = np.ascontiguousarray(beats).view(np.uint8)
        pieces = np.pad(octets, ((0, 0), (0, -octets.shape[1] % 4))).view("<u4")
        for i, beat in enumerate(pieces.tolist()):
            if i in (0, len(pieces) - 1):
                words.append(_set(tag, (i == len(pieces) - 1) << lanes | mask))
            words += [command << 32 | piece for piece in beat]
    return words


def _folds(size, side):
    """(first, used) of each fold of `size` over a side of the array."""
    return [(i, min(side, size - i)) for i in range(0, size, side)]


def _pad(beats, lanes):
    return np.pad(beats, ((0, 0), (0, lanes - beats.shape[1])))


def _set(setting, value):
    return SET << 32 | setting << 28 | value
