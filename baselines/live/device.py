"""The torch device that is measured: which one, what is known of it, how it is set, and when its memory is full."""

import contextlib
import errno
import logging
from collections.abc import Iterator

import torch

from baselines.errors import BaselineError, DeviceError, ModeError, OutOfMemoryError
from baselines.live.energy import NvmlCounter, RaplCounter
from baselines.live.machine import machine_context
from baselines.live.nvml import gpu_state

TF32_CAPABILITY = (8, 0)  # Ampere
BF16_CAPABILITY = (8, 0)  # Ampere; torch emulates bf16 on older GPUs, by way of fp32

FULL = (
    "out of memory",  # "CUDA out of memory. Tried ...", "CUDA error: out of memory", "HIP ...", "MPS backend ..."
    "out_of_memory",  # names of errors: CUDA_ERROR_, NVRTC_ERROR_
    "outofmemory",  # hipErrorOutOfMemory
    "out_of_device_memory",  # Level Zero, for Intel's GPUs
    "out_of_host_memory",
    "cudaerrormemoryallocation",
    "can't allocate memory",  # torch's allocator on the CPU
    "not enough memory",  # the same on Windows
    "cannot allocate memory",  # the operating system, where torch maps a file or shares a tensor
    "alloc_failed",  # CUBLAS_STATUS_, CUDNN_STATUS_, CUSOLVER_STATUS_, CUSPARSE_STATUS_, CUFFT_
    "allocation_failed",  # CURAND_STATUS_; cuDNN 9's CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ and _HOST_
    "statusallocfailed",  # MIOpen
    "unable to find an engine to execute",  # cuDNN: torch tries one plan after the other, and drops why each failed
    "unable to find a valid cudnn algorithm",  # the same in older versions
    "invalid buffer size",  # Apple's, larger than any buffer can be
    "storage size calculation overflowed",  # larger than any memory
)
"""What a RuntimeError of torch says where memory ran out, in lower case."""

_log = logging.getLogger(__name__)


def best_device(wanted: str = "auto") -> str:
    """The torch device to use, "cuda", "mps" or "cpu" (an index may follow, as in "cuda:1").

    wanted: "auto" takes the best one present; any other name is checked and returned.
    Raises DeviceError, which says why a device that was asked for cannot be used.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            if not (fault := _cuda_fault(0)):
                return "cuda"
            _log.warning("going on without the GPU: %s", fault)
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
    if device.type == "meta":
        raise DeviceError("baseline.device is 'meta', which computes nothing: write baseline.device=cpu")
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
    try:
        torch.zeros(1, device=f"cuda:{index}").cpu()
    except RuntimeError as error:
        return (
            f"{torch.cuda.get_device_name(index)} refuses its first use ({first_line(error)}): look in nvidia-smi for "
            f"a process that holds it alone or fills its memory"
        )
    return ""


def device_context(device: torch.device | str) -> dict:
    """What is known of a torch device and of what runs on it, as a dict of texts and numbers with units in the names.

    Always there: device, device_kind, clock, torch, and what `machine_context` tells; on NVIDIA GPUs also driver,
    clocks, power limit, temperature and the number of other processes, as far as NVML answers.
    """
    device = torch.device(device)
    context = machine_context() | {"torch": str(torch.__version__), "clock": "perf_counter"} | _torch_settings()
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return context | {
            "device": properties.name,
            "device_kind": "gpu",
            "clock": "cuda_event",
            "compute_capability": f"{properties.major}.{properties.minor}",
            "memory_bytes": properties.total_memory,
            "cuda": str(torch.version.cuda or torch.version.hip),
            "cudnn": torch.backends.cudnn.version() or 0,
            **gpu_state(_uuid(device)),
        }
    if device.type == "cpu":
        return context | {"device": context["cpu"], "device_kind": "cpu", "threads": torch.get_num_threads()}
    return context | {"device": f"{device.type} of {context['cpu']}", "device_kind": "gpu"}


@contextlib.contextmanager
def matrix_settings(tf32: bool) -> Iterator[None]:
    """What a careful owner sets while a step trains or is measured; put back afterwards.

    tf32: whether a GPU may round fp32 operands of matrix products and convolutions to TF32, whatever else a step's
    autocast rounds. And the fastest convolutions are searched for, since the shapes of a step do not change.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    try:
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = True, tf32, tf32
        yield
    finally:
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = before


def rounds_to_tf32(device: torch.device, precision: str) -> bool:
    """Whether operands are rounded to TF32 at `precision`; raises ModeError for a device that has no TF32."""
    if precision != "tf32":
        return False
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= TF32_CAPABILITY:
        return True
    raise ModeError(f"{device} has no TF32: it needs a GPU of compute capability 8.0 or newer; use precision=fp32")


def check_precision(device: torch.device | str, precision: str) -> None:
    """Raise ModeError where `device` has no arithmetic of a precision and would be timed at another one's."""
    device = torch.device(device)
    rounds_to_tf32(device, precision)
    if precision != "bf16" or device.type != "cuda" or torch.version.hip is not None:
        return
    if torch.cuda.get_device_capability(device) < BF16_CAPABILITY:
        raise ModeError(
            f"{device} has no bf16, which torch would emulate: it needs a GPU of compute capability 8.0 or newer; use "
            "precision=fp16 or fp32"
        )


def memory_is_full(error: BaseException) -> bool:
    """Whether an exception, or one that it was raised from, is a way of torch, the driver or Python to say that memory
    ran out."""
    seen = set()
    while error is not None and id(error) not in seen:
        if _says_full(error):
            return True
        seen.add(id(error))
        error = error.__cause__
    return False


def _says_full(error):
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM  # a process or a map that the system refuses
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in FULL)


def free_cached(device: torch.device) -> None:
    """Give memory that torch keeps for later back to a CUDA device, as far as it can.

    After a failed capture of a graph the allocator of some versions of torch (2.11 and before) refuses.
    """
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()


def device_fault(device: torch.device | str) -> str:
    """Why a device is of no more use to this process, or "" where it still works.

    A capture of a CUDA graph that failed may leave torch's allocator or random numbers in it, and an error inside a
    kernel ends every later call; another process can go on.
    """
    device = torch.device(device)
    if device.type != "cuda":
        return ""
    try:
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        torch.rand(1, device=device).cpu()
    except RuntimeError as error:
        return "" if memory_is_full(error) else first_line(error)
    return ""


@contextlib.contextmanager
def memory_explained(device: torch.device, batch_size: int) -> Iterator[None]:
    """Turn every way to say that memory ran out into OutOfMemoryError."""
    try:
        yield
    except Exception as error:  # a compiler, a loader or a hook may wrap what ran out
        if isinstance(error, BaselineError) or not memory_is_full(error):
            raise
        reason = first_line(error)
    else:
        return
    free_cached(device)
    raise OutOfMemoryError(
        f"a step at batch {batch_size} does not fit the memory of {device} ({reason}): give a smaller one"
    )


def _torch_settings():
    """The settings that decide how fast and how exactly torch computes; those it will not tell are left out.

    torch refuses to read the older settings of TF32 once the newer ones were written.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    found = {"convolutions_searched": cudnn.benchmark}
    for name, backend in (("tf32_matmul", matmul), ("tf32_convolution", cudnn)):
        with contextlib.suppress(RuntimeError):
            found[name] = backend.allow_tf32
    return found


def energy_counter(device: torch.device | str) -> NvmlCounter | RaplCounter | None:
    """The counter of the energy that a torch device uses, or None where none is known."""
    device = torch.device(device)
    if device.type == "cuda":
        return NvmlCounter(_uuid(device))
    return RaplCounter() if device.type == "cpu" else None


def _uuid(device):
    """The UUID under which NVML knows a CUDA device."""
    return f"GPU-{getattr(torch.cuda.get_device_properties(device), 'uuid', '')}"


def first_line(error: BaseException) -> str:
    """What an exception says, in one short line."""
    return (str(error).strip().splitlines() or ["no reason given"])[0][:300]


def device_state(device: torch.device | str) -> dict:
    """The part of `device_context` that changes while a CUDA device works, as NVML tells it; empty elsewhere."""
    device = torch.device(device)
    return gpu_state(_uuid(device)) if device.type == "cuda" else {}
