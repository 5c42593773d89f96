"""The dispatch mode that sees every op of a step and hands it to the writer of rows."""

import torch

from accel_model.types import Role
from harness.capture import torch_private
from harness.capture.fake_corrections import corrected
from harness.capture.formulas.parts import Call, info_of
from harness.capture.storages import Origin, is_plain, pieces
from harness.capture.writer import EMPTY


class Recorder(torch_private.TorchDispatchMode):
    """Writes what torch does while it is active; `paused`, a depth, leaves out what an optimiser's step does itself."""

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
        outputs = op(*args, **kwargs)
        if op.namespace not in ("prim", "profiler"):
            if self._fake:
                outputs = corrected(op, args, outputs)
            self._see(op, args, kwargs, outputs)
        return outputs

    def _see(self, op, args, kwargs, outputs):
        if self.paused and not self._is_own_work():
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

    def _is_own_work(self):
        """Whether an op inside a known optimiser's step is the user's closure and not the update itself."""
        return torch.is_grad_enabled() or torch_private.backward_node() is not None

    def _tensors(self, values):
        for tensor in _all_tensors(values):
            yield from pieces(tensor)


def _all_tensors(values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _all_tensors(value)


def _is_tensor(value):
    return isinstance(value, torch.Tensor)
