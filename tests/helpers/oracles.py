"""Slow and obvious simulators, written another way than the model: one fold, tile, byte or use at a time."""

from collections import OrderedDict

from accel_model.array.dataflow import Dataflow
from accel_model.array.record import Overlap


def folds_of(height, width, rows, cols, groups, trim):
    """[(rows used, columns used)] of every fold in order: groups, then columns, then rows."""
    folds = []
    for _ in range(groups):
        for column in range(0, width, cols):
            for row in range(0, height, rows):
                folds.append((min(rows, height - row), min(cols, width - column)) if trim else (rows, cols))
    return folds


def os_edges(folds, k, rows, overlap):
    """Clock edge of the last result of output-stationary folds, each started when its resources are free."""
    start = last = 0
    for m, n in folds:
        computed = start + k + m + n - 2
        last = max(last, computed + rows)
        if overlap == Overlap.NONE:
            start = computed + rows
        elif overlap == Overlap.BUFFERED:
            start = computed
        else:
            start += max(k, m)
    return last


def ws_edges(folds, stream, rows, overlap):
    """Clock edge of the last result of weight-stationary folds: each loads m rows of weights, then streams."""
    free = last = 0  # when the array, and its weight registers, are free
    start = 0
    for number, (m, n) in enumerate(folds):
        if overlap == Overlap.NONE:
            start = last + m
        elif overlap == Overlap.BUFFERED:
            start = max(free, m if number == 0 else 0)
        else:
            start = m if number == 0 else start + max(stream, m)
        free = start + stream + rows + n - 2
        last = max(last, free)
    return last


def cycles(dataflow, m, n, k, rows, cols, overlap, trim, groups, cores):
    """Cycles of the core that takes longest, folds dealt out in contiguous shares."""
    if dataflow == Dataflow.IS:
        dataflow, m, n = Dataflow.WS, n, m
    is_os = dataflow == Dataflow.OS
    folds = folds_of(m if is_os else k, n, rows, cols, groups, trim)
    share = -(-len(folds) // cores)
    longest = 0
    for first in range(0, len(folds), share):
        mine = folds[first : first + share]
        longest = max(longest, os_edges(mine, k, rows, overlap) if is_os else ws_edges(mine, m, rows, overlap))
    return longest


def os_array_edges(m, n, k, rows):
    """Edges of one output-stationary fold, every PE and operand stepped by hand; checks the number of MACs too."""
    a_at, b_at = {}, {}  # (i, j): index along K of the operand in that PE's register
    edge, macs = 0, 0
    while macs < m * n * k:
        edge += 1
        a_at = {(i, j): a_at.get((i, j - 1)) for i in range(m) for j in range(1, n)} | {
            (i, 0): edge - 1 - i if 0 <= edge - 1 - i < k else None for i in range(m)
        }
        b_at = {(i, j): b_at.get((i - 1, j)) for i in range(1, m) for j in range(n)} | {
            (0, j): edge - 1 - j if 0 <= edge - 1 - j < k else None for j in range(n)
        }
        for place, index in a_at.items():
            if index is not None:
                assert b_at[place] == index  # operands of one product meet
                macs += 1
    row = 0  # of the topmost result, which has to come down to the bottom row and out
    while row < rows:
        edge, row = edge + 1, row + 1
    return edge


def tile_sequence(tiles, bandwidth, write_cost, repeats):
    """(seconds, bytes read, bytes written) of `tiles`, a list of dicts in order, done `repeats` times.

    Each has busy (seconds of MACs or buffer), load and store (bytes) and first_chunk (bytes of its first load).
    """
    tiles = tiles * repeats
    seconds = tiles[0]["first_chunk"] / bandwidth
    for number, tile in enumerate(tiles):
        load = tile["load"] - (tile["first_chunk"] if number == 0 else 0)
        store = 0 if number == len(tiles) - 1 else tile["store"] * write_cost
        seconds += max(tile["busy"], (load + store) / bandwidth)
    seconds += tiles[-1]["store"] * write_cost / bandwidth
    return seconds, sum(tile["load"] for tile in tiles), sum(tile["store"] for tile in tiles)


def read_distance(history, alive, tensor, size):
    """Bytes of the distinct live tensors touched since `tensor`, it and the ops at both ends included.

    history: [{tensor: bytes touched}] of the ops up to and with this one. Returns None where it was not touched before
    or held fewer bytes.
    """
    touched = OrderedDict()
    for op in range(len(history) - 1, -1, -1):
        if op < len(history) - 1 and tensor in history[op]:
            if history[op][tensor] < size:
                return None
            for other, other_size in history[op].items():
                touched.setdefault(other, other_size)
            return sum(other_size for other, other_size in touched.items() if other in alive)
        for other, other_size in history[op].items():
            touched.setdefault(other, other_size)
    return None


def grid_of(dataflow):
    """[(multiple or length of M, of N, groups at once, stretch of K)] that a tiling may have; 0 stands for all."""
    side, streamed = (0, 16, 4, 1), (0, 512, 64, 8)
    along_m = streamed if dataflow == Dataflow.WS else side
    along_n = streamed if dataflow == Dataflow.IS else side
    stretches = (4096, 256) if dataflow == Dataflow.OS else (16,)
    whole = [(0, 0, groups, stretch) for groups in (0, 16) for stretch in stretches]
    return whole + [(m, n, 1, stretch) for m in along_m for n in along_n for stretch in stretches]


def slices(length, step):
    """Lengths of the pieces of `length` cut every `step`, the last one the rest."""
    return [min(step, length - first) for first in range(0, length, step)]


def m_pieces(op, wanted):
    """[(elements of M, share of A's bytes of one group, share of C's)] of one group's tiles along M, in order.

    op: dict of sizes; images, image_rows, row_pixels are those of a convolution, or 1, m, 1.
    """
    per_image = op["image_rows"] * op["row_pixels"]
    if wanted >= per_image:
        images = slices(op["images"], wanted // per_image)
        return [(n * per_image, *_shares(op, n * per_image, n / op["images"])) for n in images]
    reach = max(op["reach"], op["stride"])
    all_rows = min(op["input_rows"], (op["image_rows"] - 1) * op["stride"] + reach) * op["images"]
    pieces = []
    for _ in range(op["images"]):
        if wanted >= op["row_pixels"]:
            for rows in slices(op["image_rows"], wanted // op["row_pixels"]):
                touched = min(op["input_rows"], (rows - 1) * op["stride"] + reach)
                pieces.append((rows * op["row_pixels"], *_shares(op, rows * op["row_pixels"], touched / all_rows)))
        else:
            for _ in range(op["image_rows"]):
                for pixels in slices(op["row_pixels"], wanted):
                    part = min(op["row_pixels"], pixels - 1 + reach) / op["row_pixels"]
                    touched = min(op["input_rows"], reach) * part
                    pieces.append((pixels, *_shares(op, pixels, touched / all_rows)))
    return pieces


def _shares(op, size, halo):
    even, area = size / op["m"], op["area"]
    channels = size if size % area == 0 else min(op["m"], (-(-size // area) + 1) * area)
    in_a = halo if op["halo"] == 1 else channels / op["m"] if area > 1 else even
    return in_a, halo if op["halo"] == 2 else even


def tilings(op, d):
    """Yield every way to run `op` that fits: dicts of seconds, read, written, cycles, tiles.

    op: dict of sizes and bytes; d: dict of a design's values, rows, cols, cores, dataflow, overlap, trim and speeds.
    """
    dataflow, rows, cols = d["dataflow"], d["rows"], d["cols"]
    side_m = {Dataflow.OS: rows, Dataflow.IS: cols}.get(dataflow, 1)
    side_n = {Dataflow.OS: cols, Dataflow.WS: cols}.get(dataflow, 1)
    k, element = op["k"], op["element_bytes"]
    for m, n, together, stretch in grid_of(dataflow):
        tile_m = min(op["m"], m * side_m or op["m"])
        tile_n = min(op["n"], n * side_n or op["n"])
        together = min(op["groups"], together or op["groups"])
        one_fold = tile_m <= side_m and tile_n <= side_n
        if dataflow == Dataflow.OS:
            chunk = min(k, 16 if one_fold else stretch)
            stretches = [k] if one_fold else slices(k, chunk)
        else:
            chunk = min(k, rows * -(-16 // rows))
            stretches = [k]
        pieces_m, pieces_n = m_pieces(op, tile_m), slices(op["n"], tile_n)
        batches = slices(op["groups"], together)
        count = len(pieces_m) * len(pieces_n) * len(batches)
        partial = together * pieces_m[0][0] * pieces_n[0] * d["accumulator_bytes"] * (2 if count > 1 else 1)
        panel_a = min(op["a_bytes"] * pieces_m[0][1] / op["groups"], pieces_m[0][0] * k * element) * together
        panel_b = min(op["b_bytes"] * pieces_n[0] / op["n"] / op["groups"], pieces_n[0] * k * element) * together
        part = chunk / k
        for keep in ("", "a", "b") if together == 1 else ("",):
            ahead = (2 * part * panel_a, 2 * part * panel_b)
            room = {
                "": partial + (sum(ahead) if count > 1 else min(ahead[0], panel_a) + min(ahead[1], panel_b)),
                "a": partial + panel_a * (1 + part) + ahead[1],
                "b": partial + panel_b * (1 + part) + ahead[0],
            }[keep]
            if room > d["buffer_bytes"]:
                continue
            order = [(i, j) for i in range(len(pieces_m)) for j in range(len(pieces_n))]
            if keep == "b":
                order.sort(key=lambda place: (place[1], place[0]))
            tiles, cycles_of = [], 0
            for groups in batches:
                for i, j in order:
                    size, in_a, in_c = pieces_m[i]
                    share = groups / op["groups"]
                    edges = sum(
                        cycles(dataflow, size, pieces_n[j], s, rows, cols, d["overlap"], d["trim"], groups, d["cores"])
                        for s in stretches
                    )
                    a = op["a_missed"] * in_a * share
                    b = op["b_missed"] * pieces_n[j] / op["n"] * share
                    load = (0 if keep == "a" and j else a) + (0 if keep == "b" and i else b)
                    store = op["c_missed"] * in_c * pieces_n[j] / op["n"] * share
                    cycles_of += edges
                    busy = edges / d["clock_hz"]
                    tiles.append({"busy": busy, "load": load, "store": store, "first_chunk": (a + b) * part})
            seconds, read, written = tile_sequence(tiles, d["read_bytes_per_s"], d["write_cost"], 1)
            yield {"s": seconds, "read": read, "written": written, "cycles": cycles_of, "tiles": len(tiles)}
