"""Design: a table of accelerators, one row each, with the physical quantities that replay needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from accel_model.array.dataflow import Dataflow
from accel_model.array.record import Convention, Overlap
from accel_model.arrays import to_numpy
from accel_model.design import file
from accel_model.design.fields import ARRAY_DEFAULTS, Setting, check_values, setting
from accel_model.errors import DesignError
from accel_model.formats.listing import ROWS, counted, listing
from accel_model.formats.shown import quoted, shown
from accel_model.silicon import energy
from accel_model.tables import LARGEST_EXACT

LARGEST_GRID = 50_000_000  # designs
MOST_COMPLETIONS = 250_000  # of one accelerator
INF = float("inf")


@dataclass(frozen=True, eq=False)
class Design:
    """A table of accelerators; every field is an array (designs,), `mac_rate` and `mac_j` are (designs, precisions).

    The columns of those two are PRECISIONS in order. Units are SI; the defaults are what `grid` takes for a field that
    is not named. Energies that are not given follow from `node_nm` and `buffer_bytes` (accel_model/silicon/energy.py).
    """

    name: np.ndarray  # str
    rows: np.ndarray = setting("count", ARRAY_DEFAULTS["rows"], "PEs")
    cols: np.ndarray = setting("count", ARRAY_DEFAULTS["cols"], "PEs")
    cores: np.ndarray = setting("count", ARRAY_DEFAULTS["cores"], "arrays of rows x cols that share an op")
    clock_hz: np.ndarray = setting("positive", 2.5e9, "Hz")
    mac_rate: np.ndarray = setting("per_precision", 1.0, "MACs per PE and cycle, by precision")
    dataflow: np.ndarray = setting("choice", Dataflow.OS, "what stays in the array", Dataflow)
    overlap: np.ndarray = setting("choice", Overlap.PIPELINED, "what a fold waits for", Overlap)
    trim: np.ndarray = setting("flag", True, "edge folds wait only for the rows and columns they use")
    convention: np.ndarray = setting("choice", Convention.RTL, "which cycles are counted", Convention)
    accumulator_bytes: np.ndarray = setting("count", 4, "bytes of one partial sum")
    buffer_bytes: np.ndarray = setting("count", 4 * 2**20, "bytes of on-chip memory for tensors and tiles")
    buffer_bytes_per_s: np.ndarray = setting(
        "unbounded", INF, "bytes/s between that memory and the PEs; DRAM has a port of its own"
    )
    residency: np.ndarray = setting("flag", True, "tensors may stay on chip from op to op")
    fusion: np.ndarray = setting("flag", False, "vector work joins the op that produces its operand")
    dram_capacity_bytes: np.ndarray = setting("unbounded", INF, "bytes")
    dram_bytes_per_s: np.ndarray = setting("positive", 256e9, "bytes/s at the pins")
    dram_efficiency: np.ndarray = setting("fraction", 1.0, "reached share of dram_bytes_per_s, sequential reads")
    dram_write_cost: np.ndarray = setting("at_least_one", 1.0, "time of a byte written over that of a byte read")
    vector_lanes: np.ndarray = setting("count", 1024, "elementary operations per cycle outside the arrays")
    launch_s: np.ndarray = setting("nonnegative", 0.0, "seconds per launched op")
    host_bytes_per_s: np.ndarray = setting("unbounded", INF, "bytes/s of the link that brings the batch")
    node_nm: np.ndarray = setting("positive", 7.0, "process node in nm, for energies that are not given")
    mac_j: np.ndarray = setting("per_precision", None, "J per MAC, by precision")
    register_j_per_byte: np.ndarray = setting("nonnegative", None, "J per byte of PE register access")
    buffer_j_per_byte: np.ndarray = setting("nonnegative", None, "J per byte of on-chip memory access")
    dram_j_per_byte: np.ndarray = setting("nonnegative", None, "J per byte of DRAM access")
    static_w: np.ndarray = setting("nonnegative", 0.0, "W that flow whether or not work is done")
    watts_limit: np.ndarray = setting("unbounded", INF, "W above which a design is flagged")

    def __post_init__(self):
        check_values(self)

    def __len__(self) -> int:
        return self.rows.shape[0]

    def __repr__(self):
        names = sorted({shown(name) for name in self.name[:1000]})
        return f"Design({len(self)} designs: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"

    def __str__(self):
        numbers = ("clock_hz", "buffer_bytes", "dram_bytes_per_s")
        columns = {name: to_numpy(getattr(self, name)[:ROWS]) for name in (*numbers, "rows", "cols", "cores")}
        choices = {name: to_numpy(getattr(self, name)[:ROWS]) for name in ("dataflow", "overlap", "fusion")}
        rows = [
            (
                row,
                str(self.name[row]),
                f"{columns['rows'][row]} x {columns['cols'][row]} x {columns['cores'][row]}",
                float(columns["clock_hz"][row] / 1e9),
                Dataflow(choices["dataflow"][row]).name.lower(),
                Overlap(choices["overlap"][row]).name.lower(),
                "yes" if choices["fusion"][row] else "no",
                float(columns["buffer_bytes"][row] / 2**20),
                float(columns["dram_bytes_per_s"][row] / 1e9),
            )
            for row in range(len(columns["rows"]))
        ]
        array = "rows x cols x cores"
        head = ("design", "name", array, "GHz", "dataflow", "overlap", "fusion", "buffer MiB", "DRAM GB/s")
        return listing(f"Design of {counted(len(self), 'accelerator')}", head, rows, len(self))

    def __getitem__(self, rows: ArrayLike | slice) -> Self:
        """The designs at `rows`: a number, a slice, or whole numbers or booleans (n,)."""
        picked = np.atleast_1d(np.arange(len(self))[rows])
        return self._map(lambda values: values[picked[0] : picked[-1] + 1] if _is_run(picked) else values[picked])

    def _map(self, function):
        return replace(self, **{f.name: function(getattr(self, f.name)) for f in fields(self)})

    @property
    def pes(self) -> np.ndarray:
        """int64 (designs,), MAC units."""
        return self.rows * self.cols * self.cores

    @property
    def macs_per_s(self) -> np.ndarray:
        """float64 (designs, precisions), peak rate at each of PRECISIONS."""
        return (self.pes * self.clock_hz)[:, None] * self.mac_rate

    def to(self, asarray: Callable[[np.ndarray], Any]) -> Self:
        """The same designs in arrays made by `asarray` (torch.asarray, cupy.asarray); replay then runs on those."""
        moved = {f.name: asarray(getattr(self, f.name)) for f in fields(self) if f.name != "name"}
        return replace(self, **moved)

    def to_rows(self) -> list[dict[str, Any]]:
        """The table as a list of plain mappings, one per design, for printing and logging."""
        return [{f.name: Setting.plain(f, getattr(self, f.name)[i]) for f in fields(self)} for i in range(len(self))]

    @classmethod
    def stack(cls, designs: Iterable[Self]) -> Self:
        """One table of all rows of `designs`, in order."""
        designs = list(designs)
        if not designs:
            raise DesignError("there are no designs to stack: give at least one")
        return cls(**{f.name: np.concatenate([getattr(d, f.name) for d in designs]) for f in fields(cls)})

    @classmethod
    def grid(cls, name: str = "grid", array: Sequence[Sequence[int]] | None = None, **values: Any) -> Design:
        """All combinations of the given values; a field that is not named has its default.

        array: [(rows, cols, cores), ...], paired sizes in place of rows, cols and cores. values: a list or one value
        for each field of this class. Returns a Design, the last field varying fastest. Raises DesignError.
        """
        return from_choices(({} if array is None else {"array": array}) | values, name, f"Design.grid {name!r}")

    @classmethod
    def load(cls, name_or_path: str | PathLike) -> Design:
        """The nominal design of conf/accelerator/NAME.yaml, or of the file at a path; raises DesignError."""
        mapping, name, where = file.read(name_or_path)
        return cls.from_mapping(mapping, name, where)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], name: str, where: str | None = None) -> Design:
        """The nominal design that `mapping` holds, in the form of conf/accelerator/*.yaml; raises DesignError."""
        where = where or f"accelerator {name}"
        return from_choices(file.nominal(mapping, where), name, where)

    @classmethod
    def completions(cls, name_or_mapping: str | Mapping[str, Any], name: str | None = None) -> Design:
        """Every combination of the values that conf/accelerator/NAME.yaml, or such a mapping, leaves open."""
        if isinstance(name_or_mapping, str):
            mapping, name, where = file.read(name_or_mapping)
        else:
            mapping, name = name_or_mapping, name or "design"
            where = f"accelerator {name}"
        return from_choices(file.completions(mapping, where), name, where, MOST_COMPLETIONS)


def from_choices(values: Mapping[str, Any], name: str, where: str, most: int = LARGEST_GRID) -> Design:
    """A Design of all combinations of `values`, a mapping of field (or array) to a list of values, or one value.

    where: what to name in an error. most: of combinations. Raises DesignError for an unknown field or a value that it
    cannot take.
    """
    lists = parsed(values, where)
    count = int(np.prod([len(v) for v in lists.values()], dtype=np.float64))
    if count > most:
        raise DesignError(f"{where} has {count} combinations: give at most {most} at a time")
    digits, repeat = [], count
    for choices in lists.values():
        repeat //= len(choices)
        digits.append(np.arange(count) // repeat % len(choices))
    return combined(lists, digits, count, name, where)


def parsed(values: Mapping[str, Any], where: str) -> dict[str, np.ndarray]:
    """{field (or array): the values given for it, as an array}; raises DesignError as `from_choices` does."""
    known = {f.name: f for f in fields(Design) if f.name != "name"}
    if unknown := [key for key in values if key not in known and key != "array"]:
        raise DesignError(f"{where} has the unknown key {quoted(unknown[0])}: use one of array, {', '.join(known)}")
    if clash := {"rows", "cols", "cores"} & set(values) if "array" in values else ():
        raise DesignError(f"{where} gives both array and {sorted(clash)[0]}: give one of them")
    lists = {}
    for key, given in values.items():
        lists[key] = arrays_of(given, where) if key == "array" else Setting.parse(known[key], given, where)
        if not len(lists[key]):
            raise DesignError(f"{where} gives no value for {key}: give at least one")
    return lists


def combined(
    lists: Mapping[str, np.ndarray], digits: Sequence[np.ndarray], count: int, name: str, where: str
) -> Design:
    """The Design of `count` rows whose value of each key of `lists` is the one that its digits, int64 (count,), pick.

    lists: what `parsed` returns. digits: in the order of `lists`. Other fields have their defaults. Raises DesignError.
    """
    table = {key: choices[picks] for (key, choices), picks in zip(lists.items(), digits, strict=True)}
    if "array" in table:
        table |= dict(zip(("rows", "cols", "cores"), table.pop("array").T.copy(), strict=True))
    for f in fields(Design):
        if f.name != "name" and f.name not in table and f.metadata["default"] is not None:
            default = Setting.parse(f, f.metadata["default"], where)
            table[f.name] = np.repeat(default, count, axis=0)
    derived = energy.defaults(table)
    table |= {key: value for key, value in derived.items() if key not in table}
    try:
        return Design(name=np.full(count, name), **table)
    except DesignError as error:
        raise DesignError(f"{where}: {error}") from None


def arrays_of(given: Any, where: str) -> np.ndarray:
    """int64 (n, 3): rows, cols and cores of each array in `given`; raises DesignError."""
    try:
        listed = [list(sizes) for sizes in given]
        sizes = np.array(listed)
        if sizes.shape[1:] != (3,) or sizes.dtype.kind not in "iu" or sizes.max(initial=0) > LARGEST_EXACT:
            raise ValueError
        if any(isinstance(side, bool | np.bool_) for sides in listed for side in sides):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise DesignError(
            f"{where} gives array as {quoted(given)}: give lists of three whole numbers, rows, cols and cores, "
            "such as [[32, 32, 1], [16, 16, 4]]"
        ) from None
    return sizes.astype(np.int64)


def _is_run(picked):
    return len(picked) > 0 and (np.diff(picked) == 1).all()
