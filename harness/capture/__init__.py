"""Any PyTorch training step as a Trace. Importing this package is cheap: torch loads when one of its names is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from accel_model import Trace

_FOLLOWING = {  # what also follows a step's modules and ops, for who times them
    "Attribution": "harness.capture.attribution:Attribution",
    "every_op": "harness.capture.torch_private:every_op",
}
__all__ = ["capture", "capture_model", "defaults_restored", *_FOLLOWING]


def capture(
    step: Callable[[], object],
    model: torch.nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    warmup: int = 1,
    meta: dict | None = None,
    strict: bool = False,
) -> Trace:
    """The Trace of one call of `step()` under the mode that is active: real tensors on any device, or fake ones.

    step: callable without arguments; its attributes `model`, `optimizer`, `inputs` and `targets` are used where it has
    them, the first two where the arguments are not given. warmup: steps run before the captured one, so that optimiser
    state exists. meta: JSON values added to the trace's. strict: raise where an op has no formula, instead of listing
    it in `Trace.uncounted`.
    Raises CaptureError where the step raises, trains nothing or, with strict, does an op that has no formula.
    """
    capture_step = resolve_name("harness.capture.session:capture_step")
    return capture_step(step, model, optimizer, warmup=warmup, meta=meta, strict=strict)


def capture_model(
    build: Callable[[], Callable[[], object]], *, warmup: int = 1, meta: dict | None = None, strict: bool = False
) -> Trace:
    """The Trace of one call of the step that `build()` returns, built and run on fake tensors: no memory, no GPU.

    build: callable without arguments that makes model, data and optimiser and returns the step; initialisation of
    parameters does nothing while it runs, and attention takes its fused form. The rest is as in `capture`.
    Raises CaptureError where building fails or the step needs values or a GPU.
    """
    capture_built = resolve_name("harness.capture.session:capture_built")
    return capture_built(build, warmup=warmup, meta=meta, strict=strict)


@contextmanager
def defaults_restored() -> Iterator[None]:
    """When this context closes, torch's default dtype and device are as they were, whatever a model's code did."""
    import torch

    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(None)  # a default that is set, the first one too, is a mode around every call
            if torch.get_default_device() != device:
                torch.set_default_device(device)


def __getattr__(name):
    if name not in _FOLLOWING:
        raise AttributeError(f"module 'harness.capture' has no attribute {name!r}")
    return resolve_name(_FOLLOWING[name])
