"""The claim map as grids: one panel for each workload, baselines by batch, a mark for each claim."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.flows.claim_map.values import Cell, ClaimMap
from harness.judging.claims import Verdict
from harness.report import words
from harness.settings.metrics import metric_text
from harness.settings.schema import ClaimConfig
from harness.text.shown import LONGEST_SOURCE, shown


@dataclass(frozen=True)
class PanelRow:
    """One baseline, whatever its batch."""

    kind: str
    device: str  # with its year
    detail: str  # precision, mode and scope

    @property
    def label(self) -> str:
        """All of it in one line."""
        return f"{self.kind}: {self.device}, {self.detail}"


@dataclass(frozen=True)
class Mark:
    """What one cell says of one claim."""

    key: str  # one of words.KEYS
    text: str  # the nominal completion's value of the metric
    hint: str  # the verdict with its reason


@dataclass(frozen=True)
class Panel:
    """One workload: rows of baselines, columns of batches, a tuple of Marks (one for each claim) in each cell."""

    workload: str
    title: str
    claims: tuple[str, ...]  # name and what it asks for
    rows: tuple[PanelRow, ...]
    batches: tuple[int, ...]
    cells: dict[tuple[int, int], tuple[Mark, ...]]  # by row and column

    @property
    def starts(self) -> list[int]:
        """Rows at which another kind of baseline begins."""
        kinds = [row.kind for row in self.rows]
        return [i for i, kind in enumerate(kinds) if not i or kind != kinds[i - 1]]

    def marks(self, row: int, claim: int) -> list[Mark | None]:
        """The Marks of a row on one claim by column, None where there is no baseline of that batch."""
        return [self.cells[row, column][claim] if (row, column) in self.cells else None for column in self.columns]

    @property
    def columns(self) -> range:
        """Numbers of the columns."""
        return range(len(self.batches))


def panels(claim_map: ClaimMap) -> list[Panel]:
    """A Panel for each workload that has cells, in the order of the steps."""
    workloads = dict.fromkeys(cell.step.workload for cell in claim_map.cells)
    return [_panel(claim_map, workload) for workload in workloads]


def ordered(cells: Iterable[Cell]) -> list[Cell]:
    """Cells by kind, then by device, the one that is slowest at its best first, then by what else tells them apart."""
    cells, kinds, best = list(cells), list(words.KINDS), {}
    for cell in cells:
        name = cell.baseline.device
        best[name] = min(best.get(name, math.inf), _sample_s(cell))

    def place(cell):
        one = cell.baseline
        return kinds.index(one.kind), -best[one.device], one.device, one.precision, one.mode, one.scope, one.batch_size

    return sorted(cells, key=place)


def _panel(claim_map, workload):
    cells = ordered(cell for cell in claim_map.cells if cell.step.workload == workload)
    batches = sorted({cell.step.batch_size for cell in cells})
    rows, marks = {}, {}
    for cell in cells:
        place, column = _place(cell, rows, marks, batches.index(cell.step.batch_size))
        marks[place, column] = tuple(mark(claim_map.claims[verdict.claim], verdict) for verdict in cell.verdicts)
    claims = tuple(f"{name}: {words.asks(claim)}" for name, claim in claim_map.claims.items())
    title = f"{shown(workload)}: the {shown(claim_map.accelerator)} accelerator against each baseline"
    return Panel(workload, title, claims, tuple(rows), tuple(batches), marks)


def _place(cell, rows, marks, column):
    """(row, column) of a cell; `rows` grows where no row of the same baseline has room in that column."""
    one, count = cell.baseline, 1
    detail = ", ".join(filter(None, [words.precision(cell), words.mode(one), words.scope(one)]))
    while True:
        where = f"; {shown(one.locator or one.source, LONGEST_SOURCE)}" if count > 1 else ""
        again = f" ({count})" if count > 2 else ""
        row = PanelRow(one.kind, words.device(one), f"{detail}{where}{again}")
        place = rows.setdefault(row, len(rows))
        if (place, column) not in marks:
            return place, column
        count += 1


def mark(claim: ClaimConfig, verdict: Verdict) -> Mark:
    """The Mark of a Verdict."""
    middle = verdict.nominal.value[1]
    text = metric_text(claim.metric, middle) if math.isfinite(middle) else "n/a"
    hint = f"{words.interval(claim.metric, verdict.nominal.value)}; {verdict.scope or verdict.reason}"
    return Mark(words.key_of(verdict), text, hint)


def _sample_s(cell):
    middle = cell.measured_s[1]
    return middle / cell.step.batch_size if math.isfinite(middle) else 0.0
