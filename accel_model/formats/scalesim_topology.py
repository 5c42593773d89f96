"""SCALE-Sim's topology files: convolutions or GEMMs in CSV, read into a Trace and written from one.

A convolution row is `name, ifmap height, ifmap width, filter height, filter width, channels, filters, stride` and,
where given, the stride of the width and a sparsity ratio; a GEMM row is `name, M, N, K` and, where given, a ratio, or
in a column that the header calls Batch how often the GEMM is done. Rows end with a comma or not, and files have blank
lines, spaces, quotes, # comments and remarks behind the last comma, which SCALE-Sim drops; the first line is a header.

As SCALE-Sim v3 does, a convolution has ceil((ifmap - filter) / stride) + 1 output pixels a side (the ifmap includes the
padding), a row whose name has `DP` in it (depthwise) becomes one layer of one channel per channel, and ratios do not
count unless its configuration asks for sparsity, which `scalesim_config` refuses.
Source: SCALE-Sim 3.0.0, scalesim/topology_utils.py.
"""

import io
import re
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np

from accel_model.arrays import ceil_div
from accel_model.errors import TraceError
from accel_model.formats.atomic import write_bytes
from accel_model.formats.reading import limit_of, read_text, whole_number
from accel_model.formats.shown import quoted, shown
from accel_model.tables import LARGEST_EXACT
from accel_model.trace import Trace
from accel_model.types import Kind, Phase

GEMM = ("M", "N", "K")
CONV = ("IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels", "Num Filter", "Strides")
COLUMNS = {"gemm": GEMM, "conv": CONV}
LARGEST_LAYERS = 1_000_000  # of a topology that is written
MOST_LAYERS = 100_000  # of one that is read, every channel of a depthwise row counted
LIMIT = "HALFSTEP_TOPOLOGY_LAYERS"  # environment variable that stands for MOST_LAYERS
LONGEST_LINE = 10_000  # characters
NUMBER = re.compile(r"[-+0-9._:\s]*")  # of a size or a ratio, right or wrong


@dataclass(frozen=True)
class _TopologyLayer:
    """One row: its name and sizes, (M, N, K) or those of CONV and the stride of the width."""

    name: str
    sizes: tuple
    where: str  # file and line
    count: int = 1  # how often it is done


def load_topology(
    path: str | PathLike, kind: str | None = None, dtype: str = "int8", limit_layers: int | None = None
) -> Trace:
    """The Trace of a SCALE-Sim topology file: one forward op per layer, with tensors of its own.

    kind: "conv", "gemm", or None to tell by the header, or else by the number of columns. dtype: a name of PRECISIONS;
    SCALE-Sim's word is one byte. limit_layers: that it may have, a depthwise row counting its channels; None stands for
    the environment variable HALFSTEP_TOPOLOGY_LAYERS, or else for MOST_LAYERS. Raises TraceError, with file, line and
    column, for a file that is not such a topology.
    """
    if kind not in (None, *COLUMNS):
        raise TraceError(f"topology kind {kind!r} is unknown: use conv or gemm, or leave it out")
    limit = limit_of(limit_layers, LIMIT, MOST_LAYERS, TraceError)
    header, *rows = _rows(path, limit)
    kind = kind or _kind(header, rows)
    _check_header(header, kind)
    layers = [_layer(row, kind, header) for row in rows]
    if not layers:
        raise TraceError(f"{path} has a header but no layer: give at least one line below it")
    if kind == "conv":
        _check_channels(layers, limit)
        layers = [channel for layer in layers for channel in _channels(layer)]
    sizes = np.array([layer.sizes for layer in layers], dtype=np.int64).T
    _check_exact(layers, sizes.astype(np.float64), kind)
    m, n, k = sizes if kind == "gemm" else _as_gemm(sizes)
    groups = np.array([layer.count for layer in layers], dtype=np.int64)
    trace = Trace.from_gemms(m, n, k, dtype=dtype, groups=groups)
    ops = replace(trace.ops, layer=np.arange(len(layers), dtype=np.int32))
    meta = {"source": f"SCALE-Sim {kind} topology", "file": Path(path).name}
    trace = replace(trace, ops=ops, layers=tuple(layer.name for layer in layers), meta=meta)
    return trace if kind == "gemm" else _with_images(trace, sizes)


def save_topology(trace: Trace, path: str | PathLike) -> int:
    """Write the GEMMs of `trace` as a SCALE-Sim GEMM topology, atomically; vector ops have no row there.

    Each of an op's groups is a row of its own, named by layer, phase, op and group. Returns the number of rows. Raises
    TraceError where there is no GEMM, there are too many, or the file cannot be written.
    """
    ops = trace.ops
    count = int(ops.groups.sum())
    if not 0 < count <= LARGEST_LAYERS:
        raise TraceError(f"the trace has {count} GEMMs, groups counted: give one that has 1 to {LARGEST_LAYERS}")
    lines = ["Layer, M, N, K,"]
    for op in np.flatnonzero(ops.groups):
        layer = "".join(c if c.isalnum() or c in "._-" else "_" for c in shown(trace.layers[ops.layer[op]])) or "model"
        layer = f"_{layer}" if layer.startswith("-") else layer  # which a spreadsheet would take for a formula
        name = f"{layer}.{Phase(ops.phase[op]).name.lower()}.{op}"
        sizes = f"{ops.m[op]}, {ops.n[op]}, {ops.k[op]},"
        if ops.groups[op] == 1:
            lines.append(f"{name}, {sizes}")
        else:
            lines += [f"{name}.{group}, {sizes}" for group in range(ops.groups[op])]
    try:
        write_bytes(path, "".join(f"{line}\n" for line in lines).encode())
    except OSError as error:
        raise TraceError(f"cannot write the topology to {path}: {error.strerror or error}") from None
    return count


@dataclass(frozen=True)
class _TopologyRow:
    """The cells of one line, without spaces and quotes around them and empty ones at the end."""

    cells: tuple
    path: str
    line: int
    ends_open: bool  # no comma follows the last cell

    def fail(self, column, text):
        """Raise TraceError for the cell in `column`, counted from 0."""
        raise TraceError(f"{self.path}, line {self.line}, column {column + 1}: {text}")

    def positive(self, column, name):
        """The whole number above 0 in `column`."""
        text = self.cells[column] if column < len(self.cells) else ""
        number = whole_number(text, most_digits=16)
        if number is None:
            wrong = f"{name} is {quoted(text)}: give a whole number above 0"
            self.fail(column, wrong if text else f"{name} is missing")
        return number

    def without_remark(self, needed):
        """The row without what follows its last comma, where that is neither a number nor a ratio nor needed."""
        cut = next((i for i, cell in enumerate(self.cells) if i and cell.startswith("#")), len(self.cells))
        row = replace(self, cells=self.cells[:cut])
        remark = row.ends_open and len(row.cells) > needed and not NUMBER.fullmatch(row.cells[-1])
        return replace(row, cells=row.cells[:-1]) if remark else row


def _rows(path, limit):
    rows = []
    for number, line in enumerate(io.StringIO(read_text(path, TraceError), newline=None), 1):
        if len(line) > LONGEST_LINE:
            raise TraceError(f"{path}, line {number}: has more than {LONGEST_LINE:,} characters: give one layer a line")
        cells = tuple(cell.strip(' \t"') for cell in line.rstrip(", \t\n").split(","))
        if any(cells) and not (rows and cells[0].startswith("#")):
            rows.append(_TopologyRow(cells, str(path), number, not line.rstrip().endswith(",")))
        if len(rows) > limit + 1:
            raise TraceError(f"{path}, line {number}: has more than {limit:,} layers: {_raised()}")
    if not rows:
        raise TraceError(f"{path} is empty: give a header and one line per layer")
    return rows


def _kind(header, rows):
    names = [cell.lower() for cell in header.cells]
    if {"m", "n", "k"} <= set(names):
        return "gemm"
    if any("ifmap" in name or "filter" in name for name in names):
        return "conv"
    columns = len((rows or [header])[0].cells)
    return "gemm" if columns <= 1 + len(GEMM) + 1 else "conv"


def _check_header(header, kind):
    if len(header.cells) > 1 and all(cell.isdigit() for cell in header.cells[1:4]):
        header.fail(1, "the first line is a layer, which SCALE-Sim would skip: put a header line above it")
    names = [cell.upper() for cell in header.cells[1:4]]
    if kind == "gemm" and sorted(names) == sorted(GEMM) and names != list(GEMM):
        header.fail(1, f"the columns are {', '.join(names)}, but SCALE-Sim reads M, N, K: reorder them")


def _layer(row, kind, header):
    columns = COLUMNS[kind]
    row, count = row.without_remark(1 + len(columns)), 1
    sizes = [row.positive(1 + i, name) for i, name in enumerate(columns)]
    extra = 1 + len(columns)
    if kind == "conv":
        two_strides = _has_stride_width(row, header, extra)
        sizes.append(row.positive(extra, "Stride Width") if two_strides else sizes[-1])
        extra += two_strides
        for side in (0, 1):
            if sizes[2 + side] > sizes[side]:
                row.fail(3 + side, f"{CONV[2 + side]} {sizes[2 + side]} exceeds {CONV[side]} {sizes[side]}")
    names = {i: header.cells[i].lower() for i in range(extra, len(header.cells))}
    if kind == "gemm" and "batch" in names.get(extra, "") and len(row.cells) > extra:
        count = row.positive(extra, "Batch")
        extra += 1
    if len(row.cells) > extra:
        _check_ratio(row, extra)
        extra += 1
    if kind == "gemm" and "batch" in names.get(extra, "") and len(row.cells) > extra:
        count = row.positive(extra, "Batch")
        extra += 1
    if len(row.cells) > extra:
        row.fail(extra, f"{row.cells[extra][:60]!r} is one value too many: a {kind} row ends with its sparsity ratio")
    return _TopologyLayer(row.cells[0] or f"layer{row.line}", tuple(sizes), f"{row.path}, line {row.line}", count)


def _has_stride_width(row, header, column):
    """True where `column` holds the stride of the width: by its header, or else because it is no ratio."""
    if len(row.cells) <= column:
        return False
    name = header.cells[column].lower() if len(header.cells) > column else ""
    return "stride" in name or (not name and ":" not in row.cells[column])


def _check_ratio(row, column):
    parts = row.cells[column].split(":")
    if len(parts) == 2 and all(part.strip().isdigit() and part.isascii() and len(part) <= 9 for part in parts):
        kept, block = (int(part) for part in parts)
        if 0 < kept <= block:
            return
    row.fail(column, f"the sparsity ratio is {row.cells[column]!r}: give N:M with 0 < N <= M, such as 2:4")


def _check_channels(layers, limit):
    """Raise TraceError where the rows become more than `limit` layers, before they do."""
    count = 0
    for layer in layers:
        channels = layer.sizes[4] if "DP" in layer.name else 1
        count += channels
        if count > limit:
            raise TraceError(
                f"{layer.where}, column 6: {channels} channels of a depthwise layer make {count} layers so far, and "
                f"at most {limit} are read: {_raised()}"
            )


def _raised():
    return f"if you trust the file, raise that with {LIMIT}=... in the environment or limit_layers"


def _check_exact(layers, sizes, kind):
    """Raise TraceError where a layer has more MACs or elements than 2^53; sizes: float64, which does not overflow."""
    m, n, k = sizes if kind == "gemm" else _as_gemm(sizes)
    often = np.array([layer.count for layer in layers], dtype=np.float64)
    counts = {"MACs": often * m * n * k, "elements of A": m * k, "elements of B": k * n, "elements of C": m * n}
    if kind == "conv":
        counts["pixels of its ifmap"] = sizes[0] * sizes[1] * sizes[4]
    for what, values in counts.items():
        if values.max() >= LARGEST_EXACT:
            row, does = int(values.argmax()), "does" if what == "MACs" else "has"
            raise TraceError(
                f"{layers[row].where}: the layer {does} {values[row]:.3g} {what}: counts are exact up to 2^53, so "
                "split it"
            )


def _channels(layer):
    """The layer itself, or one layer per channel where its name marks it as depthwise."""
    if "DP" not in layer.name:
        return [layer]
    channels = layer.sizes[4]
    sizes = (*layer.sizes[:4], 1, *layer.sizes[5:])
    return [replace(layer, name=f"{layer.name}Channel_{i}", sizes=sizes) for i in range(channels)]


def _as_gemm(sizes):
    """M, N, K of convolutions: int64 (8, layers) of sizes to three int64 (layers,)."""
    channels, filters = sizes[4], sizes[5]
    outputs = _outputs(sizes)
    return outputs[0] * outputs[1], filters, sizes[2] * sizes[3] * channels


def _outputs(sizes):
    """int64 (2, layers), output height and width."""
    return ceil_div(sizes[0:2] - sizes[2:4], sizes[6:8]) + 1


def _with_images(trace, sizes):
    """`trace` as convolutions that read images, not the matrices made of them."""

    def axes(values):
        return np.concatenate([np.zeros((1, len(trace)), dtype=np.int64), values])

    ops = replace(
        trace.ops,
        kind=np.full(len(trace), Kind.CONV, dtype=np.int8),
        batch=np.ones(len(trace), dtype=np.int64),
        in_channels=sizes[4],
        out_channels=sizes[5],
        input_size=axes(sizes[0:2]),
        filter_size=axes(sizes[2:4]),
        output_size=axes(_outputs(sizes)),
        stride=axes(sizes[6:8]),
        dilation=axes(np.ones((2, len(trace)), dtype=np.int64)),
    )
    elements = trace.tensors.elements.copy()
    word = trace.tensors.bytes // elements
    elements[0::3] = sizes[0] * sizes[1] * sizes[4]  # each op's tensors are A, B, C
    tensors = replace(trace.tensors, elements=elements, bytes=elements * word)
    return replace(trace, ops=ops, tensors=tensors, uses=replace(trace.uses, bytes=tensors.bytes.copy()))
