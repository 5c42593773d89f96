"""The dispatch mode that sees every op of a step and hands it to the writer of rows."""

from collections.abc import Callable
from functools import lru_cache

import torch

from accel_model.types import Role
from harness.capture import torch_private
from harness.capture.fake_corrections import corrected
from harness.capture.formulas.parts import Call, info_of
from harness.capture.formulas.table import formula_of
from harness.capture.storages import Origin, is_plain, pieces
from harness.capture.writer import EMPTY

UNSEEN = ("prim", "profiler")  # namespaces of what only asks or marks


class Recorder(torch_private.TorchDispatchMode):
    """Writes what torch does while it is active; `paused`, a depth, leaves out what an optimiser's step does itself.

    An op that is made of others and has no formula, or arrives whole only because autograd is off, is its parts.
    """

    def __init__(self, writer, attribution):
        super().__init__()
        self.writer, self.attribution = writer, attribution
        self.storages = writer.storages
        self.paused = 0
        self._fake = torch_private.fake_mode_is_active()

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if not all(map(torch_private.is_plain_type, types)):
            return NotImplemented  # a tensor subclass: its own dispatch comes back here with plain tensors
        kwargs = kwargs or {}
        if (kernel := self._kernel_of_others(op, args, kwargs)) is not None:
            rows = len(self.writer.rows)
            with self:
                outputs = kernel(*args, **kwargs)
            if torch_private.made_of_others(op, False) is None and not self._told(op, args, kwargs, outputs, rows):
                self._see(op, args, kwargs, outputs)
            return outputs
        outputs = op(*args, **kwargs)
        if op.namespace not in UNSEEN:
            if self._fake:
                outputs = corrected(op, args, outputs)
            self._see(op, args, kwargs, outputs)
        return outputs

    def _kernel_of_others(self, op, args, kwargs):
        """What calls the ops that `op` is made of, where it has no work of its own on these tensors, or None."""
        kernel = None if self.paused else made_of_others(op)
        if kernel is None:
            return None
        tensors = list(_all_tensors((*args, *kwargs.values())))
        return None if torch_private.has_kernel(op, tensors) else kernel

    def _told(self, op, args, kwargs, outputs, rows):
        """Whether the rows since `rows` write all that an op makes: a kernel that calls others may work itself, too."""
        inputs = {id(self.storages.of(t)) for t in self._tensors((*args, *kwargs.values()))}
        made = [self.storages.of(t, origin=Origin.CONSTANT, existed=False) for t in self._tensors((outputs,))]
        if info_of(op).mutated and len(self.writer.rows) == rows:
            return False
        return all(entry is None or entry.written_in is not None or id(entry) in inputs for entry in made)

    def _see(self, op, args, kwargs, outputs):
        if self.paused:
            return
        info = info_of(op)
        arguments = dict(zip(info.arguments, args, strict=False)) | kwargs
        inputs = list(self._tensors(value for name, value in arguments.items() if name not in info.outs))
        stored = [self.storages.of(t) or EMPTY for t in inputs]
        for entry, tensor in zip(stored, inputs, strict=True):
            if entry.role is None and entry.written_in is None and isinstance(tensor, torch.nn.Parameter):
                entry.role, entry.origin = Role.PARAMETER, Origin.WEIGHT
        origins = {entry.origin for entry in stored}
        place = self.attribution.place()
        listed = outputs if isinstance(outputs, tuple | list) else (outputs,)
        listed = [o for out in listed for o in (out if isinstance(out, tuple | list) else (out,))]
        changed = [t for name in info.mutated for t in self._tensors((arguments.get(name),))]
        before = {id(entry) for entry in (*stored, *(self.storages.of(t, existed=False) for t in changed))}
        fresh = []
        for tensor in self._tensors(listed):
            entry = self.storages.of(tensor, origin=Origin.CONSTANT, existed=False)
            if entry is not None and id(entry) not in before:
                fresh.append(tensor)
        special = [t for t in _all_tensors([*arguments.values(), *listed]) if not is_plain(t)]
        hidden = any(not torch_private.components(t) for t in special)  # what it writes cannot be told
        works = (bool(changed or fresh) or hidden) and not info.renames and not info.only_reserves
        self.attribution.note(place.layer, origins, works)
        if works:
            outs = [o if _is_tensor(o) else None for o in listed]
            call = Call(info, arguments, inputs, changed, outs, fresh, special)
            self.writer.record(call, place, stored)

    def _tensors(self, values):
        for tensor in _all_tensors(values):
            yield from pieces(tensor)


def _all_tensors(values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _all_tensors(value)


@lru_cache(maxsize=4096)
def made_of_others(op: Callable) -> Callable | None:
    """The kernel that calls the ops that `op` is made of: of every composite one, and of others without formula."""
    if op.namespace in UNSEEN or not torch_private.is_operator(op):
        return None
    info = info_of(op)
    explicit = op.namespace == "aten" and formula_of(info) is None and not (info.renames or info.only_reserves)
    return torch_private.made_of_others(op, explicit)


def _is_tensor(value):
    return isinstance(value, torch.Tensor)
