"""Ways to run a step, each checked to train as eager does before it is timed."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch

from baselines.errors import BaselineError, LossError, ModeError
from baselines.live.agreement import check, reference
from baselines.live.device import first_line, memory_is_full
from baselines.live.graphs import captured
from baselines.live.step import Loss, StepParts, updated
from baselines.vocabulary import COMPILED_MODES, CUDA_MODES, MODES

CHECKED_STEPS = 3
DRIVER_ERRORS = (getattr(torch, "AcceleratorError", torch.OutOfMemoryError),)  # since torch 2.8, of every accelerator


@dataclass(frozen=True)
class StepMode:
    """One way to run a step: `compute()` returns the loss; it is called inside `active()`."""

    name: str
    compute: Callable[[], Loss]
    active: Callable[[], AbstractContextManager] = contextlib.nullcontext


class KeptState:
    """The tensors of a step's model and optimiser, kept on the host so that they take no room on the device.

    And the scale of its float16 gradients, which grows and falls as steps go on.
    """

    def __init__(self, step: StepParts):
        states = () if step.optimizer is None else step.optimizer.state.values()
        tensors = chain(
            *(() if step.model is None else (step.model.parameters(), step.model.buffers())),
            (value for state in states for value in state.values() if isinstance(value, torch.Tensor)),
        )
        self._saved = [(tensor, tensor.detach().to("cpu", copy=True)) for tensor in tensors]
        self.scaler = step.scaler
        self._scaling = step.scaler.state_dict() if step.scaler else {}

    @torch.no_grad()
    def restore(self) -> None:
        """Write the kept values back into the same tensors."""
        for tensor, saved in self._saved:
            tensor.copy_(saved)
        if self.scaler:
            self.scaler.load_state_dict(self._scaling)  # fills the tensors that a captured graph knows


def prepared(name: str, step: StepParts, state: KeptState, device: torch.device, precision: str) -> StepMode:
    """The StepMode called `name`, its losses from `state` checked against eager's; raises ModeError or LossError."""
    eager = StepMode("eager", step.compute)
    if name == "eager":
        return eager
    if name not in PREPARE:
        raise ModeError(f"no mode is called {name!r}: use {', '.join(MODES[:-1])} or {MODES[-1]}")
    if step.model is None:
        raise ModeError(f"mode {name} needs a step with a `model`, so that its loss can be checked from the same state")
    expected = reference(partial(_losses, eager, state, device), precision)  # before a capture takes its memory
    try:
        mode = PREPARE[name](step, device)
        _losses(mode, state, device, seed=0)
    except BaselineError:
        raise
    except Exception as error:  # the compiler and the capture raise of every kind
        if memory_is_full(error):
            raise
        raise ModeError(f"the step cannot run in mode {name}: {type(error).__name__}: {first_line(error)}") from error
    check(name, partial(_losses, mode, state, device), expected, precision)
    return mode


def forget_compiled(modes: Iterable[str]) -> None:
    """Let torch compile anew where one of `modes` does; what was compiled before is of no more use.

    Otherwise, after some models of one class, torch would quietly run the next ones eagerly.
    """
    if set(modes) & set(COMPILED_MODES):
        torch.compiler.reset()


def compiled_mode(step: StepParts, device: torch.device) -> StepMode:
    """The step with its model compiled, for this batch size alone, while the mode is active."""
    before = step.model._compiled_call_impl
    step.model.compile(dynamic=False)
    compiled, step.model._compiled_call_impl = step.model._compiled_call_impl, before

    @contextlib.contextmanager
    def active():
        step.model._compiled_call_impl = compiled
        try:
            yield
        finally:
            step.model._compiled_call_impl = before

    return StepMode("compiled", step.compute, active)


def graphs_mode(step: StepParts, device: torch.device) -> StepMode:
    """The step's compute() captured in a CUDA graph."""
    _needs_cuda("graphs", device)
    return _replayed("graphs", step, device, contextlib.nullcontext)


def compiled_graphs_mode(step: StepParts, device: torch.device) -> StepMode:
    """The step with its model compiled, and the whole of compute() captured in one CUDA graph.

    What the owner of a small model would use: fewer kernels, and one launch a step. torch's own mode
    "reduce-overhead" captures the model's forward and backward pass as graphs of their own, and leaves the loss and
    the update to be launched op by op.
    """
    _needs_cuda("compiled_graphs", device)
    return _replayed("compiled_graphs", step, device, compiled_mode(step, device).active)


def _replayed(name, step, device, around):
    """The StepMode that replays one compute(), which is captured inside `around()`."""
    active = partial(capturable, step.optimizer, device, {})
    with active(), around():
        graph, loss = captured(step.compute, device)

    def replay():
        graph.replay()
        return loss

    return StepMode(name, replay, active)


def _needs_cuda(name, device):
    if device.type != "cuda":
        others = " or ".join(mode for mode in MODES if mode not in CUDA_MODES)
        raise ModeError(f"mode {name}: CUDA graphs need a CUDA device and this is {device}: use mode {others}")


@contextlib.contextmanager
def capturable(
    optimizer: torch.optim.Optimizer | None, device: torch.device, counts: dict[torch.Tensor, torch.Tensor]
) -> Iterator[None]:
    """Let an optimiser of Adam's kind be captured: its step counts lie on the device, in the tensors of `counts`."""
    groups = [group for group in optimizer.param_groups if group.get("capturable") is False] if optimizer else []
    weights = [weight for group in groups for weight in group["params"] if "step" in optimizer.state.get(weight, {})]
    host = {weight: optimizer.state[weight]["step"] for weight in weights}
    for weight in weights:
        counts.setdefault(weight, torch.zeros_like(host[weight], device=device)).copy_(host[weight])
        optimizer.state[weight]["step"] = counts[weight]
    for group in groups:
        group["capturable"] = True
    failed = True
    try:
        yield
        failed = False
    finally:
        for weight in weights:
            if not failed:  # or the device may refuse the copy, and hide why
                host[weight].copy_(counts[weight])
            optimizer.state[weight]["step"] = host[weight]
        for group in groups:
            group["capturable"] = False


PREPARE = {"graphs": graphs_mode, "compiled": compiled_mode, "compiled_graphs": compiled_graphs_mode}


def _losses(mode, state, device, seed):
    """float64 (CHECKED_STEPS,), the losses from the kept state and this seed."""
    state.restore()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), mode.active():
        torch.manual_seed(seed)
        losses = updated(lambda: loss_value(mode.compute()), state.scaler, CHECKED_STEPS)
    if None in losses:
        raise ModeError("modes other than eager need a step that returns its loss, so that it can be checked")
    return np.array(losses)


def loss_value(loss: Loss) -> float | None:
    """The loss as a float, None where the step returns none; raises LossError where it is not finite."""
    if loss is None:
        return None
    try:
        value = float(loss)
    except (TypeError, ValueError, RuntimeError) as error:
        if memory_is_full(error) or isinstance(error, DRIVER_ERRORS) or "CUDA" in str(error):
            raise
        raise LossError(f"a step must return its loss, one number, and returned a {type(loss).__name__}") from None
    if not math.isfinite(value):
        raise LossError(f"the loss is {value}: the step does not train; lower the learning rate or check the data")
    return value
