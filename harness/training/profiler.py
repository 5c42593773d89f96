"""What torch's profiler saw of labelled ops: the kernels they launched on a GPU, their own time on a CPU."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.autograd.profiler_util import FunctionEvent

LABEL = "halfstep op "
QUIET = "99"  # of KINETO_LOG_LEVEL: without it the profiler's library writes to the terminal of every program


def label(number: int) -> AbstractContextManager:
    """A context whose ops the profiler finds under `number`, a whole number that no other label has."""
    from torch.profiler import record_function

    return record_function(f"{LABEL}{number}")


@contextmanager
def profiled(device: str) -> Iterator[list[FunctionEvent]]:
    """Profile what is run inside on a torch device; yields a list that holds the profiler's events afterwards.

    On a device that the profiler does not know (Apple's) the list stays empty.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    events = []
    activities = {"cpu": [], "cuda": [ProfilerActivity.CUDA], "xpu": [ProfilerActivity.XPU]}
    own = activities.get(torch.device(device).type)
    if own is None:
        yield events
        return
    os.environ.setdefault("KINETO_LOG_LEVEL", QUIET)
    with profile(activities=[ProfilerActivity.CPU, *own]) as found:
        yield events
    events.extend(found.events())


def labelled_seconds(events: Sequence[FunctionEvent], on_cpu: bool) -> tuple[dict[int, float], float]:
    """({label's number: seconds}, seconds that no label holds) of the profiler's events.

    events: torch's FunctionEvents, times in microseconds. on_cpu: take the time of the ops themselves; otherwise that
    of the kernels, copies and fills on the device, each counted for the label around the op that launched it.
    """
    found, spare = (_of_ops if on_cpu else _of_kernels)(events)
    return {number: 1e-6 * value for number, value in found.items()}, 1e-6 * spare


def _of_ops(events):
    """Microseconds of the outermost ops inside each label, and of those outside and around none."""
    found, around = defaultdict(float), set()
    for event in events:
        if (number := _number(event)) is not None:
            found[number] += sum(child.cpu_time_total for child in event.cpu_children)
            parent = event.cpu_parent
            while parent is not None:
                around.add(id(parent))
                parent = parent.cpu_parent
    loose = [one for one in events if one.name.startswith("aten::") and id(one) not in around and _owner(one) is None]
    inner = {id(child) for one in loose for child in one.cpu_children}
    return found, sum(one.cpu_time_total for one in loose if id(one) not in inner)


def _of_kernels(events):
    """Microseconds of the kernels that the ops of each label launched, and of all other work of the device.

    The profiler repeats every annotation, this file's labels too, on the device's own time line: these are no kernels.
    """
    from torch.autograd import DeviceType

    annotations = {event.name for event in events if event.is_user_annotation}
    found, whole = defaultdict(float), 0.0
    for event in events:
        if event.device_type != DeviceType.CPU:  # torch makes a new object for each event
            whole += 0.0 if event.name in annotations else event.time_range.elapsed_us()
        elif event.kernels and (number := _owner(event)) is not None:
            found[number] += sum(one.duration for one in event.kernels if one.name not in annotations)
    return found, max(whole - sum(found.values()), 0.0)


def _owner(event):
    """The number of the label that an event lies in, or None."""
    while event is not None and _number(event) is None:
        event = event.cpu_parent
    return None if event is None else _number(event)


def _number(event):
    """The number that an event's own label says, or None where it is no label."""
    return int(event.name.removeprefix(LABEL)) if event.name.startswith(LABEL) else None
