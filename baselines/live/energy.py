"""Energy of training steps, from the counters that GPUs (NVML) and CPUs (RAPL) keep."""

import contextlib
import math
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from baselines.errors import DeviceError
from baselines.live.nvml import board_joules, opened

IDLE_S = 1.0
SHORTEST_S = 2.0  # of a window, long against the 20 to 100 ms after which NVML's counter moves
SHORTEST_RAPL_S = 0.5  # long against the 1 ms after which RAPL's counters move
LONGER = 1.1  # by which what is missing of a window is run longer than it must be
MOST_LONGER = 100  # times the steps of a window that came out too short
NO_COUNTER = "the device has no energy counter that is known here"
RAPL = Path("/sys/class/powercap")


Read = Callable[[], tuple[float, ...]]


class EnergyCounter(Protocol):
    """Counts the joules that a device uses, in one column or several."""

    name: str
    shortest_s: float  # seconds below which a window is too short for it

    def read(self) -> tuple[float, ...]:
        """Joules now; raises DeviceError where they cannot be read."""
        ...

    def reading(self) -> contextlib.AbstractContextManager[Read]:
        """What reads the joules, as `read` does, with what it needs kept open for as long as the context lasts."""
        ...

    def spans(self) -> tuple[float, ...]:
        """Joules after which each column starts again, inf where it does not."""
        ...


@dataclass(frozen=True)
class NvmlCounter:
    """The total-energy counter of one GPU: the whole board, in millijoules since the driver was loaded (Volta on)."""

    uuid: str
    name: str = "NVML total energy of the board"
    shortest_s: float = SHORTEST_S

    def read(self) -> tuple[float, ...]:
        """tuple of the counter's joules; raises DeviceError where it cannot be read."""
        with self.reading() as read:
            return read()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Read]:
        """What `read` does, without NVML being started and shut down at each end of a window."""
        with opened(self.uuid) as (nvml, handle):

            def read():
                return (board_joules(nvml, handle),)

            yield read

    def spans(self) -> tuple[float, ...]:
        """tuple of joules after which each counter starts again; this one does not."""
        return (math.inf,)


@dataclass(frozen=True)
class RaplCounter:
    """The energy counters of all CPU packages of this machine, in microjoules; without memory and board."""

    root: Path = RAPL
    name: str = "RAPL energy of all CPU packages"
    shortest_s: float = SHORTEST_RAPL_S

    def read(self) -> tuple[float, ...]:
        """tuple of joules, one per package; raises DeviceError where none can be read."""
        return self._column("energy_uj")

    def reading(self) -> contextlib.AbstractContextManager[Read]:
        """What `read` does; its files are opened each time."""
        return contextlib.nullcontext(self.read)

    def spans(self) -> tuple[float, ...]:
        """tuple of joules after which each counter starts again."""
        return self._column("max_energy_range_uj")

    def _column(self, file):
        packages = sorted(path for path in Path(self.root).glob("*-rapl:*") if path.name.count(":") == 1)
        if not packages:
            raise DeviceError(f"there is no RAPL counter in {self.root}")
        try:
            return tuple(int((package / file).read_text()) / 1e6 for package in packages)
        except (OSError, ValueError) as error:
            raise DeviceError(f"RAPL counters cannot be read ({error}): root may read them") from None


def energy_per_step(
    counter: EnergyCounter | None,
    run: Callable[[int], object],
    step_s: float,
    window_s: float,
    idle_s: float | None = None,
) -> tuple[float, str]:
    """(joules per step, note) over a window of repeated steps; (NaN, reason) where there is no counter to read.

    counter: None where the device has none. run: function (steps) that returns when the
    device has done them. window_s: 0 asks for no energy; a window that is too short for the counter gives NaN. idle_s:
    seconds over which the idle power is found, by default enough for the counter. The note gives the window and the
    idle power, which is part of the energy.
    """
    if counter is None:
        return math.nan, NO_COUNTER
    if not window_s:
        return math.nan, "not asked for"
    shortest_s = _shortest_s(counter)
    if window_s < shortest_s:
        return math.nan, _too_short(counter, window_s)
    try:
        with _reading(counter) as read:
            idle_w = _idle_w(counter, read, idle_s)
            before, started = read(), time.perf_counter()
            steps = max(1, math.ceil(window_s / step_s))
            run(steps)
            if (seconds := time.perf_counter() - started) < shortest_s:  # the steps have become faster
                more = min(math.ceil(LONGER * steps * (shortest_s / max(seconds, 1e-9) - 1)), MOST_LONGER * steps)
                run(more)
                steps += more
            used_j, seconds = _moved(counter, before, read()), time.perf_counter() - started
    except DeviceError as error:
        return math.nan, str(error)
    if reason := _unusable(counter, used_j, seconds):
        return math.nan, reason
    return used_j / steps, f"{counter.name}, {steps} steps in {seconds:.2f} s, idle {idle_w:.1f} W included"


def meter(counter: EnergyCounter | None, idle_s: float | None = None) -> Callable[[int], tuple[float, str]]:
    """Begin to count the energy of steps that run elsewhere, a training loop's; measures the idle power first.

    counter, idle_s: as in `energy_per_step`. Returns a function (steps) that ends the count and gives (joules per step,
    note); (NaN, reason) where there is no counter to read or the window was too short for it. What the counter needs is
    kept open until then, or until the function is forgotten.
    """
    if counter is None:
        return lambda steps: (math.nan, NO_COUNTER)
    opened_now = contextlib.ExitStack()
    try:
        read = opened_now.enter_context(_reading(counter))
        idle_w = _idle_w(counter, read, idle_s)
        before, started = read(), time.perf_counter()
    except DeviceError as error:
        opened_now.close()
        reason = str(error)
        return lambda steps: (math.nan, reason)

    def end(steps: int) -> tuple[float, str]:
        try:
            used_j, seconds = _moved(counter, before, read()), time.perf_counter() - started
        except DeviceError as error:
            return math.nan, str(error)
        finally:
            opened_now.close()
        if reason := _unusable(counter, used_j, seconds):
            return math.nan, reason
        note = f"{counter.name}, {steps} steps in {seconds:.2f} s with all between them, idle {idle_w:.1f} W included"
        return used_j / steps, note

    weakref.finalize(end, opened_now.close)
    return end


def _reading(counter):
    """The context of `counter.reading`; of a counter that only reads, its `read`."""
    return counter.reading() if hasattr(counter, "reading") else contextlib.nullcontext(counter.read)


def _shortest_s(counter):
    return getattr(counter, "shortest_s", SHORTEST_S)


def _idle_w(counter, read, idle_s):
    """Watts of the device while nothing is asked of it."""
    before, started = read(), time.perf_counter()
    time.sleep(max(IDLE_S, _shortest_s(counter)) if idle_s is None else idle_s)
    used_j, seconds = _moved(counter, before, read()), time.perf_counter() - started
    return used_j / seconds if seconds else math.nan


def _too_short(counter, seconds):
    return f"{seconds:.2f} s are too short for {counter.name}, which takes {_shortest_s(counter):g} s or more"


def _unusable(counter, used_j, seconds):
    """Why what a counter moved in a window says nothing, or ""."""
    if seconds < _shortest_s(counter):
        return _too_short(counter, seconds)
    return "" if used_j > 0 else f"{counter.name} did not move in {seconds:.2f} s"


def _moved(counter, before, after):
    """Joules from one reading of the counter to a later one; raises DeviceError where that is no amount."""
    used_j = 0.0
    for start, end, span in zip(before, after, counter.spans(), strict=True):
        if not (math.isfinite(start) and math.isfinite(end)):
            raise DeviceError(f"{counter.name} reads {start} J and then {end} J, which are no amounts")
        if end < start and not (math.isfinite(span) and start - end <= span):
            raise DeviceError(f"{counter.name} went back from {start:.3f} J to {end:.3f} J: it was set back meanwhile")
        used_j += end - start if end >= start else end - start + span
    return used_j
