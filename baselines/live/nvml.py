"""What NVIDIA's management library tells of a GPU: driver, clocks, power, temperature, other processes."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from baselines.errors import DeviceError

SLOWDOWNS = {
    0x01: "idle",
    0x02: "application_clocks",
    0x04: "software_power_cap",
    0x08: "hardware_slowdown",
    0x10: "sync_boost",
    0x20: "software_thermal",
    0x40: "hardware_thermal",
    0x80: "hardware_power_brake",
    0x100: "display_clocks",
}
"""Bits of nvmlDeviceGetCurrentClocksEventReasons. Source: nvml.h, nvmlClocksEventReason*."""


@contextlib.contextmanager
def opened(uuid: str) -> Iterator[tuple[Any, Any]]:
    """(pynvml, handle) of the GPU with this UUID; raises DeviceError where NVML or the GPU cannot be reached."""
    try:
        import pynvml
    except ImportError:
        raise DeviceError("NVML cannot be asked: nvidia-ml-py is not installed") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise DeviceError(f"NVML cannot be asked: {error}") from None
    try:
        yield pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid)
    except pynvml.NVMLError as error:
        raise DeviceError(f"NVML does not answer: {error}") from None
    finally:
        pynvml.nvmlShutdown()


def gpu_state(uuid: str) -> dict:
    """What NVML tells of a GPU now, as a flat dict; a question that its driver cannot answer is left out.

    Always there: "driver", which says why where it is not known. "other_processes" counts the compute and graphics
    processes beside this one.
    """
    try:
        with opened(uuid) as (nvml, handle):
            return _answers(nvml, handle)
    except DeviceError as error:
        return {"driver": f"unknown: {error}"}


def _answers(nvml, handle):
    questions = {
        "driver": nvml.nvmlSystemGetDriverVersion,
        "sm_clock_hz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6,
        "sm_clock_max_hz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6,
        "memory_clock_hz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM) * 1e6,
        "power_limit_w": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3,
        "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3,
        "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        "slowdown_reasons": lambda: _slowdowns(nvml, handle),
        "other_processes": lambda: _other_processes(nvml, handle),
    }
    answers = {"driver": "unknown: NVML does not tell"}
    for name, ask in questions.items():
        with contextlib.suppress(nvml.NVMLError):
            answer = ask()
            answers[name] = answer.decode() if isinstance(answer, bytes) else answer
    return answers


def _slowdowns(nvml, handle):
    """Why the clocks are below their highest, as names joined by commas."""
    bits = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return ",".join(name for bit, name in SLOWDOWNS.items() if bits & bit) or "none"


def _other_processes(nvml, handle):
    """Processes that use the GPU beside this one.

    In a container the driver counts processes in another name space: where this process is not in the list under its
    own number, one entry is taken to be it.
    """
    found = {
        process.pid
        for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses)
        for process in ask(handle)
    }
    return len(found - {os.getpid()}) if os.getpid() in found else max(len(found) - 1, 0)
