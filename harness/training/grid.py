"""Which measurements to record, in which order and within which time: values in, values out, no device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from baselines.vocabulary import COMPILED_MODES

BUDGET = "no time was left (record.budget_s)"
AGAIN = (
    "the device is of no more use to this process: run the same command again, which goes on after what is recorded; "
    "where it ends here again, leave the mode out that failed before"
)


@dataclass(frozen=True)
class GridCell:
    """What is measured together: one step in several modes, whose samples are interleaved."""

    workload: str
    batch_size: int
    precision: str
    modes: tuple[str, ...]
    telling: bool = True  # whether this is the batch by which the workload is best judged

    def key(self, mode: str) -> tuple[str, int, str, str]:
        """What tells the measurement of `mode` from those of other cells."""
        return self.workload, self.batch_size, self.precision, mode

    def without(self, modes: Collection[str]) -> GridCell:
        """This cell with its other modes only."""
        return replace(self, modes=tuple(mode for mode in self.modes if mode not in modes))


@dataclass(frozen=True)
class Refusal:
    """A mode that was not measured, and why."""

    mode: str
    why: str
    too_large: bool = False  # the step did not fit the device's memory
    ends: bool = False  # the device is of no more use to this process


@dataclass(frozen=True)
class Left:
    """A cell that was not measured, and why."""

    cell: GridCell
    why: str


def grid(
    own_batches: Mapping[str, int], batches: Sequence[int], precisions: Sequence[str], modes: Sequence[str]
) -> list[GridCell]:
    """The cells of all combinations, in the order in which they are worth having.

    own_batches: {workload: the batch it is trained at}, batches, precisions, modes: each in the order of their worth.
    First eager and CUDA graphs at the workload's telling batch, the one of `batches` that is nearest to its own in
    octaves (the larger of two); then the other batches, the nearest first; what compiles at the telling batch last, one
    mode after the other.
    Every workload gets a batch in every precision before any gets another batch.
    """
    ranked = {
        workload: sorted(set(batches), key=lambda batch, own=own: (abs(math.log2(batch / own)), -batch))
        for workload, own in own_batches.items()
    }
    quick = tuple(mode for mode in modes if mode not in COMPILED_MODES)
    rounds = [(rank, quick) for rank in range(len(set(batches)))] if quick else []
    rounds += [(0, (mode,)) for mode in COMPILED_MODES if mode in modes]
    return [
        GridCell(workload, ranked[workload][rank], precision, together, telling=rank == 0)
        for rank, together in rounds
        for precision in precisions
        for workload in own_batches
    ]


def remaining(cells: Sequence[GridCell], done: Collection[tuple]) -> list[GridCell]:
    """`cells` without the modes whose `GridCell.key` is in the set `done`; a cell left without a mode goes.

    Cells of which some modes are done come last: the others may have failed before, and may end the measuring again.
    """
    left = [cell.without([mode for mode in cell.modes if cell.key(mode) in done]) for cell in cells]
    whole = [cell for cell, before in zip(left, cells, strict=True) if cell.modes == before.modes]
    return whole + [cell for cell, before in zip(left, cells, strict=True) if cell.modes not in ((), before.modes)]


def work_through(
    cells: Sequence[GridCell],
    measure: Callable[[GridCell], Sequence[Refusal]],
    until_s: float,
    clock: Callable[[], float] = time.monotonic,
    begin: Callable[[int, GridCell], None] = lambda number, cell: None,
) -> list[Left]:
    """Measure cell after cell and return the Lefts, those that no time was left for among them.

    measure: function (cell) that keeps what it finds and returns the Refusals. No cell begins when `clock()` has
    reached `until_s`, but for the first, so that repeated calls come to an end. A batch that does not fit ends the
    larger ones of its workload, precision and mode, and a Refusal that `ends` all that follow. begin: told the number
    of each cell, from 1, before it is measured.
    """
    left, smallest_refused, began, ended = [], {}, False, False
    for number, cell in enumerate(cells, 1):
        hopeless = {
            mode: least
            for mode in cell.modes
            if (least := smallest_refused.get((cell.workload, cell.precision, mode), math.inf)) <= cell.batch_size
        }
        left += [
            Left(replace(cell, modes=(mode,)), f"batch {least} did not fit the memory")
            for mode, least in hopeless.items()
        ]
        cell = cell.without(hopeless)
        if not cell.modes:
            continue
        if ended or (began and clock() >= until_s):
            left.append(Left(cell, AGAIN if ended else BUDGET))
            continue
        began = True
        begin(number, cell)
        for refusal in measure(cell):
            left.append(Left(replace(cell, modes=(refusal.mode,)), refusal.why))
            ended = ended or refusal.ends
            if refusal.too_large:
                key = (cell.workload, cell.precision, refusal.mode)
                smallest_refused[key] = min(cell.batch_size, smallest_refused.get(key, math.inf))
    return left
