"""What NVIDIA's management library tells of a GPU: driver, clocks, power, temperature, other processes.

Every question fails alone: drivers and versions of nvidia-ml-py differ in what they know, under which name, and in what
they raise where they do not.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
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
    0x200: "board_limit",
    0x400: "reliability",
}
"""Bits of nvmlDeviceGetCurrentClocksEventReasons. Source: nvml.h, nvmlClocksEventReason*, nvmlClocksThrottleReason*."""

REASONS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
"""Names of one question: the second is that of drivers before 535, and leaves nvidia-ml-py with CUDA 14."""
PROCESSES = {
    kind: (f"nvmlDeviceGet{kind}RunningProcesses", f"nvmlDeviceGet{kind}RunningProcesses_v2")
    for kind in ("Compute", "Graphics")
}
"""Names of the questions for processes: nvidia-ml-py sends the first as _v3, which drivers before 510 do not know."""
NOT_AVAILABLE = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)  # NVML_VALUE_NOT_AVAILABLE in 32 and 64 bits, an answer that is none
SHARED = "it is the whole board's, of which this device is one MIG instance"
UNANSWERED = "nvml_unanswered"


@contextlib.contextmanager
def opened(uuid: str) -> Iterator[tuple[Any, Any]]:
    """(pynvml, handle) of the GPU or MIG instance with this UUID; raises DeviceError where it cannot be reached."""
    with library() as nvml:
        yield nvml, handle_of(nvml, uuid)


@contextlib.contextmanager
def library() -> Iterator[Any]:
    """pynvml with NVML open; raises DeviceError where it cannot be opened."""
    try:
        import pynvml
    except ImportError:
        raise DeviceError("NVML cannot be asked: nvidia-ml-py is not installed") from None
    asked("NVML cannot be asked", lambda: pynvml.nvmlInit())
    try:
        yield pynvml
    finally:
        with contextlib.suppress(Exception):  # what was asked is known, and a driver that went away raises here too
            pynvml.nvmlShutdown()


def asked(failure: str, ask: Callable[[], Any]) -> Any:
    """What `ask()` returns; raises DeviceError, "`failure`: reason", whatever else it raises.

    NVMLError is not all: a symbol that the driver lacks raises NVMLLibraryMismatchError, which is no NVMLError, and a
    name that this version of nvidia-ml-py lacks AttributeError.
    """
    try:
        return ask()
    except DeviceError as error:
        raise DeviceError(f"{failure}: {error}") from None
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise DeviceError(f"{failure}: {lines[0][:200] if lines else type(error).__name__}") from None


def handle_of(nvml: Any, uuid: str) -> Any:
    """NVML's handle of the GPU or MIG instance that CUDA knows under `uuid`; raises DeviceError.

    CUDA gives the UUID without saying of which of the two it is. MIG instances of drivers before 470 have no UUID of
    their own; their name stands in CUDA_VISIBLE_DEVICES.
    """
    bare = uuid.removeprefix("GPU-").removeprefix("MIG-")
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    names = [uuid, f"MIG-{bare}", *(name for name in visible if name.startswith("MIG-"))]
    reasons = []
    for name in dict.fromkeys(names):
        try:
            return asked("NVML does not answer", lambda name=name: nvml.nvmlDeviceGetHandleByUUID(name))
        except DeviceError as error:
            reasons.append(error)
    raise reasons[0]


def board_of(nvml: Any, handle: Any) -> tuple[Any, bool]:
    """(handle of the whole board, whether the device is one MIG instance of it).

    A driver that knows no MIG, or will not tell, has none.
    """
    with contextlib.suppress(DeviceError):
        if asked("MIG", lambda: bool(nvml.nvmlDeviceIsMigDeviceHandle(handle))):
            return asked("MIG", lambda: nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)), True
    with contextlib.suppress(DeviceError):
        return handle, asked("MIG", lambda: nvml.nvmlDeviceGetMigMode(handle)[0] == 1)
    return handle, False


def board_joules(nvml: Any, handle: Any) -> float:
    """Joules that the board has used since its driver was loaded; raises DeviceError, as it does for a MIG instance."""
    if board_of(nvml, handle)[1]:
        raise DeviceError(f"NVML's energy counter says nothing of this device: {SHARED}")
    return asked("NVML does not answer", lambda: _number(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))) / 1e3


def gpu_state(uuid: str) -> dict:
    """What NVML tells of a GPU now, as a flat dict; a question that it does not answer is left out.

    Always there: "driver", which says why where it is not known. "other_processes" counts the compute and graphics
    processes beside this one. "nvml_unanswered" has the reason of every other question that was not answered.
    """
    try:
        with library() as nvml:
            questions = {"driver": lambda: _text(nvml.nvmlSystemGetDriverVersion())}
            try:
                questions |= _questions(nvml, handle_of(nvml, uuid))
                whole = ""
            except DeviceError as error:
                whole = str(error)
            return answers(questions, whole)
    except DeviceError as error:
        return {"driver": f"unknown: {error}"}


def answers(questions: Mapping[str, Callable[[], Any]], before: str = "") -> dict:
    """{name: answer} of the questions that are answered, "driver" in any case, and the reasons of the others.

    questions: {name: function that answers, "" for an answer that is none}. before: a reason known already.
    """
    found, reasons = {}, [before] if before else []
    for name, ask in questions.items():
        try:
            found[name] = asked(name, ask)
        except DeviceError as error:
            reasons.append(str(error))
    unknown = [reason for reason in reasons if reason.startswith("driver: ")]
    if "driver" not in found:
        found = {"driver": f"unknown: NVML does not tell: {unknown[0].removeprefix('driver: ')}"} | found
    if others := [reason for reason in reasons if reason not in unknown]:
        found[UNANSWERED] = "; ".join(others)
    return found


def _questions(nvml, handle):
    """{name: function that answers it} on one GPU; what only the board has is asked of the board."""
    board, is_instance = board_of(nvml, handle)

    def watts(ask):
        if is_instance:
            raise DeviceError(SHARED)
        return _number(ask(board)) / 1e3

    return {
        "sm_clock_hz": lambda: _number(nvml.nvmlDeviceGetClockInfo(board, nvml.NVML_CLOCK_SM)) * 1e6,
        "sm_clock_max_hz": lambda: _number(nvml.nvmlDeviceGetMaxClockInfo(board, nvml.NVML_CLOCK_SM)) * 1e6,
        "memory_clock_hz": lambda: _number(nvml.nvmlDeviceGetClockInfo(board, nvml.NVML_CLOCK_MEM)) * 1e6,
        "power_limit_w": lambda: watts(nvml.nvmlDeviceGetEnforcedPowerLimit),
        "power_w": lambda: watts(nvml.nvmlDeviceGetPowerUsage),
        "temperature_c": lambda: _number(nvml.nvmlDeviceGetTemperature(board, nvml.NVML_TEMPERATURE_GPU)),
        "slowdown_reasons": lambda: slowdowns(_first(nvml, REASONS, board)),
        "other_processes": lambda: _other_processes(nvml, handle),
    }


def slowdowns(bits: int) -> str:
    """Why the clocks are below their highest, as names joined by commas; a bit without a name is told as a number."""
    bits = _number(bits)
    known = [name for bit, name in SLOWDOWNS.items() if bits & bit]
    rest = bits & ~sum(SLOWDOWNS)
    return ",".join([*known, *([f"unknown_{rest:#x}"] if rest else [])]) or "none"


def _first(nvml, names, handle):
    """The answer of the first of the functions called `names` that gives one; raises DeviceError with every reason."""
    reasons = []
    for name in names:
        try:
            return asked(name, lambda name=name: getattr(nvml, name)(handle))
        except DeviceError as error:
            reasons.append(str(error))
    raise DeviceError(", ".join(reasons))


def _other_processes(nvml, handle):
    """Processes that use the GPU beside this one, of the kinds that NVML lists here; raises DeviceError where of none.

    In a container the driver counts processes in another name space: where this process is not in the list under its
    own number, one entry is taken to be it.
    """
    found, reasons = [], []
    for names in PROCESSES.values():
        try:
            found.append({process.pid for process in _first(nvml, names, handle)})
        except DeviceError as error:
            reasons.append(str(error))
    if not found:
        raise DeviceError(", ".join(reasons))
    pids = set().union(*found)
    return len(pids - {os.getpid()}) if os.getpid() in pids else max(len(pids) - 1, 0)


def _number(value):
    """`value`, where it is a number that says something."""
    if not math.isfinite(value) or value in NOT_AVAILABLE:
        raise DeviceError(f"not available ({value})")
    return value


def _text(value):
    """`value` as text; older versions of nvidia-ml-py answer in bytes."""
    text = (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip("\0 ")
    if not text:
        raise DeviceError("the answer is empty")
    return text
