"""Report: what the model says of a trace on designs."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from accel_model.formats.listing import ROWS, counted, listing
from accel_model.types import Phase


class Bound(IntEnum):
    """Which term of an op's time is the largest."""

    COMPUTE = 0
    BUFFER = 1
    DRAM = 2
    VECTOR = 3
    LAUNCH = 4


@dataclass(frozen=True, eq=False)
class Report:
    """Time, traffic and energy of one training step; numpy arrays whatever the design's arrays are.

    Per op, (designs, ops), None where replay kept sums only; the ops of a fused group stand at its first op, zeros at
    the others. Per design, (designs,). step_s is the sum of op_s and host_s. Where `runs` is false, times and energy of
    the step are infinite, and what is kept per op means nothing.
    """

    step_s: np.ndarray
    host_s: np.ndarray  # the batch's way from the host, part of step_s
    floor_s: np.ndarray  # no schedule is faster: MACs at peak rate, or unavoidable bytes at pin bandwidth
    utilisation: np.ndarray  # MACs over those that the PEs could do in step_s, 0 to 1
    energy_j: np.ndarray
    dram_total_bytes: np.ndarray
    fits: np.ndarray  # bool, the step's peak of live tensors fits the DRAM
    watts: np.ndarray  # average over the step
    over_watts_limit: np.ndarray  # bool
    phase_s: np.ndarray  # (designs, phases) in the order of Phase, without host_s
    bound_s: np.ndarray  # (designs, bounds) time of the ops that each Bound won, without host_s
    runs: np.ndarray  # bool, every op has a tile that fits the buffer
    compute_cycles: np.ndarray | None = None  # int64, the untiled closed form
    tiled_cycles: np.ndarray | None = None  # int64, with the chosen tiles
    dram_bytes: np.ndarray | None = None
    buffer_traffic_bytes: np.ndarray | None = None  # to and from the PEs, and to and from DRAM
    compute_s: np.ndarray | None = None
    dram_s: np.ndarray | None = None
    buffer_s: np.ndarray | None = None
    vector_s: np.ndarray | None = None
    launch_s: np.ndarray | None = None
    op_s: np.ndarray | None = None
    bound: np.ndarray | None = None  # Bound
    op_energy_j: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.step_s)

    def __repr__(self):
        kept = "sums only" if self.op_s is None else f"{self.op_s.shape[1]} ops"
        return f"Report({len(self)} designs, {kept})"

    def __str__(self):
        bounds = self.by_bound()
        rows = [
            (
                row,
                float(self.step_s[row] * 1e3),
                float(self.floor_s[row] * 1e3),
                float(self.utilisation[row] * 100),
                max(bounds, key=lambda name: bounds[name][row]),
                float(self.dram_total_bytes[row] / 1e6),
                float(self.energy_j[row]),
                float(self.watts[row]),
                "yes" if self.fits[row] else "no",
            )
            for row in range(min(len(self), ROWS))
        ]
        head = ("design", "step ms", "floor ms", "utilised %", "mostly", "DRAM MB", "J", "W", "fits DRAM")
        return listing(f"Report on {counted(len(self), 'design')}", head, rows, len(self))

    def by_phase(self) -> dict[str, np.ndarray]:
        """{phase name: float64 (designs,) seconds}."""
        return {phase.name.lower(): self.phase_s[:, phase] for phase in Phase}

    def by_bound(self) -> dict[str, np.ndarray]:
        """{name of the winning term: float64 (designs,) seconds}, with the host transfer as "host"."""
        return {bound.name.lower(): self.bound_s[:, bound] for bound in Bound} | {"host": self.host_s}

    def joules_per_sample(self, batch: int) -> np.ndarray:
        """float64 (designs,), energy of the step over its samples."""
        return self.energy_j / batch
