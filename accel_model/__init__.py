"""The simulated side: traces of training steps, accelerator designs, and the model that replays one on the other.

`from accel_model import Trace, Design, replay` is the stable interface; attributes load on first use.
"""

from importlib import import_module

_PUBLIC = {
    "Trace": "accel_model.trace",
    "Design": "accel_model.design",
    "Report": "accel_model.report",
    "replay": "accel_model.engine",
    "replay_all": "accel_model.engine",
    "compute_floor_s": "accel_model.engine",
}
__all__ = list(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'accel_model' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
