"""Arrays of the accelerator model's Verilog that were synthesised, placed and routed for an FPGA: clock and resources.

One JSON file each in data/placed, written by `make fpga`. Nobody ran it on the board: the time of a training step on
such an array is a replay at this size and clock, labelled modelled from place and route.
"""

import hashlib
import json
import math
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselines.errors import FileError
from baselines.specs import BOARDS, read_boards
from baselines.tables import DATA, parse_object

PLACED = DATA / "placed"
SCHEMA = "halfstep placed array"
SCHEMA_VERSION = 1
UNITS = {"fmax_hz": "Hz", "median_fmax_hz": "Hz", "target_hz": "Hz", "memory_bytes": "bytes"}
LABEL = "modelled from place and route"
PORT_BYTES = 4  # that the shell takes at a clock edge, and gives (accel_model/rtl/shell.v)
MAX_BYTES = 2**20
MAX_TEXT = 10_000
MAX_RUNS = 1000
ADVICE = "write the file again with make fpga"

_RESOURCES = dict.fromkeys(("luts", "ffs", "dsps", "block_rams", "pins"), int)
_SHAPE = {
    "schema": str,
    "schema_version": int,
    "units": dict.fromkeys(UNITS, str),
    "name": str,
    "device": {"name": str, "package": str, "speed_grade": int},
    "array": {
        "dataflow": str,
        "rows": int,
        "cols": int,
        "precision": str,
        "accumulator_bytes": int,
        "product_stages": int,
        "overlap": str,
        "trim": bool,
        "memory_bytes": int,
    },
    "tools": {"yosys": str, "nextpnr": str},
    "rtl_sha256": str,
    "target_hz": float,
    "commands": {"yosys": [str], "nextpnr": [str]},
    "regenerate": str,
    "available": _RESOURCES,
    "runs": [{"seed": int, "fmax_hz": float, "used": _RESOURCES}],
    "median_fmax_hz": float,
    "digest": str,
}
_WORDS = {"dataflow": ("os", "ws", "is"), "precision": ("int8", "bf16"), "overlap": ("none", "buffered", "pipelined")}


@dataclass(frozen=True, eq=False, kw_only=True)
class PlacedArray:
    """One array on one FPGA, placed and routed with several seeds, and the board whose DRAM feeds it.

    fmax_hz: float64 (seeds,), the highest clock that the router's timing allows. seeds: int64 (seeds,). Used resources
    are the largest over the seeds; `available` has what the device has of each.
    """

    name: str
    device: str
    package: str
    speed_grade: int
    dataflow: str
    rows: int  # PEs
    cols: int  # PEs
    precision: str  # of the operands; sums are int32 for int8, float32 for bf16
    accumulator_bytes: int
    product_stages: int  # registers behind each multiplier: cycles that each matrix product takes more
    overlap: str
    trim: bool
    memory_bytes: int  # on the chip: operands and results
    seeds: np.ndarray
    fmax_hz: np.ndarray
    luts: int
    ffs: int
    dsps: int
    block_rams: int
    pins: int
    available: dict
    tools: dict
    rtl_sha256: str
    commands: dict
    regenerate: str
    source: str
    board: str
    dram_bytes_per_s: float  # peak at the pins
    dram_bytes: float
    board_confidence: str
    board_source: str

    @property
    def clock_hz(self) -> float:
        """Median over the seeds, Hz."""
        return float(np.median(self.fmax_hz))

    @property
    def best_hz(self) -> float:
        """Of the best seed, Hz."""
        return float(self.fmax_hz.max())

    @property
    def spread(self) -> float:
        """Best minus worst seed, as a share of the median."""
        return float(np.ptp(self.fmax_hz)) / self.clock_hz

    @property
    def macs_per_s(self) -> float:
        """Peak rate at the median clock: one MAC per PE and cycle."""
        return self.rows * self.cols * self.clock_hz

    @property
    def fed_bytes_per_s(self) -> float:
        """What of the DRAM's bandwidth reaches the array: no more than its port takes at the median clock."""
        return min(self.dram_bytes_per_s, PORT_BYTES * self.clock_hz)

    def design_values(self) -> dict[str, object]:
        """The fields of an accelerator design that this array is, as a mapping of plain values.

        vector_lanes: the array has no vector unit; one operation per column and cycle, the rate at which results leave
        it, is assumed, at no cost in area. product_stages are left out: a few cycles per matrix product.
        """
        return {
            "rows": self.rows,
            "cols": self.cols,
            "cores": 1,
            "clock_hz": self.clock_hz,
            "dataflow": self.dataflow,
            "overlap": self.overlap,
            "trim": self.trim,
            "accumulator_bytes": self.accumulator_bytes,
            "buffer_bytes": self.memory_bytes,
            "dram_bytes_per_s": self.fed_bytes_per_s,
            "dram_capacity_bytes": self.dram_bytes,
            "vector_lanes": self.cols,
        }


def placed(folder: Path | str = PLACED, *, board: str | None = None, boards: Path | str = BOARDS) -> list[PlacedArray]:
    """The PlacedArrays of all *.json files in `folder`, by name, on `board` or else on each device's first in `boards`.

    Raises FileError for a folder or a file that is not valid, or a device without such a board.
    """
    paths = sorted(Path(folder).glob("*.json"))
    if not paths:
        raise FileError(f"{folder} holds no result of place and route: {ADVICE}, or give a folder that does")
    known = read_boards(boards)
    found = [from_text(_read(path), path.name, known, board) for path in paths]
    if wrong := [(path, one.name) for path, one in zip(paths, found, strict=True) if path.stem != one.name]:
        raise FileError(f"{wrong[0][0]} holds {wrong[0][1]}: name the file {wrong[0][1]}.json")
    return found


def from_text(text: str, where: str, boards: list[dict], board: str | None = None) -> PlacedArray:
    """The PlacedArray that `text` holds, on the board called `board` or else the first with its device.

    where: the file's name, for errors. boards: as from `read_boards`. Raises FileError where the text is not what the
    flow wrote: another schema, unknown or missing fields, values that cannot be, or a digest that does not fit.
    """
    data = parse_object(text, where, MAX_BYTES, ADVICE)
    for name, expected in (("schema", SCHEMA), ("schema_version", SCHEMA_VERSION), ("units", UNITS)):
        if data.get(name) != expected or isinstance(data[name], bool):
            raise FileError(f"{where}: {name} is {str(data.get(name))[:200]}; this program reads {expected}: {ADVICE}")
    _check(data, _SHAPE, where, "")
    _check_values(data, where)
    rest = {name: value for name, value in data.items() if name != "digest"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    if digest != data["digest"]:
        raise FileError(f"{where}: digest does not fit the values: the file was changed by hand; {ADVICE}")
    device, runs = data["device"], data["runs"]
    found = [row for row in boards if row["device"] == device["name"] and board in (None, row["board"])]
    if not found:
        names = ", ".join(row["board"] for row in boards)
        raise FileError(f"{where}: no board {board or ''} with a {device['name']} is known: give one of {names}")
    return PlacedArray(
        name=data["name"],
        device=device["name"],
        package=device["package"],
        speed_grade=device["speed_grade"],
        **data["array"],
        seeds=np.array([run["seed"] for run in runs], dtype=np.int64),
        fmax_hz=np.array([run["fmax_hz"] for run in runs], dtype=np.float64),
        **{name: max(run["used"][name] for run in runs) for name in _RESOURCES},
        available=data["available"],
        tools=data["tools"],
        rtl_sha256=data["rtl_sha256"],
        commands=data["commands"],
        regenerate=data["regenerate"],
        source=f"baselines/data/placed/{where}, {LABEL}",
        board=found[0]["board"],
        dram_bytes_per_s=found[0]["dram_bytes_per_s"],
        dram_bytes=found[0]["dram_bytes"],
        board_confidence=found[0]["confidence"],
        board_source=found[0]["source"],
    )


def _read(path):
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path} cannot be read ({str(error)[:200]}): {ADVICE}") from None


def _check(value, shape, where, place):
    """Raise FileError unless `value` has the fields, lists and types of `shape`, with finite numbers of at least 0."""
    if isinstance(shape, dict):
        if not isinstance(value, dict) or set(value) != set(shape):
            wrong = sorted(set(value) ^ set(shape))[0] if isinstance(value, dict) else place
            raise FileError(f"{where}: the field {place}{wrong[:100]} is missing or unknown: {ADVICE}")
        for name in shape:
            _check(value[name], shape[name], where, f"{place}{name}.")
    elif isinstance(shape, list):
        if not isinstance(value, list) or not 0 < len(value) <= MAX_RUNS:
            raise FileError(f"{where}: {place[:-1]} is no list of 1 to {MAX_RUNS} entries: {ADVICE}")
        for i, one in enumerate(value):
            _check(one, shape[0], where, f"{place}{i}.")
    elif shape in (int, float):
        sane = isinstance(value, (int, shape)) and not isinstance(value, bool)
        if not sane or not 0 <= value < 2**53:
            raise FileError(
                f"{where}: {place[:-1]} is {str(value)[:100]}: a number of at least 0 belongs there; {ADVICE}"
            )
    elif not isinstance(value, shape) or (shape is str and len(value) > MAX_TEXT):
        raise FileError(f"{where}: {place[:-1]} is no {shape.__name__} of a sane length: {ADVICE}")


def _check_values(data, where):
    """Raise FileError for values that contradict each other or cannot be."""
    array, runs = data["array"], data["runs"]
    for name, words in _WORDS.items():
        if array[name] not in words:
            raise FileError(f"{where}: array.{name} is {array[name][:100]!r}: one of {', '.join(words)} belongs there")
    if small := [name for name in ("rows", "cols", "accumulator_bytes", "memory_bytes") if array[name] < 1]:
        raise FileError(f"{where}: array.{small[0]} is {array[small[0]]}: a number above 0 belongs there; {ADVICE}")
    for run in runs:
        if not run["fmax_hz"] > 0:
            raise FileError(f"{where}: seed {run['seed']} has fmax_hz {run['fmax_hz']}: a clock is above 0; {ADVICE}")
        if over := [name for name in _RESOURCES if run["used"][name] > data["available"][name]]:
            raise FileError(f"{where}: seed {run['seed']} uses more {over[0]} than are available: {ADVICE}")
    if len({run["seed"] for run in runs}) < len(runs):
        raise FileError(f"{where}: a seed is there twice: {ADVICE}")
    median_hz = statistics.median(run["fmax_hz"] for run in runs)
    if not math.isclose(data["median_fmax_hz"], median_hz, rel_tol=1e-9):
        raise FileError(f"{where}: median_fmax_hz is {data['median_fmax_hz']}, that of the runs {median_hz}: {ADVICE}")
