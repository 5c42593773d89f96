"""The simulated side: traces of training steps, accelerator designs, and the model that replays one on the other.

`from accel_model import Trace, Design, replay` is the stable interface; attributes load on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accel_model.design import Design
    from accel_model.engine import replay, replay_all
    from accel_model.report import Report
    from accel_model.trace import Trace
    from accel_model.work.floors import compute_floor_s

__all__ = ["Design", "Report", "Trace", "compute_floor_s", "replay", "replay_all"]
_PLACES = {
    "Trace": "accel_model.trace",
    "Design": "accel_model.design",
    "Report": "accel_model.report",
    "replay": "accel_model.engine",
    "replay_all": "accel_model.engine",
    "compute_floor_s": "accel_model.work.floors",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'accel_model' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
