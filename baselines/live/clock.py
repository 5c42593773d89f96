"""The clock of a torch device: events on a GPU's stream, perf_counter elsewhere."""

import time

import numpy as np
import torch


class StepTimer:
    """Seconds of every step that runs inside `with timer:`, with CUDA events on GPUs and perf_counter elsewhere.

    On a GPU nothing is synchronised inside the loop: the time from one step's start event to its end event on the
    device's current stream, so a device that waits for the host's launches is seen waiting.
    """

    def __init__(self, device: torch.device | str):
        self._device = torch.device(device)
        self._starts, self._ends = [], []

    def __enter__(self):
        self._starts.append(mark(self._device))
        return self

    def __exit__(self, failure, *_):
        if failure:
            self._starts.pop()
        else:
            self._ends.append(mark(self._device))

    def samples_s(self) -> np.ndarray:
        """float64 (steps,), seconds of each step so far; waits for the device once."""
        synchronize(self._device)
        pairs = zip(self._starts, self._ends, strict=True)
        return np.array([seconds(start, end) for start, end in pairs], np.float64)


def mark(device: torch.device) -> torch.cuda.Event | float:
    """A point in time on `device`: an event on its current stream for CUDA, seconds elsewhere."""
    if device.type == "cuda":
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(device))
        return event
    synchronize(device)
    return time.perf_counter()


def seconds(start: torch.cuda.Event | float, end: torch.cuda.Event | float) -> float:
    """Seconds between two marks that lie in the past."""
    return end - start if isinstance(end, float) else start.elapsed_time(end) / 1e3  # events count milliseconds


def synchronize(device: torch.device | str) -> None:
    """Wait until `device` has done all that was queued on it; the CPU has no queue."""
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize()
