"""Timing of torch devices: the only file of this package that imports torch."""

import os
import platform
import subprocess
import time
from datetime import UTC, datetime

import numpy as np
import torch

from baselines.errors import DeviceError


def best_device(wanted="auto"):
    """The torch device to use, "cuda", "mps" or "cpu" (an index may follow, as in "cuda:1").

    wanted: "auto" takes the best one present; any other name is checked and returned.
    Raises DeviceError, which says why a device that was asked for cannot be used.
    """
    if wanted == "auto":
        if torch.cuda.is_available() and not _cuda_fault(0):
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except (RuntimeError, TypeError):
        raise DeviceError(f"no device is called {wanted!r}: write baseline.device=auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and (fault := _cuda_fault(device.index or 0)):
        raise DeviceError(
            f"baseline.device is {wanted!r}, but {fault}; write baseline.device=cpu to go on without a GPU"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("baseline.device is 'mps', but torch finds no Apple GPU here: write baseline.device=cpu")
    return str(wanted)


def _cuda_fault(index):
    """Why CUDA device `index` cannot be used, or "" where it can."""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"this torch ({torch.__version__}) is built without CUDA: install a CUDA build of torch"
    if not torch.cuda.is_available():
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            return f"CUDA does not start ({str(error).splitlines()[0]}): check that nvidia-smi lists a GPU"
        return "CUDA finds no GPU: check that nvidia-smi lists one and that CUDA_VISIBLE_DEVICES does not hide it"
    if index >= torch.cuda.device_count():
        return f"there are only {torch.cuda.device_count()} GPUs here, numbered from 0"
    major, minor = torch.cuda.get_device_capability(index)
    built = [int(arch[3:].rstrip("af")) for arch in torch.cuda.get_arch_list() if arch.startswith("sm_")]
    if built and major * 10 + minor < min(built):
        return (
            f"{torch.cuda.get_device_name(index)} has compute capability {major}.{minor} and this torch "
            f"({torch.__version__}) needs {min(built) / 10:.1f} or newer: install an older torch built for it"
        )
    return ""


def device_context(device):
    """What is known of a torch device and of what runs on it, as a dict of texts and numbers with units in the names.

    Always there: device, device_kind, clock, python, torch, time_utc, commit ("unknown" outside a git checkout).
    """
    device = torch.device(device)
    context = {
        "device": _cpu_name(),
        "device_kind": "cpu",
        "clock": "perf_counter",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "platform": platform.platform(),
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        context |= {
            "device": properties.name,
            "device_kind": "gpu",
            "clock": "cuda_event",
            "compute_capability": f"{properties.major}.{properties.minor}",
            "memory_bytes": properties.total_memory,
            "cuda": str(torch.version.cuda or torch.version.hip),
            "cudnn": torch.backends.cudnn.version() or 0,
        }
    elif device.type == "cpu":
        context |= {"threads": torch.get_num_threads(), "cpus": os.cpu_count()}
    else:
        context |= {"device": f"{device.type} of {_cpu_name()}", "device_kind": "gpu"}
    return context


class StepTimer:
    """Seconds of every step that runs inside `with timer:`, with CUDA events on GPUs and perf_counter elsewhere.

    On a GPU nothing is synchronised inside the loop: the time from one step's start event to its end event on the
    device's current stream, so a device that waits for the host's launches is seen waiting.
    """

    def __init__(self, device):
        self.device = torch.device(device)
        self._starts, self._ends = [], []

    def __enter__(self):
        self._starts.append(self._now())
        return self

    def __exit__(self, failure, *_):
        if failure:
            self._starts.pop()
        else:
            self._ends.append(self._now())

    def samples_s(self):
        """float64 (steps,), seconds of each step so far; waits for the device once."""
        pairs = zip(self._starts, self._ends, strict=True)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return np.array([start.elapsed_time(end) / 1e3 for start, end in pairs])  # events count milliseconds
        return np.array([end - start for start, end in pairs])

    def _now(self):
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
            return event
        synchronize(self.device)
        return time.perf_counter()


def synchronize(device):
    """Wait until `device` has done all that was queued on it; the CPU has no queue."""
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize()


def _cpu_name():
    """The CPU's model name where the system tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine() or "CPU"


def _commit():
    """The commit of the checkout this file lies in, "-dirty" added where files differ, or "unknown"."""
    command = ["git", "-C", os.path.dirname(__file__), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
