"""torch's elementwise optimisers as one canonical row per parameter; all others are traced as executed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from accel_model.types import Kind, Operand, Phase, Role
from harness.capture import torch_private
from harness.capture.formulas.numbers import reals
from harness.capture.storages import DTYPES, Origin, touched_bytes
from harness.capture.update_rules import rule_of
from harness.capture.writer import OpRow


class Updates:
    """Replaces what torch's optimisers execute by rows that read the gradient once and rewrite parameter and state.

    A closure and the hooks that a user gave an optimiser are no part of its rule: they are traced as executed.
    """

    def __init__(self, recorder, note):
        """note(optimizer): called at the start of every step of any optimiser."""
        self._recorder, self._note = recorder, note
        self.seen = []
        self._running = []  # of each optimiser step that runs, the hooks that replace it

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow optimiser steps while this context is open."""
        with ExitStack() as stack:
            stack.callback(register_optimizer_step_pre_hook(self._before).remove)
            stack.callback(register_optimizer_step_post_hook(self._after).remove)
            stack.callback(self._take_hooks_back)
            yield

    def _before(self, optimizer, args, kwargs):
        self._note(optimizer)
        self.seen.append(optimizer)
        self._recorder.attribution.updating += 1
        hooks = ExitStack()
        self._running.append(hooks)
        if (rule := rule_of(optimizer)) is not None:
            hooks.callback(optimizer.register_step_pre_hook(self._pause).remove)  # the last before the update
            written = optimizer.register_step_post_hook(lambda *_: self._replace(optimizer, rule))
            hooks.callback(written.remove)
            torch_private.comes_first_after_a_step(optimizer, written)
        args = tuple(self._outside(a) if number == 1 else a for number, a in enumerate(args))
        return args, {name: self._outside(a) if name == "closure" else a for name, a in kwargs.items()}

    def _after(self, optimizer, args, kwargs):
        self._recorder.attribution.updating -= 1
        self._running.pop().close()

    def _take_hooks_back(self):
        """After a step that raised, leave the optimiser without hooks of ours."""
        while self._running:
            self._running.pop().close()

    def _pause(self, optimizer, args, kwargs):
        self._recorder.paused += 1

    def _replace(self, optimizer, rule):
        self._recorder.paused -= 1
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._write(optimizer, rule(group), parameter)

    def _outside(self, closure):
        """The closure that an optimiser calls, seen as what it is: forward and backward work."""
        if not callable(closure):
            return closure
        recorder, attribution = self._recorder, self._recorder.attribution

        @wraps(closure, updated=())
        def seen(*args, **kwargs):
            before = recorder.paused, attribution.updating
            recorder.paused = attribution.updating = 0
            try:
                return closure(*args, **kwargs)
            finally:
                recorder.paused, attribution.updating = before

        return seen

    def _write(self, optimizer, operations, parameter):
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
        row.vector_ops = operations * reals(parameter)  # rules see a complex parameter as two real ones
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


def describe(optimizer: torch.optim.Optimizer) -> dict[str, object]:
    """{class, implementation}: how an optimiser was written, for the trace's metadata."""
    settings = optimizer.defaults
    chosen = [name for name in ("fused", "foreach", "capturable", "differentiable") if settings.get(name)]
    return {"class": type(optimizer).__name__, "implementation": chosen}
