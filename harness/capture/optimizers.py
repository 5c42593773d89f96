"""torch's own optimisers as one canonical row per parameter; other optimisers are traced as executed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from accel_model.types import Kind, Operand, Phase, Role
from harness.capture import torch_private
from harness.capture.formulas.numbers import reals
from harness.capture.storages import DTYPES, Origin, is_plain, touched_bytes
from harness.capture.writer import OpRow

VECTOR_OPS = {  # elementary operations per parameter element, counted from the update rules in torch's documentation
    "SGD": 2,
    "Adam": 12,
    "AdamW": 14,
    "NAdam": 14,
    "RAdam": 14,
    "Adamax": 10,
    "RMSprop": 8,
    "Adagrad": 7,
    "Adadelta": 12,
    "ASGD": 8,
    "Rprop": 10,
    "Adafactor": 14,
}
PER_STATE = 4  # for an optimiser that is not listed: operations per state tensor and element


class Updates:
    """Replaces what torch's optimisers execute by rows that read the gradient once and rewrite parameter and state."""

    def __init__(self, recorder, note):
        """note(optimizer): called at the start of every step of any optimiser."""
        self._recorder, self._note = recorder, note
        self.seen = []
        self._canonical = []  # of each optimiser step that runs, whether it is replaced

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow optimiser steps while this context is open."""
        with ExitStack() as stack:
            stack.callback(register_optimizer_step_pre_hook(self._before).remove)
            stack.callback(register_optimizer_step_post_hook(self._after).remove)
            yield

    def _before(self, optimizer, args, kwargs):
        self._note(optimizer)
        self.seen.append(optimizer)
        self._recorder.attribution.updating += 1
        self._canonical.append(is_canonical(optimizer))
        self._recorder.paused += self._canonical[-1]

    def _after(self, optimizer, args, kwargs):
        self._recorder.attribution.updating -= 1
        if self._canonical.pop():
            self._recorder.paused -= 1
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._write(optimizer, group, parameter)

    def _write(self, optimizer, group, parameter):
        storages, recorder = self._recorder.storages, self._recorder
        state = [
            value
            for name, value in optimizer.state.get(parameter, {}).items()
            if isinstance(value, torch.Tensor) and name != "step" and value.layout is torch.strided
        ]
        row = OpRow()
        row.name, row.kind, row.phase = type(optimizer).__name__, Kind.OPTIMIZER, Phase.UPDATE
        row.call, row.layer = recorder.writer.next_call(), recorder.attribution.layer_of_parameter(parameter)
        row.gemm, row.geometry, row.dtype = (0, 0, 0, 0), None, DTYPES.get(parameter.dtype)
        row.vector_ops = reals(parameter) * operations(type(optimizer).__name__, group, len(state))
        gradient = storages.of(parameter.grad)
        if gradient is None:
            return
        gradient.role = Role.GRADIENT
        rewritten = [(parameter, storages.of(parameter, Role.PARAMETER, Origin.WEIGHT))]
        rewritten += [(tensor, storages.of(tensor, Role.OPTIMIZER_STATE, Origin.CONSTANT)) for tensor in state]
        rewritten = [(tensor, entry) for tensor, entry in rewritten if entry is not None]
        row.uses = [(gradient, False, touched_bytes(parameter.grad), Operand.OTHER)]
        for write in (False, True):
            row.uses += [(entry, write, touched_bytes(tensor), Operand.OTHER) for tensor, entry in rewritten]
        recorder.writer.rows.append(row)


def is_canonical(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimiser's step is one of torch's own whose traffic is known: each state read and written once."""
    step = type(optimizer).step
    if not step.__module__.startswith("torch.optim") or isinstance(optimizer, torch.optim.LBFGS):
        return False
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return all(p.grad is None or (_is_stored(p) and _is_stored(p.grad)) for p in parameters)


def _is_stored(tensor):
    """Whether a tensor is its own memory: neither sparse nor nested, nor a wrapper of others."""
    return is_plain(tensor) and any(piece is tensor for piece in torch_private.components(tensor))


def operations(name: str, group: dict, states: int) -> int:
    """Elementary operations per parameter element of one step with the settings of a parameter group."""
    if name == "SGD":
        extras = (group["momentum"] != 0, group["weight_decay"] != 0, bool(group["nesterov"]))
        return VECTOR_OPS[name] + 2 * sum(extras)
    return VECTOR_OPS.get(name, 2 + PER_STATE * states)


def describe(optimizer: torch.optim.Optimizer) -> dict[str, object]:
    """{class, implementation}: how an optimiser was written, for the trace's metadata."""
    settings = optimizer.defaults
    chosen = [name for name in ("fused", "foreach", "capturable", "differentiable") if settings.get(name)]
    return {"class": type(optimizer).__name__, "implementation": chosen}
