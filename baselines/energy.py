"""Energy of training steps, from the counters that GPUs (NVML) and CPUs (RAPL) keep."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from baselines.errors import DeviceError
from baselines.nvml import opened

IDLE_S = 1.0
RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True)
class NvmlCounter:
    """The total-energy counter of one GPU: the whole board, in millijoules since the driver was loaded (Volta on)."""

    uuid: str
    name: str = "NVML total energy of the board"

    def read(self):
        """tuple of the counter's joules; raises DeviceError where it cannot be read."""
        with opened(self.uuid) as (nvml, handle):
            return (nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3,)

    def spans(self):
        """tuple of joules after which each counter starts again; this one does not."""
        return (math.inf,)


@dataclass(frozen=True)
class RaplCounter:
    """The energy counters of all CPU packages of this machine, in microjoules; without memory and board."""

    root: Path = RAPL
    name: str = "RAPL energy of all CPU packages"

    def read(self):
        """tuple of joules, one per package; raises DeviceError where none can be read."""
        return self._column("energy_uj")

    def spans(self):
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


def energy_per_step(counter, run, step_s, window_s, idle_s=IDLE_S):
    """(joules per step, note) over a window of repeated steps; (NaN, reason) where there is no counter to read.

    counter: NvmlCounter or RaplCounter, or None where the device has none. run: function (steps) that returns when the
    device has done them. The note gives the window and the idle power, which is part of the energy.
    """
    if counter is None:
        return math.nan, "the device has no energy counter that is known here"
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


def _used(counter, run):
    """(joules, seconds) that `run()` takes."""
    before, started = counter.read(), time.perf_counter()
    run()
    after, seconds = counter.read(), time.perf_counter() - started
    used = zip(before, after, counter.spans(), strict=True)
    return sum(end - start if end >= start else end - start + span for start, end, span in used), seconds
