"""The measured side: live devices, recorded files and published tables, all as one type, Measurement; and arrays that
were placed and routed, whose time is modelled.

Nothing here knows of the accelerator model or of the harness. torch is imported by `live` alone, and only when one
of its names is used.
"""

import importlib

from baselines.catalogue import load
from baselines.errors import BaselineError
from baselines.live.energy import meter
from baselines.live.machine import remarks
from baselines.live.sampling import WARM_GPU_AFTER_S, Plan
from baselines.measurement import Measurement, Subject, Timing, from_samples
from baselines.placed import PlacedArray, placed
from baselines.published import LeftOut, left_out, published
from baselines.recorded import from_json, load_recorded, read_recorded, to_json
from baselines.selection import Filter
from baselines.specs import GpuSpec, gpu_specs
from baselines.vocabulary import DEVICE_KINDS, KINDS, LIVE_SCOPES, LOADED_KINDS, MODES, PARITY, RECORDED_SCOPES, SCOPES

HOMES = {  # of the names that need torch
    "StepTimer": "clock",
    "TrainingStepLike": "step",
    "Watch": "at_work",
    "best_device": "device",
    "check_precision": "device",
    "device_context": "device",
    "device_fault": "device",
    "energy_counter": "device",
    "measure": "measure",
    "measure_all": "measure",
    "memory_is_full": "device",
    "matrix_settings": "device",
    "subject_of": "step",
}

__all__ = [
    "DEVICE_KINDS",
    "KINDS",
    "LIVE_SCOPES",
    "LOADED_KINDS",
    "MODES",
    "PARITY",
    "RECORDED_SCOPES",
    "SCOPES",
    "WARM_GPU_AFTER_S",
    "BaselineError",
    "Filter",
    "GpuSpec",
    "LeftOut",
    "Measurement",
    "PlacedArray",
    "Plan",
    "Subject",
    "Timing",
    "from_json",
    "from_samples",
    "gpu_specs",
    "left_out",
    "load",
    "load_recorded",
    "meter",
    "placed",
    "published",
    "read_recorded",
    "remarks",
    "to_json",
    *HOMES,
]


def __getattr__(name):
    """Fetch the names that need torch when they are first used (PEP 562)."""
    if name in HOMES:
        return getattr(importlib.import_module(f"baselines.live.{HOMES[name]}"), name)
    raise AttributeError(f"module 'baselines' has no attribute {name!r}")
