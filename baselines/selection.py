"""Choosing among measurements, whatever their kind."""

import re

from baselines.errors import BaselineError
from baselines.measurement import CONFIDENCES, DEVICE_KINDS, SCOPES


def select(
    measurements,
    *,
    workload=None,
    device=None,
    device_kind=None,
    model=None,
    precision=None,
    batch_size=None,
    dataset=None,
    year=None,
    confidence=None,
    scope=None,
):
    """The measurements that pass every filter that is not None, in their order.

    device, model, dataset: a part of the text, whatever its case, blanks and hyphens ("resnet50" finds "ResNet-50").
    workload, precision: the whole word in any case, so that "fp32" does not admit "fp32_or_tf32".
    device_kind, confidence, scope: one of their vocabularies.
    batch_size, year: whole numbers. Raises BaselineError for a filter that no measurement can pass.
    """
    for name, given, words in (
        ("device_kind", device_kind, DEVICE_KINDS),
        ("confidence", confidence, CONFIDENCES),
        ("scope", scope, SCOPES),
    ):
        if given is not None and given not in words:
            raise BaselineError(f"{name} is {given!r}: give one of {', '.join(words)}")
    for name, given in (("batch_size", batch_size), ("year", year)):
        if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 0):
            raise BaselineError(f"{name} is {given!r}: give a whole number")
    parts = {"device": device, "model": model, "dataset": dataset}
    words = {"workload": workload, "precision": precision}
    exact = {
        "device_kind": device_kind,
        "confidence": confidence,
        "scope": scope,
        "batch_size": batch_size,
        "year": year,
    }
    for name, given in (parts | words).items():
        if given is not None and not isinstance(given, str):
            raise BaselineError(f"{name} is {given!r}: give a text")
    return [
        one
        for one in measurements
        if all(given is None or _bare(given) in _bare(getattr(one, name)) for name, given in parts.items())
        and all(given is None or given.lower() == getattr(one, name).lower() for name, given in words.items())
        and all(given is None or given == getattr(one, name) for name, given in exact.items())
    ]


def _bare(text):
    """Letters, digits and points of a text, in lower case."""
    return re.sub(r"[^a-z0-9.]", "", text.lower())
