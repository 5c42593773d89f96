"""The measured side: live devices, recorded files and published tables, all as one type, Measurement; and arrays that
were placed and routed, whose time is modelled.

Nothing here knows of the accelerator model or of the harness. torch is imported by `live` alone, and only when one
of its names is used.
"""

import importlib

from baselines.catalogue import load
from baselines.errors import BaselineError
from baselines.live.energy import meter
from baselines.live.remarks import remarks
from baselines.live.sampling import Plan
from baselines.measurement import Measurement, from_samples
from baselines.placed import PlacedArray, placed
from baselines.published import left_out, published
from baselines.recorded import from_json, load_recorded, read_recorded, to_json
from baselines.specs import GpuSpec, gpu_specs

LIVE_NAMES = ("StepTimer", "best_device", "device_context", "energy_counter", "measure", "measure_all")

__all__ = [
    "BaselineError",
    "GpuSpec",
    "Measurement",
    "PlacedArray",
    "Plan",
    "from_json",
    "from_samples",
    "gpu_specs",
    "left_out",
    "load",
    "load_recorded",
    "placed",
    "meter",
    "published",
    "read_recorded",
    "remarks",
    "to_json",
    *LIVE_NAMES,
]


def __getattr__(name):
    """Fetch the names that need torch when they are first used (PEP 562)."""
    if name in LIVE_NAMES:
        return getattr(importlib.import_module("baselines.live.measure"), name)
    raise AttributeError(f"module 'baselines' has no attribute {name!r}")
