"""How wrong a simulated time or energy is, from the model's errors against published chips (halfstep task=validate)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accel_model.chips.errors import ERROR_COLUMNS
from accel_model.formats.reading import read_table
from harness.settings.errors import ConfigError
from harness.settings.schema import CompareConfig

TABLE = "data/model_errors.csv"  # of accel_model, which halfstep task=validate task.errors=... writes


@dataclass(frozen=True, eq=False)
class ModelError:
    """What a simulated quantity is multiplied by to get the ends of its interval."""

    low: float  # at most 1
    high: float  # at least 1
    basis: str  # what it rests on, in words
    cells: tuple[dict, ...] = ()  # the rows of the table behind it, {column: text}


def of_quantity(quantity: str, quantiles: tuple[float, float]) -> ModelError:
    """The ModelError of "time" or "energy" between two quantiles of the signed log errors of the table.

    A log error e = ln(simulated / published) says that the truth is simulated x exp(-e). The interval always holds the
    simulated value itself. quantiles: (low, high) in [0, 1]. Raises ConfigError where the table has no such quantity.
    """
    rows = tuple(row for row in _table() if row["quantity"] == quantity)
    if not rows:
        raise ConfigError(f"no published chip tells the model's error in {quantity}: set compare.model_error=0.35")
    low_error, high_error = np.quantile([float(row["log_error"]) for row in rows], sorted(quantiles))
    chips = ", ".join(dict.fromkeys(f"{row['chip']} ({row['metric'].replace('_', ' ')})" for row in rows))
    between = f"{min(quantiles):.0%} to {max(quantiles):.0%} quantiles".replace("%", " %")
    return ModelError(
        low=float(min(np.exp(-high_error), 1.0)),
        high=float(max(np.exp(-low_error), 1.0)),
        basis=f"the {between} of {len(rows)} signed log errors against {chips}",
        cells=rows,
    )


def symmetric(relative: float) -> ModelError:
    """The ModelError of a share to both sides, as a setting gives it."""
    return ModelError(1 - relative, 1 + relative, f"{relative:.0%} to both sides, as set by compare.model_error")


def of_settings(settings: CompareConfig, quantity: str) -> ModelError:
    """The ModelError that CompareConfig asks for: its own number where it gives one, the validated quantiles else."""
    if settings.model_error is not None:
        return symmetric(settings.model_error)
    return of_quantity(quantity, settings.model_error_quantiles)


@lru_cache(maxsize=1)
def _table():
    return tuple(read_table(TABLE, ERROR_COLUMNS))
