"""One way to every measurement that is not made here and now: recorded files and published tables."""

from baselines.errors import BaselineError
from baselines.published import RELATIVE_UNCERTAINTY, published
from baselines.recorded import load_recorded

LOADED_KINDS = ("recorded", "published")


def load(
    workload=None,
    kinds=LOADED_KINDS,
    *,
    device=None,
    device_kind=None,
    model=None,
    precision=None,
    batch_size=None,
    dataset=None,
    year=None,
    confidence=None,
    scope=None,
    relative_uncertainty=RELATIVE_UNCERTAINTY,
):
    """The Measurements of the `kinds` asked for that pass every filter given, recorded ones first.

    kinds: any of "recorded" and "published"; a live one is made by `measure`. For the filters see `select`; for
    relative_uncertainty, which published figures get, see `published`. Raises BaselineError.
    """
    if isinstance(kinds, str) or not set(kinds) <= set(LOADED_KINDS):
        raise BaselineError(f"kinds is {kinds!r}: give a list of {' and '.join(LOADED_KINDS)}")
    filters = {
        "device": device,
        "device_kind": device_kind,
        "model": model,
        "precision": precision,
        "batch_size": batch_size,
        "dataset": dataset,
        "year": year,
        "confidence": confidence,
        "scope": scope,
    }
    found = load_recorded(workload, **filters) if "recorded" in kinds else []
    if "published" in kinds:
        found += published(workload, relative_uncertainty=relative_uncertainty, **filters)
    return found
