"""Published figures of real chips beside what the model says of the same work: every cell, with its error.

No constant of the model or of these designs is fitted to the figures. Rows of chips whose layers are not published
(TPU v1's applications) are replayed on GEMMs of the published arithmetic intensity, and say so.

A family of chips is a file of this folder with a function `figures(rows, resnet50)`; it is found by its place. rows:
the published table, a list of {column: text}. resnet50: as in `cells`. It returns {(chip, workload, layer, batch,
metric): (simulated, remark)}, as texts of the table; a sixth element, a row number of the table, tells apart rows that
are equal in the five. A dict TIMES, where it has one, is {chip: the metric that tells how wrong a time is}.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from accel_model import chips
from accel_model.formats.reading import read_table
from accel_model.trace import Trace

KEY = ("chip", "workload", "layer", "batch", "metric")
COLUMNS = (*KEY, "value", "unit", "kind", "confidence", "source_ref", "source_locator", "notes")


@dataclass(frozen=True)
class ChipCell:
    """One published figure and what the model says of it; simulated is NaN where the model has no such quantity."""

    chip: str
    workload: str
    layer: str
    batch: str
    metric: str
    unit: str
    kind: str  # silicon, simulation or vendor estimate
    confidence: str  # of the published value
    source: str
    published: float
    simulated: float
    remark: str = ""

    @property
    def error(self) -> float:
        """Simulated over published, less 1."""
        return self.simulated / self.published - 1 if self.published else float("nan")


def families() -> list:
    """The modules of this folder that have figures of a chip, by name."""
    names = sorted(found.name for found in pkgutil.iter_modules(chips.__path__))
    modules = [import_module(f"{chips.__name__}.{name}") for name in names]
    return [module for module in modules if hasattr(module, "figures")]


def cells(resnet50: Callable[[int], Trace] | None = None) -> list[ChipCell]:
    """One ChipCell for every published figure, in the order of the data file.

    resnet50: a function from a batch size to the Trace of a ResNet-50 training step in bf16, for TPU v2 and v3; without
    one, those rows replay the bare convolutions. Raises DesignError where a chip's design is not valid, TableError
    where the table of published figures is not.
    """
    rows = read_table("data/chips_published.csv", COLUMNS)
    found = {}
    for family in families():
        found |= family.figures(rows, resnet50)
    result = []
    for number, row in enumerate(rows):
        key = tuple(row[name] for name in KEY)
        simulated, remark = found.get((*key, number)) or found.get(key) or (float("nan"), "not modelled")
        result.append(
            ChipCell(
                *key,
                *(row[name] for name in ("unit", "kind", "confidence")),
                source=f"{row['source_ref']}, {row['source_locator']}",
                published=float(row["value"]),
                simulated=float(simulated),
                remark=remark,
            )
        )
    return result
