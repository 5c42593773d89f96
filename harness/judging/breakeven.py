"""Break-even: the smallest MAC count, clock, bandwidth and on-chip memory with which a step takes at most a given time.

Each of the four is varied alone, all else as in one nominal design, and MACs and bandwidth together. Every design is
replayed once (`curves`); a target is then a look-up (`smallest`, `frontier`).

More clock, bandwidth or memory is never slower, so the smallest that suffices is one number. Larger arrays can be
slower, since edge folds fill and drain; the answer for MACs is the smallest array tried that suffices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from accel_model import Design, Report, Trace, replay
from harness.judging.compare import simulate
from harness.text.units import ms, quantity

CLOCK_HZ = (1e8, 2e10)
BANDWIDTH = (1e9, 2e13)  # bytes/s
STEP = 1.06  # between values of clock and bandwidth; between two of them, time is taken as linear in 1 / value
FRONTIER_STEP = 10**0.25  # between bandwidths of the frontier
BUFFER_BYTES = (2**16, 2**30)  # in steps of 1.5 and 4/3
MACS_PER_CORE = (8 * 8, 2048 * 2048)  # in steps of 2

LIMITS = {  # how each binding term is called when it is what keeps a value from meeting the target
    "compute": "the MAC units",
    "buffer": "the path between on-chip memory and MAC units",
    "dram": "DRAM",
    "vector": "the vector unit",
    "launch": "the launch of ops",
    "host": "the batch's copy from the host",
}
PARAMETERS = ("macs", "clock_hz", "dram_bytes_per_s", "buffer_bytes")


@dataclass(frozen=True, eq=False)
class Curves:
    """One trace on variants of one design: each parameter alone, and MACs with bandwidth."""

    own: dict  # {parameter: float, the design's own value}
    values: dict  # {parameter: float64 (n,), ascending}
    rows: dict  # {parameter: int64 (n,), rows of report}
    report: Report  # of every variant
    arrays: np.ndarray  # int64 (macs, 3): rows, cols and cores of values["macs"]
    bandwidths: np.ndarray  # float64 (bandwidths,), bytes/s, of the grid
    grid: np.ndarray  # int64 (macs, bandwidths), rows of report

    def step_s(self, parameter: str, scope: str) -> np.ndarray:
        """float64 (n,), seconds of what `scope` covers at each of the values; infinite where the design cannot run."""
        return scope_s(self.report, scope)[self.rows[parameter]]

    def grid_s(self, scope: str) -> np.ndarray:
        """float64 (macs, bandwidths), seconds of what `scope` covers; infinite where the design cannot run."""
        return scope_s(self.report, scope)[self.grid]


@dataclass(frozen=True)
class Answer:
    """The smallest value of one parameter that meets a target, or NaN where none does."""

    parameter: str
    value: float  # MACs, Hz, bytes/s or bytes
    factor: float  # over the design's own value
    why: str  # what keeps every value from meeting it, or that the design's own suffices, or ""


def curves(trace: Trace, design: Design) -> Curves:
    """The Curves of `trace` around the first row of `design`, from one replay of some thousand variants.

    The arrays halve the longer and double the shorter side of the design's own, so a square one gives squares and 1:2
    rectangles of powers of two; cores stay. Raises DesignError where the design itself cannot run the trace.
    """
    replay(trace, design[:1], per_op=False)  # an error names what is wrong with it
    return of_report(replay(trace, variants(design), per_op=False, must_run=False), design)


def variants(design: Design) -> Design:
    """The Design of every variant of the first row of `design` that its Curves need, in the order of their report."""
    plan, alone = _plan(design), PARAMETERS[1:]
    tables = [_variants(design, **{parameter: plan["values"][parameter]}) for parameter in alone]
    arrays, bandwidths = plan["arrays"], plan["bandwidths"]
    each, across = np.repeat(arrays, len(bandwidths), axis=0), np.tile(bandwidths, len(arrays))
    tables.append(_variants(design, rows=each[:, 0], cols=each[:, 1], cores=each[:, 2], dram_bytes_per_s=across))
    return Design.stack(tables)


def of_report(report: Report, design: Design) -> Curves:
    """The Curves around the first row of `design`, from the Report of its `variants`."""
    return Curves(report=report, **_plan(design))


def _plan(design):
    """Every field of Curves but the report."""
    arrays = ladder(int(design.rows[0]), int(design.cols[0]), int(design.cores[0]))
    own = {
        "macs": float(design.pes[0]),
        "clock_hz": float(design.clock_hz[0]),
        "dram_bytes_per_s": float(design.dram_bytes_per_s[0]),
        "buffer_bytes": float(design.buffer_bytes[0]),
    }
    values = {
        "macs": arrays.prod(axis=1).astype(np.float64),
        "clock_hz": _geometric(*CLOCK_HZ, STEP, own["clock_hz"]),
        "dram_bytes_per_s": _geometric(*BANDWIDTH, STEP, own["dram_bytes_per_s"]),
        "buffer_bytes": _memories(own["buffer_bytes"]),
    }
    bandwidths = _geometric(*BANDWIDTH, FRONTIER_STEP, own["dram_bytes_per_s"])
    rows, count = {}, 0
    for parameter in PARAMETERS[1:]:
        rows[parameter] = count + np.arange(len(values[parameter]))
        count += len(values[parameter])
    grid = count + np.arange(len(arrays) * len(bandwidths)).reshape(len(arrays), len(bandwidths))
    rows["macs"] = grid[:, np.flatnonzero(bandwidths == own["dram_bytes_per_s"])[0]]
    return {"own": own, "values": values, "rows": rows, "arrays": arrays, "bandwidths": bandwidths, "grid": grid}


def ladder(rows: int, cols: int, cores: int) -> np.ndarray:
    """int64 (n, 3), arrays from about 8 x 8 to 2048 x 2048 PEs a core, the given one among them, by ascending MACs."""
    down, up = [(rows, cols)], []
    while (last := down[-1])[0] * last[1] > MACS_PER_CORE[0] and max(last) > 1:
        down.append((max(last[0] // 2, 1), last[1]) if last[0] >= last[1] else (last[0], max(last[1] // 2, 1)))
    last = rows, cols
    while last[0] * last[1] < MACS_PER_CORE[1]:
        last = (last[0], 2 * last[1]) if last[1] <= last[0] else (2 * last[0], last[1])
        up.append(last)
    return np.array([(*sides, cores) for sides in [*down[::-1], *up]], dtype=np.int64)


def scope_s(report: Report, scope: str) -> np.ndarray:
    """float64 (designs,), seconds of the part of a step that `scope` covers (harness.judging.compare.simulate)."""
    seconds = simulate(report, np.zeros(len(report)), scope).step_s
    return np.where(report.runs, seconds, np.inf)


def smallest(curves: Curves, target_s: float, scope: str) -> dict[str, Answer]:
    """{parameter: Answer}, the smallest value of each of PARAMETERS alone with which `scope` takes at most `target_s`.

    Clock and bandwidth are interpolated, within 1 %. MACs and memory are values tried, in steps of 2 and at most 1.5.
    Beside a value `why` says whether the design's own one suffices; without one, what keeps every value from it.
    """
    return {parameter: _answer(curves, parameter, target_s, scope) for parameter in PARAMETERS}


def frontier(curves: Curves, target_s: float, scope: str) -> tuple[np.ndarray, np.ndarray]:
    """(bandwidths, macs): float64 (n,) each, the smallest MAC count tried at each bandwidth that meets `target_s`.

    NaN where none does.
    """
    meets = curves.grid_s(scope) <= target_s
    first = curves.values["macs"][meets.argmax(axis=0)]
    return curves.bandwidths, np.where(meets.any(axis=0), first, np.nan)


def _answer(curves, parameter, target_s, scope):
    values, seconds, own = curves.values[parameter], curves.step_s(parameter, scope), curves.own[parameter]
    meets = seconds <= target_s
    if not meets.any():
        return Answer(parameter, math.nan, math.nan, _obstacle(curves, parameter, target_s, scope))
    first = int(meets.argmax())
    if first == 0:
        why = f"even {quantity(parameter, values[0])}, the least tried, suffices"
        return Answer(parameter, float(values[0]), float(values[0] / own), why)
    value = float(values[first])
    if parameter in ("clock_hz", "dram_bytes_per_s") and np.isfinite(seconds[first - 1]):
        slow, fast = 1 / values[first - 1], 1 / values[first]
        part = (target_s - seconds[first]) / (seconds[first - 1] - seconds[first])
        value = float(1 / (fast + part * (slow - fast)))
    why = "the design's own value suffices" if value <= own else ""
    return Answer(parameter, value, value / own, why)


def _obstacle(curves, parameter, target_s, scope):
    """Why no value of `parameter` meets the target: what binds at the fastest one."""
    values, seconds = curves.values[parameter], curves.step_s(parameter, scope)
    best = int(seconds.argmin())
    row = curves.rows[parameter][best]
    shares = {name: float(bound[row]) for name, bound in curves.report.by_bound().items()}
    if scope == "step":
        shares["host"] = 0.0
    name = max(shares, key=shares.get)
    text = (
        f"{quantity(parameter, values[best])}, the fastest of all up to {quantity(parameter, values[-1])}, still takes "
        f"{ms(seconds[best])} of the {ms(target_s)} allowed; {ms(shares[name])} of the step wait for {LIMITS[name]}"
    )
    lost = values[best:][~np.isfinite(seconds[best:])]
    if not lost.size:
        return text
    return f"{text}; from {quantity(parameter, lost[0])} on no tile fits the on-chip memory"


def _variants(design, **columns):
    """A Design whose rows are the first of `design` with `columns` (n,) in place of its own."""
    count = len(next(iter(columns.values())))
    of_own = {name: values.astype(getattr(design, name).dtype) for name, values in columns.items()}
    return replace(design[np.zeros(count, dtype=np.int64)], **of_own)


def _geometric(low, high, step, own):
    """float64 (n,), from `low` to `high` (or `own`, where that lies beyond) in steps of at most `step`, with `own`."""
    low, high = min(low, own), max(high, own)
    count = math.ceil(math.log(high / low) / math.log(step)) + 1
    return np.unique(np.append(np.geomspace(low, high, count), own))


def _memories(own):
    """float64 (n,), bytes: powers of two and one and a half times each, with `own`."""
    powers = 2 ** np.arange(math.log2(BUFFER_BYTES[0]), math.log2(BUFFER_BYTES[1]) + 1)
    return np.unique(np.concatenate([powers, 1.5 * powers[:-1], [own]]))
