"""The pictures of a claim map, found by their place: every file of this folder that has `pictures` and a SLOT."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from harness.flows.claim_map.values import ClaimMap
from harness.report import pictures as folder
from harness.report.pictures.canvas import Picture, Slot


def found(claim_map: ClaimMap) -> list[tuple[Slot, tuple[Picture, ...]]]:
    """The Slot of each such file with its Pictures of `claim_map`, by order; of equal order, by the file's name."""
    modules = [import_module(f"{folder.__name__}.{one.name}") for one in pkgutil.iter_modules(folder.__path__)]
    drawing = [module for module in modules if hasattr(module, "pictures")]
    return [(one.SLOT, tuple(one.pictures(claim_map))) for one in sorted(drawing, key=lambda one: one.SLOT.order)]
