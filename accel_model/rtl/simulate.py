"""Matrix products played through the Verilog array by Icarus Verilog: their numbers, and the cycles they took.

The products are cut into folds here, as the address generators of a real machine would; when a fold enters, how long it
takes and when it ends is decided by the hardware alone.
"""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from accel_model.array.dataflow import Dataflow
from accel_model.array.record import Overlap
from accel_model.errors import AccelModelError

SOURCES = tuple(
    Path(__file__).parent / f"{name}.v" for name in ("arithmetic", "pe", "array", "sequencer", "systolic", "testbench")
)


class SimulationError(AccelModelError):
    """The RTL simulation could not run, or the array lost or invented a result."""


@dataclass(frozen=True, eq=False)
class Product:
    """Y[g] = A[g] B[g], and how an array is to compute it.

    a: int8 (groups, m, k). b: int8 (groups, k, n). dataflow: OS, WS or IS. trim: edge folds use only the rows and
    columns they need. core, cores: play only this core's contiguous share of the folds.
    """

    a: np.ndarray
    b: np.ndarray
    dataflow: Dataflow
    overlap: Overlap
    trim: bool
    core: int = 0
    cores: int = 1

    def weight_stationary(self):
        """This product as the array with weights that stay computes it: `is` is `ws` on the transposed problem."""
        if self.dataflow != Dataflow.IS:
            return self.a, self.b
        return self.b.transpose(0, 2, 1), self.a.transpose(0, 2, 1)


def share_count(product, rows, cols):
    """How many of the product's cores get folds."""
    folds = len(_folds(replace(product, core=0, cores=1), rows, cols))
    return -(-folds // -(-folds // product.cores))


def available():
    """True where Icarus Verilog is installed."""
    return shutil.which("iverilog") is not None and shutil.which("vvp") is not None


def simulate(products, rows, cols, *, product_stages=0, gaps=False, timeout_s=600):
    """Play `products` one by one on an array of `rows` x `cols` PEs, all os or none of them.

    gaps: operands come with random pauses, for proving the handshakes; cycles then mean little.
    Returns a list of (cycles: int, y: int64 (groups, m, n)); y holds the part that the core's folds contribute.
    Raises SimulationError where Icarus Verilog is missing or fails, or results are lost.
    """
    families = {product.dataflow == Dataflow.OS for product in products}
    if len(families) != 1:
        raise SimulationError("give products that are all os, or all ws and is: the array is built for one of the two")
    os_array = families.pop()
    plans = [_os_plan(p, rows, cols) if os_array else _ws_plan(p, rows, cols) for p in products]
    beats = {
        "x": np.concatenate([plan.x for plan in plans]),
        "y": np.concatenate([plan.y for plan in plans]),
    }
    runs = [(int(p.overlap) << 64) | (len(plan.x) << 32) | len(plan.y) for p, plan in zip(products, plans, strict=True)]
    parameters = {
        "WEIGHT_STATIONARY": int(not os_array),
        "ROWS": rows,
        "COLS": cols,
        "PRODUCT_STAGES": product_stages,
        "X_BEATS": len(beats["x"]),
        "Y_BEATS": len(beats["y"]),
        "RUNS": len(runs),
        "GAPS": int(gaps),
    }
    with tempfile.TemporaryDirectory(prefix="rtl.") as folder:
        folder = Path(folder)
        for name, bits in beats.items():
            (folder / f"{name}.hex").write_text(_hex_lines(bits))
        (folder / "runs.hex").write_text("".join(f"{run:x}\n" for run in runs))
        defines = [f"-Ptestbench.{name}={value}" for name, value in parameters.items()]
        call(["iverilog", "-g2005", "-s", "testbench", *defines, "-o", "array.vvp", *SOURCES], folder, timeout_s)
        call(["vvp", "-n", "array.vvp"], folder, timeout_s)
        text = (folder / "out.txt").read_text()
    parts = text.split("run ")[1:]
    return [_result(part, p, plan) for part, p, plan in zip(parts, products, plans, strict=True)]


@dataclass(frozen=True, eq=False)
class _Stimulus:
    """The beats of one product, and where its results belong.

    x, y: bool (beats, 1 + lanes + 8 lanes), most significant bit first. places: per column of the array, int64
    (results, 3) of group, row and column in a result of `shape`, which is padded to whole folds.
    """

    x: np.ndarray
    y: np.ndarray
    places: list
    shape: tuple


def _os_plan(product, rows, cols):
    a, b = product.a, product.b
    (groups, m, _), n = a.shape, b.shape[2]
    a, b = _pad(a, 1, rows), _pad(b, 2, cols)
    x, y, places = [], [], [[] for _ in range(cols)]
    for g, row, col in _folds(product, rows, cols):
        used_rows, used_cols = _used(m - row, rows, product.trim), _used(n - col, cols, product.trim)
        x.append(_beats(a[g, row : row + rows].T, used_rows))
        y.append(_beats(b[g, :, col : col + cols], used_cols))
        for j in range(used_cols):
            places[j] += [(g, row + i, col + j) for i in reversed(range(used_rows))]
    return _Stimulus(np.concatenate(x), np.concatenate(y), places, (groups, a.shape[1], b.shape[2]))


def _ws_plan(product, rows, cols):
    a, b = product.weight_stationary()
    (groups, m, k), n = a.shape, b.shape[2]
    a, b = _pad(a, 2, rows), _pad(_pad(b, 1, rows), 2, cols)
    x, y, places = [], [], [[] for _ in range(cols)]
    for g, row, col in _folds(product, rows, cols):
        used_rows, used_cols = _used(k - row, rows, product.trim), _used(n - col, cols, product.trim)
        x.append(_beats(a[g, :, row : row + rows], used_rows))
        y.append(_beats(b[g, row : row + used_rows, col : col + cols][::-1], used_cols))
        for j in range(used_cols):
            places[j] += [(g, s, col + j) for s in range(m)]
    return _Stimulus(np.concatenate(x), np.concatenate(y), places, (groups, m, b.shape[2]))


def _folds(product, rows, cols):
    """(group, first row, first column) of each fold of the product's core: column folds outer, row folds inner.

    The folds cut the matrix that stays in the array: the result (os) or the weights (ws).
    """
    if product.dataflow == Dataflow.OS:
        (groups, height, _), width = product.a.shape, product.b.shape[2]
    else:
        groups, height, width = product.weight_stationary()[1].shape
    grid = [(g, i, j) for g in range(groups) for j in range(0, width, cols) for i in range(0, height, rows)]
    share = -(-len(grid) // product.cores)
    return grid[product.core * share : (product.core + 1) * share]


def _used(left, size, trim):
    return min(left, size) if trim else size


def _pad(matrix, axis, multiple):
    """The matrices with zeros up to a whole multiple along `axis`."""
    width = [(0, 0)] * matrix.ndim
    width[axis] = (0, -matrix.shape[axis] % multiple)
    return np.pad(matrix, width)


def _beats(values, used):
    """The beats that carry int8 (beats, lanes): bool (beats, 1 + 9 lanes), lane 0 in the lowest bits."""
    count, lanes = values.shape
    last = np.arange(count)[:, None] == count - 1
    mask = np.broadcast_to(np.arange(lanes)[::-1] < used, (count, lanes))
    data = np.unpackbits(np.ascontiguousarray(values[:, ::-1]).view(np.uint8), axis=1).astype(bool)
    return np.concatenate([last, mask, data], axis=1)


def _hex_lines(bits):
    """One hexadecimal word per row of bool (words, bits)."""
    padded = np.pad(bits, ((0, 0), (-bits.shape[1] % 8, 0)))
    return "".join(f"{row.tobytes().hex()}\n" for row in np.packbits(padded, axis=1))


def _result(text, product, plan):
    """(cycles, y) from the lines that the testbench wrote for one run."""
    body, _, cycles = text.partition("cycles ")
    if "stuck" in body:
        raise SimulationError(f"the array stopped taking operands: {body.splitlines()[-1]}")
    columns, values = np.array(body.split()[1:], dtype=np.int64).reshape(-1, 2).T
    y = np.zeros(plan.shape, dtype=np.int64)
    for j, places in enumerate(plan.places):
        mine = values[columns == j]
        if len(mine) != len(places):
            raise SimulationError(f"column {j} wrote {len(mine)} results where {len(places)} belong")
        if places:
            np.add.at(y, tuple(np.array(places).T), mine)
    a, b = (product.a, product.b) if product.dataflow == Dataflow.OS else product.weight_stationary()
    if y[:, a.shape[1] :].any() or y[:, :, b.shape[2] :].any():
        raise SimulationError("a padded row or column holds a result that is not zero")
    y = y[:, : a.shape[1], : b.shape[2]]
    return int(cycles), y.transpose(0, 2, 1) if product.dataflow == Dataflow.IS else y


def call(command, folder, timeout_s):
    if not available():
        raise SimulationError(
            "Icarus Verilog is not installed: put iverilog and vvp on the path (apt install iverilog)"
        )
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise SimulationError(f"{command[0]} took more than {timeout_s} s: give fewer or smaller products") from None
    if done.returncode:
        raise SimulationError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")
