"""Energy of training steps, from the counters that GPUs (NVML) and CPUs (RAPL) keep."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from baselines.errors import DeviceError
from baselines.live.nvml import board_joules, opened

IDLE_S = 1.0
SHORTEST_S = 0.5  # of a window, long against the 20 to 100 ms after which NVML's counter moves
NO_COUNTER = "the device has no energy counter that is known here"
RAPL = Path("/sys/class/powercap")


class EnergyCounter(Protocol):
    """Counts the joules that a device uses, in one column or several."""

    name: str

    def read(self) -> tuple[float, ...]:
        """Joules now; raises DeviceError where they cannot be read."""
        ...

    def spans(self) -> tuple[float, ...]:
        """Joules after which each column starts again, inf where it does not."""
        ...


@dataclass(frozen=True)
class NvmlCounter:
    """The total-energy counter of one GPU: the whole board, in millijoules since the driver was loaded (Volta on)."""

    uuid: str
    name: str = "NVML total energy of the board"

    def read(self) -> tuple[float, ...]:
        """tuple of the counter's joules; raises DeviceError where it cannot be read."""
        with opened(self.uuid) as (nvml, handle):
            return (board_joules(nvml, handle),)

    def spans(self) -> tuple[float, ...]:
        """tuple of joules after which each counter starts again; this one does not."""
        return (math.inf,)


@dataclass(frozen=True)
class RaplCounter:
    """The energy counters of all CPU packages of this machine, in microjoules; without memory and board."""

    root: Path = RAPL
    name: str = "RAPL energy of all CPU packages"

    def read(self) -> tuple[float, ...]:
        """tuple of joules, one per package; raises DeviceError where none can be read."""
        return self._column("energy_uj")

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
    idle_s: float = IDLE_S,
) -> tuple[float, str]:
    """(joules per step, note) over a window of repeated steps; (NaN, reason) where there is no counter to read.

    counter: None where the device has none. run: function (steps) that returns when the
    device has done them. The note gives the window and the idle power, which is part of the energy.
    """
    if counter is None:
        return math.nan, NO_COUNTER
    if not window_s:
        return math.nan, "not asked for"
    try:
        idle_j, seconds = _used(counter, lambda: time.sleep(idle_s))
        idle_w = idle_j / seconds
        steps = max(1, math.ceil(window_s / step_s))
        used_j, seconds = _used(counter, lambda: run(steps))
    except DeviceError as error:
        return math.nan, str(error)
    if not used_j > 0:
        return math.nan, f"{counter.name} did not move in {seconds:.2f} s"
    return used_j / steps, f"{counter.name}, {steps} steps in {seconds:.2f} s, idle {idle_w:.1f} W included"


def meter(counter: EnergyCounter | None, idle_s: float = IDLE_S) -> Callable[[int], tuple[float, str]]:
    """Begin to count the energy of steps that run elsewhere, a training loop's; measures the idle power first.

    counter: as in `energy_per_step`. Returns a function (steps) that ends the count and gives (joules per step, note);
    (NaN, reason) where there is no counter to read or the window was too short for it.
    """
    if counter is None:
        return lambda steps: (math.nan, NO_COUNTER)
    try:
        idle_j, seconds = _used(counter, lambda: time.sleep(idle_s))
        idle_w = idle_j / seconds if seconds else math.nan
        before, started = counter.read(), time.perf_counter()
    except DeviceError as error:
        reason = str(error)
        return lambda steps: (math.nan, reason)

    def end(steps: int) -> tuple[float, str]:
        try:
            used_j, seconds = _moved(counter, before, counter.read()), time.perf_counter() - started
        except DeviceError as error:
            return math.nan, str(error)
        if seconds < SHORTEST_S:
            return math.nan, f"{seconds:.2f} s are too short for {counter.name}"
        if not used_j > 0:
            return math.nan, f"{counter.name} did not move in {seconds:.2f} s"
        note = f"{counter.name}, {steps} steps in {seconds:.2f} s with all between them, idle {idle_w:.1f} W included"
        return used_j / steps, note

    return end


def _used(counter, run):
    """(joules, seconds) that `run()` takes."""
    before, started = counter.read(), time.perf_counter()
    run()
    return _moved(counter, before, counter.read()), time.perf_counter() - started


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
