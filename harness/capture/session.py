"""One capture from start to end: warm up, watch a step, turn what was seen into a Trace."""

import platform
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch.nn.parameter import is_lazy

from accel_model import Trace
from accel_model.types import Phase, Role
from harness.capture import defaults_restored, torch_operators, torch_private
from harness.capture.assemble import give_roles, to_trace
from harness.capture.attribution import Attribution, attention_calls, ordinary_modules
from harness.capture.failures import is_own_bug, refuse_uncounted, refused, trains_nothing
from harness.capture.fake_corrections import lazy_parameters_are_fake
from harness.capture.optimizers import Updates, describe
from harness.capture.recorder import Recorder
from harness.capture.storages import Origin, Storages
from harness.capture.writer import Writer
from harness.settings.errors import CaptureError, HalfstepError


def capture_step(
    step: Callable[[], object],
    model: torch.nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    warmup: int = 1,
    meta: dict | None = None,
    strict: bool = False,
    fused_attention: bool = False,
) -> Trace:
    """The Trace of one call of `step()`, as harness.capture.capture; fused_attention: leave attention's dropout out."""
    if not callable(step):
        raise CaptureError(f"the step is a {type(step).__name__}: give a callable without arguments that does one step")
    if not isinstance(warmup, int) or warmup < 0:
        raise CaptureError(f"warmup is {warmup!r}: give a number of steps, 0 or more")
    if meta is not None and not isinstance(meta, dict):
        raise CaptureError(f"meta is a {type(meta).__name__}: give a dict of JSON values")
    model = getattr(step, "model", None) if model is None else model
    optimizer = getattr(step, "optimizer", None) if optimizer is None else optimizer
    with (
        defaults_restored(),
        torch.compiler.set_stance("force_eager"),
        torch_private.foreach_takes_fake_tensors(),
        torch_operators.operators_run(torch_operators.PLAIN),
        torch_operators.flex_attention_on_any_device(),
        ordinary_modules(),
    ):
        for _ in range(warmup):
            _run(step, f"the warm-up of {_name(step)}")
        session = Session(model, fused_attention)  # after the warm-up, which may make parameters and rebind buffers
        if optimizer is not None:
            session.note_optimizer(optimizer)
        for name in ("inputs", "targets"):
            session.note_inputs(getattr(step, name, None))
        session.note_gradients()
        with session.watching():
            _run(step, _name(step))
    trace = session.trace(meta)
    if strict and trace.uncounted:
        raise refuse_uncounted(trace.uncounted)
    if not session.trains():
        raise trains_nothing(_name(step))
    return trace


def capture_built(
    build: Callable[[], Callable[[], object]], *, warmup: int = 1, meta: dict | None = None, strict: bool = False
) -> Trace:
    """The Trace of the step that `build()` returns, on fake tensors; see harness.capture.capture_model."""
    if not callable(build):
        raise CaptureError(f"build is a {type(build).__name__}: give a callable that returns the step")
    with (
        defaults_restored(),
        torch_private.fake_mode() as mode,
        torch_private.modules_convert_fake_tensors(),
        lazy_parameters_are_fake(),
        torch_private.quiet_fake_tensors(),
    ):
        with torch_private.initialisation_does_nothing(), torch_private.small_values_are_known(mode):
            step = _run(build, _name(build))
        if not callable(step):
            raise CaptureError(
                f"{_name(build)} returned a {type(step).__name__}: return the step, a callable without arguments"
            )
        return capture_step(step, warmup=warmup, meta=meta, strict=strict, fused_attention=True)


class Session:
    """What is known of one capture: its storages, rows, places and optimisers."""

    def __init__(self, model, fused_attention):
        self.rows, self.models = [], []
        self.storages = Storages(lambda: len(self.rows))
        self.attribution = Attribution(self._adopt, self._seed)
        devices = {p.device.type for p in model.parameters()} if model is not None else {"cpu"}
        self.writer = Writer(self.storages, self.rows, skip_host=not devices <= {"cpu"})
        self.recorder = Recorder(self.writer, self.attribution)
        self.updates = Updates(self.recorder, self.note_optimizer)
        self.fused_attention = fused_attention
        if model is not None:
            self._adopt(model, gradients=False)

    def note_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Give an optimiser's parameters, their gradients and its state their roles."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                self._note_parameter(parameter)
        for state in optimizer.state.values():
            for value in state.values() if isinstance(state, dict) else ():
                self._note(value, Role.OPTIMIZER_STATE, Origin.CONSTANT)

    def note_inputs(self, nest: object) -> None:
        """Give the tensors in a nest of lists, tuples and dicts the role of inputs."""
        if isinstance(nest, dict):
            nest = list(nest.values())
        if isinstance(nest, list | tuple):
            for value in nest:
                self.note_inputs(value)
        self._note(nest, Role.INPUT, Origin.DATA)

    def note_gradients(self) -> None:
        """Give the gradients of the models' parameters their role."""
        for model in self.models:
            for parameter in model.parameters():
                self._note_gradient(parameter)

    def watching(self) -> ExitStack:
        """The context in which everything that torch does is recorded."""
        stack = ExitStack()
        contexts = (
            torch_private.views_are_replayed(),
            self.attribution.watching(),
            self.updates.watching(),
            attention_calls(self.attribution, self.fused_attention),
            self.recorder,
        )
        for context in contexts:
            stack.enter_context(context)
        return stack

    def trains(self) -> bool:
        """Whether the step made a gradient or an update; of a known model, a parameter's."""
        wanted = {Phase.WGRAD, Phase.UPDATE} | (set() if self.models else {Phase.DGRAD})
        return any(row.phase in wanted for row in self.rows)

    def trace(self, meta: dict | None) -> Trace:
        """The Trace of what was seen, with `meta` added to its metadata."""
        for model in self.models:
            self._note_members(model)  # those that the step itself made or rebound
        self.note_gradients()
        self.storages.close()
        give_roles(self.rows, self.storages.entries)
        meta = self._meta() | (meta or {})
        return to_trace(self.rows, self.storages.entries, self.attribution.layers, self.writer.uncounted, meta)

    def _meta(self):
        inputs = [entry for entry in self.storages.entries if entry.role is Role.INPUT and entry.shape]
        parameters = {id(p): _stored_elements(p) for model in self.models for p in model.parameters()}
        largest = max(self.models, key=lambda model: sum(parameters[id(p)] for p in model.parameters()), default=None)
        macs = {}
        for row in self.rows:
            groups, m, n, k = row.gemm
            macs[row.dtype] = macs.get(row.dtype, 0) + groups * m * n * k
        precision = max(macs, key=macs.get, default=None)
        return {
            "source": "capture",
            "model": "" if largest is None else torch_private.uncompiled(largest).__class__.__name__,
            "parameters": sum(parameters.values()),
            "batch": int(inputs[0].shape[0]) if inputs else 0,
            "precision": precision.name.lower() if precision is not None else "",
            "optimizers": [describe(o) for o in dict.fromkeys(self.updates.seen)],
            "compiled": any(torch_private.is_compiled(m) for model in self.models for m in model.modules()),
            "fused_attention": self.fused_attention,
            "fake": torch_private.fake_mode_is_active(),
            "allow_tf32": torch_private.allow_tf32(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }

    def _adopt(self, model, gradients=True):
        prefix = "" if not self.models else type(model).__name__
        self.models.append(model)
        self.attribution.name_modules(model, prefix)
        self._note_members(model, gradients)

    def _note_members(self, model, gradients=False):
        for parameter in model.parameters():
            self._note(parameter, Role.PARAMETER, Origin.WEIGHT)
            if gradients:
                self._note_gradient(parameter)
        for buffer in model.buffers():
            self._note(buffer, Role.BUFFER, Origin.CONSTANT)

    def _note_parameter(self, parameter):
        self._note(parameter, Role.PARAMETER, Origin.WEIGHT)
        self._note_gradient(parameter)

    def _note_gradient(self, parameter):
        entry = self._note(parameter.grad, Role.GRADIENT, Origin.DATA)
        if entry:
            entry.gradient = entry.of_weight = True

    def _seed(self, gradient):
        entry = self._note(gradient, None, Origin.DATA)
        if entry:
            entry.gradient = True

    def _note(self, value, role, origin):
        """Give the storages that hold a tensor a role and an origin; returns that of its values."""
        if not isinstance(value, torch.Tensor) or is_lazy(value):
            return None
        value, entry = torch_private.unwrapped(value), None
        for piece in torch_private.components(value):
            entry = self.storages.of(piece, role, origin)
            if entry and role is not None and entry.role is None:
                entry.role, entry.origin = role, origin
            if entry and piece is not value:
                entry.shape = (value.size(0),) if value.dim() else ()
        return entry


def _run(function, name):
    try:
        return function()
    except HalfstepError:
        raise
    except Exception as error:
        if is_own_bug(error):
            raise
        raise refused(error, name) from error


def _stored_elements(tensor):
    """Numbers that a parameter keeps; 0 of one whose size is not known yet."""
    held = () if is_lazy(tensor) else torch_private.components(tensor)
    return held[-1].numel() if len(held) else 0


def _name(function):
    return getattr(function, "__qualname__", None) or type(function).__qualname__
