"""One way to every measurement that is not made here and now: recorded files and published tables."""

from collections.abc import Collection

from baselines.errors import BaselineError
from baselines.measurement import Measurement
from baselines.published import published
from baselines.recorded import load_recorded
from baselines.selection import EVERYTHING, Filter
from baselines.vocabulary import LOADED_KINDS


def load(
    wanted: Filter = EVERYTHING,
    kinds: Collection[str] = LOADED_KINDS,
    *,
    relative_uncertainty: float = 0.0,
) -> list[Measurement]:
    """The Measurements of the `kinds` asked for that pass `wanted`, recorded ones first.

    kinds: any of LOADED_KINDS; a live one is made by `measure`. relative_uncertainty: which published figures get, see
    `published`. Raises FileError for a broken table, BaselineError for a kind or an uncertainty that cannot be.
    """
    if isinstance(kinds, str) or not set(kinds) <= set(LOADED_KINDS):
        raise BaselineError(f"kinds is {kinds!r}: give a list of {' and '.join(LOADED_KINDS)}")
    found = load_recorded(wanted) if "recorded" in kinds else []
    if "published" in kinds:
        found += published(wanted, relative_uncertainty=relative_uncertainty)
    return found
