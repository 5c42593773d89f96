"""Ways to run a step, each checked to train as eager does before it is timed."""

import contextlib
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch

from baselines.errors import BaselineError, LossError, ModeError
from baselines.live.agreement import check, reference
from baselines.live.device import first_line, memory_is_full
from baselines.live.step import Loss, StepParts, updated
from baselines.vocabulary import MODES

CHECKED_STEPS = 3
CAPTURE_WARMUP = 3  # steps on a side stream before a capture, as in torch's notes on CUDA graphs


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


def compiled_mode(step: StepParts, device: torch.device) -> StepMode:
    """The step with its model compiled, for this batch size alone, while the mode is active."""
    torch.compiler.reset()  # or, after some models of one class, torch would quietly run the next ones eagerly
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


def captured_mode(step: StepParts, device: torch.device) -> StepMode:
    """The step's compute() captured in a CUDA graph."""
    if device.type != "cuda":
        raise ModeError(f"CUDA graphs need a CUDA device and this is {device}: use mode eager or compiled")
    compute, active = step.compute, partial(capturable, step.optimizer, device, {})
    graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
    with torch.cuda.device(device), active():
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(CAPTURE_WARMUP):
                compute()
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(graph):
            loss = compute()

    def replay():
        graph.replay()
        return loss

    return StepMode("graphs", replay, active)


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
    try:
        yield
    finally:
        for weight in weights:
            host[weight].copy_(counts[weight])
            optimizer.state[weight]["step"] = host[weight]
        for group in groups:
            group["capturable"] = False


PREPARE = {"graphs": captured_mode, "compiled": compiled_mode}


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
        if memory_is_full(error) or "CUDA" in str(error):
            raise
        raise LossError(f"a step must return its loss, one number, and returned a {type(loss).__name__}") from None
    if not math.isfinite(value):
        raise LossError(f"the loss is {value}: the step does not train; lower the learning rate or check the data")
    return value
