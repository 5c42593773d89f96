"""torch.cuda where there is no GPU: streams are objects, and a capture runs what it captures and fails as CUDA does.

torch's own `torch.cuda.graph` is used, on a `CUDAGraph` made here: what it leaves behind when a capture fails is what
it leaves on a GPU.
"""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import torch

FORBIDDEN = (
    "CUDA error: operation not permitted when stream is capturing\nSearch for `cudaErrorStreamCaptureUnsupported'"
)
INVALIDATED = "CUDA error: operation failed due to a previous error during capture\nCUDA kernel errors might be ..."
STUCK = 'captures_underway.empty() INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":3221, please report a bug'
WAITS = "called a synchronizing CUDA operation"


class StubStream:
    """A stream that knows its number alone."""

    def __init__(self, device=None, **_):
        self.device = device

    def wait_stream(self, other):
        assert isinstance(other, StubStream)


class StubCuda:
    """The state of a device that is not there; `old`: a failed capture leaves the allocator in it, as torch <= 2.11."""

    def __init__(self, old=False):
        self.old, self.default = old, StubStream()
        self.current, self.sync_mode = self.default, 0
        self.capturing = self.invalid = self.stuck = False
        self.error_modes, self.replays, self.fails_at = [], 0, ""

    def wait(self):
        """What `.item()` does."""
        if self.sync_mode == 2:
            raise RuntimeError(WAITS)
        self.refused_in_a_capture()

    def refused_in_a_capture(self):
        """A call that only a capture forbids, and every call after it in an invalid capture."""
        if self.capturing:
            text, self.invalid = (INVALIDATED if self.invalid else FORBIDDEN), True
            raise RuntimeError(text)

    def launch(self):
        """Any kernel."""
        if self.capturing and self.invalid:
            raise RuntimeError(INVALIDATED)

    def empty_cache(self):
        if self.stuck:
            raise RuntimeError(STUCK)

    @contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before  # as torch: not in a `finally` of its own, since __exit__ is what is not reached

    def put_in_place(self, monkeypatch, step):
        """Let torch.cuda be this device; `step()` is what a graph's replay does."""
        cuda, self.step = self, step

        class StubGraph:
            def capture_begin(self, pool=None, capture_error_mode="global", **_):
                cuda.error_modes.append(capture_error_mode)
                if cuda.fails_at == "begin":
                    raise RuntimeError("CUDA error: out of memory")
                assert cuda.current is not cuda.default, "a capture on the default stream"
                cuda.capturing, cuda.invalid = True, False

            def capture_end(self):
                cuda.capturing, failed = False, cuda.invalid or cuda.fails_at == "end"
                if failed:
                    cuda.stuck = cuda.old
                    raise RuntimeError(INVALIDATED)

            def replay(self):
                cuda.replays += 1
                cuda.step()

        def mode(value):
            cuda.sync_mode = {"default": 0, "warn": 1, "error": 2}.get(value, value)

        def put(stream):
            cuda.current = stream

        patches = {
            "CUDAGraph": StubGraph,
            "Stream": StubStream,
            "current_stream": lambda device=None: cuda.current,
            "set_stream": put,
            "stream": cuda.stream,
            "device": lambda device: nullcontext(),
            "synchronize": lambda device=None: None,
            "empty_cache": cuda.empty_cache,
            "get_sync_debug_mode": lambda: cuda.sync_mode,
            "set_sync_debug_mode": mode,
        }
        for name, value in patches.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(torch._C, "_host_emptyCache", lambda: None, raising=False)
        rand, fork = torch.rand, torch.random.fork_rng
        monkeypatch.setattr(torch, "rand", lambda *size, device=None, **rest: rand(*size, **rest))
        monkeypatch.setattr(torch.random, "fork_rng", lambda devices=None, **rest: fork([], **rest))
        return self


def measuring_on_it(monkeypatch):
    """Let `measure_all` take the host's clock and know nothing of the device it measures."""
    import time

    from baselines.live import device, measure
    from tests.helpers.measurements import imagined_context

    stubs = SimpleNamespace(
        best_device=lambda wanted: wanted,
        mark=lambda device: time.perf_counter(),
        seconds=lambda start, end: end - start,
        synchronize=lambda device: None,
        device_context=lambda device: imagined_context(),
        energy_counter=lambda device: None,
        _pinned=lambda one, device: one,
    )
    for name, value in vars(stubs).items():
        monkeypatch.setattr(measure, name, value)
    monkeypatch.setattr(device, "_uuid", lambda device: "GPU-none")
