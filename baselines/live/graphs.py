"""A training step captured in a CUDA graph, and a process that stays usable where it cannot be captured."""

import contextlib
from collections.abc import Callable, Iterator

import torch

from baselines.errors import ModeError
from baselines.live.device import first_line
from baselines.live.step import Loss

CAPTURE_WARMUP = 3  # steps on a side stream before a capture, as in torch's notes on CUDA graphs
ERROR_MODE = "thread_local"
"""What a capture forbids: unsafe calls of this thread alone. Under torch's own choice, "global", a call of any other
thread (a data loader's that pins memory, a monitor's) would end it."""
SECONDARY = (
    "previous error during capture",  # cudaErrorStreamCaptureInvalidated: every call after the one that failed
    "invalid capture",  # torch's word for the graph that such a capture leaves
    "capture must end on the same stream",  # where the failure left another stream in place
    "capture was not ended in the same stream",  # cudaErrorStreamCaptureUnmatched
    "stream has unjoined work",  # cudaErrorStreamCaptureUnjoined, after a fork that was not reached to be joined
)
"""What CUDA and torch say, in lower case, of a capture in which something failed before."""
WAITS = "synchronizing cuda operation"  # torch, in its mode that refuses them


def captured(compute: Callable[[], Loss], device: torch.device) -> tuple[torch.cuda.CUDAGraph, Loss]:
    """(graph, the loss that it writes) of one `compute()`, after some that run outside of it.

    Raises ModeError where a step waits for the device, which no graph can hold and which is found before a capture
    begins, since a capture that fails can cost this process its use of the device; and else what made it fail, rather
    than what CUDA says afterwards. The device's current stream is what it was in any case.
    """
    with torch.cuda.device(device), same_stream(device):
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(CAPTURE_WARMUP - 1):
                compute()
            with waiting_refused():
                compute()
        torch.cuda.current_stream(device).wait_stream(side)
        return _captured(compute, side)


def _captured(compute, stream):
    graph, loss, inside, failure = torch.cuda.CUDAGraph(), None, [], None
    try:
        with torch.cuda.graph(graph, stream=stream, capture_error_mode=ERROR_MODE):
            try:
                loss = compute()
            except BaseException as error:
                inside.append(error)
                raise
    except BaseException as error:  # what ends the capture raises in place of what failed inside, an interrupt too
        failure = root_cause(inside[0] if inside else error)
    if failure is None:
        return graph, loss
    if is_secondary(failure):
        raise ModeError(
            f"the step cannot be captured in a CUDA graph: something in it failed that a capture forbids, and was "
            f"caught before it could be told ({first_line(failure)})"
        )
    raise failure


@contextlib.contextmanager
def same_stream(device: torch.device) -> Iterator[None]:
    """Put the device's current stream back at the end: torch leaves the capture's in place where a capture fails."""
    before = torch.cuda.current_stream(device)
    try:
        yield
    except BaseException:
        with contextlib.suppress(RuntimeError):  # work that is left on another stream must not meet what comes next
            torch.cuda.synchronize(device)
        raise
    finally:
        torch.cuda.set_stream(before)


@contextlib.contextmanager
def waiting_refused() -> Iterator[None]:
    """Let torch refuse what waits for the device, as ModeError; put its mode back at the end."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    except RuntimeError as error:
        if WAITS not in str(error).lower():
            raise
        raise ModeError(
            f"a step that waits for the device cannot be captured in a CUDA graph ({first_line(error)}): keep .item(), "
            f".cpu(), print and shapes that depend on values out of compute()"
        ) from error
    finally:
        torch.cuda.set_sync_debug_mode(before)


def root_cause(error: BaseException) -> BaseException:
    """The error that made a capture fail: the first in the chain of `error` that does not only tell of an earlier one.

    Where all of them do (the step caught the first itself), it is `error`, which is then all that is known.
    """
    one, seen = error, set()
    while one is not None and is_secondary(one) and id(one) not in seen:
        seen.add(id(one))
        one = one.__cause__ or one.__context__
    return error if one is None else one


def is_secondary(error: BaseException) -> bool:
    """Whether an error only says that a capture failed before."""
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in SECONDARY)
