"""Rows of a trace from framework calls: formula, phase, bytes touched, and what the tensors written then are."""

from collections.abc import Sequence

import torch

from accel_model.types import Kind, Operand, Phase, Role
from harness.capture.attribution import OpPlace, gradient_phase
from harness.capture.formulas import numbers, storageless
from harness.capture.formulas.parts import Call
from harness.capture.formulas.table import formula_of
from harness.capture.formulas.vector import whole
from harness.capture.storages import DTYPES, Origin, Stored, pieces, touched_bytes


class OpRow:
    """One row of the trace; `uses` holds (Stored, write, bytes, Operand)."""

    __slots__ = ("call", "dtype", "gemm", "geometry", "kind", "layer", "name", "phase", "uses", "vector_ops")


class Writer:
    """Turns calls into `rows`; `uncounted` holds {name: (count, bytes)} of ops without a formula.

    skip_host: leave tensors in host memory out, where the step runs on another device.
    """

    def __init__(self, storages, rows, skip_host=False):
        self.storages, self.rows, self.uncounted = storages, rows, {}
        self._skip_host = skip_host
        self._calls = 0

    def record(self, call: Call, place: OpPlace, stored: Sequence[Stored]) -> None:
        """Write the rows of a call that ran at `place`; stored: the Stored of each of its inputs."""
        origin = max((entry.origin for entry in stored), default=Origin.CONSTANT)
        parts = _parts(call)
        if parts is None:
            parts = whole(call)
            size = sum(touched_bytes(t) for t in (*call.inputs, *call.written))
            size += sum(t.numel() * t.element_size() for t in call.special if not pieces(t))
            count, total = self.uncounted.get(call.info.name, (0, 0))
            self.uncounted[call.info.name] = (count + 1, total + size)
        number = self.next_call()
        for part in numbers.in_reals(parts, call):
            row = OpRow()
            row.name, row.call, row.layer = call.info.name, number, place.layer
            row.kind, row.vector_ops, row.geometry, row.gemm = part.kind, part.vector_ops, part.geometry, part.gemm
            row.phase = self._phase(part, place, call, stored)
            if row.kind is Kind.GEMM and place.attention:
                row.kind = Kind.ATTENTION
            row.uses = self._uses(part, row)
            row.dtype = self._dtype(part, call)
            self.rows.append(row)
            for tensor in (tensor for touch in part.writes for tensor in pieces(touch.tensor)):
                self._wrote(tensor, row.phase, place.backward, origin)

    def next_call(self) -> int:
        """A number for the rows of one framework call."""
        self._calls += 1
        return self._calls - 1

    def _phase(self, part, place, call, stored):
        if part.repeats:
            return Phase.RECOMPUTE
        if place.phase is not None:
            return place.phase
        if not place.backward:
            return self._phase_outside(call, stored)
        if part.gradient_of is not None:
            known = self.storages.of(part.gradient_of)
            return Phase.WGRAD if known and known.origin is Origin.WEIGHT else Phase.DGRAD
        phase = gradient_phase(place.made, stored, part.gemm[0] > 0)
        if phase is None:
            phase = Phase.WGRAD if part.kind is Kind.REDUCE else Phase.DGRAD
        return phase

    def _phase_outside(self, call, stored):
        """Outside modules and backward: losses are forward work, what touches gradients or state is the update."""
        changed = [self.storages.of(t) or EMPTY for t in call.changed]
        pairs = zip(stored, call.inputs, strict=True)
        gradients = any(entry.gradient and not tensor.requires_grad for entry, tensor in pairs)
        if any(entry.gradient or entry.role is Role.PARAMETER or _was_before(entry) for entry in changed):
            return Phase.UPDATE
        if gradients or any(entry.written_in is Phase.UPDATE and entry.role is None for entry in stored):
            return Phase.UPDATE
        if torch.is_grad_enabled() and not _moves_between_devices(call):
            return Phase.FORWARD
        return Phase.OTHER

    def _uses(self, part, row):
        found = {}
        for write, touches in ((False, part.reads), (True, part.writes)):
            for touch, tensor in ((one, tensor) for one in touches for tensor in pieces(one.tensor)):
                entry = None if self._is_elsewhere(tensor) else self.storages.of(tensor)
                if entry is None:
                    continue
                view = (tensor.storage_offset(), tensor.shape, tensor.stride(), touch.elements)
                size = touched_bytes(tensor, touch.elements)
                use = found.setdefault((id(entry), write), [entry, write, 0, Operand.OTHER, set()])
                if view not in use[4]:
                    use[4].add(view)
                    use[2] = min(use[2] + size, entry.bytes)
                use[3] = use[3] or touch.operand
        if row.gemm[0] and part.gradient_of is None and _is_turned(found.values(), row.phase):
            groups, m, n, k = row.gemm
            row.gemm = (groups, n, m, k)
            other = {Operand.A: Operand.B, Operand.B: Operand.A}
            for use in found.values():
                use[3] = other.get(use[3], use[3])
        return [tuple(use[:4]) for use in found.values() if use[2]]

    def _dtype(self, part, call):
        for touch in (*part.reads, *part.writes):
            if not part.gemm[0]:
                return DTYPES.get(touch.tensor.dtype)
            if touch.operand is not Operand.OTHER:
                found = DTYPES.get(touch.tensor.dtype)
                return numbers.REAL_OF.get(found, found)
        return DTYPES.get(call.inputs[0].dtype) if call.inputs else None

    def _wrote(self, tensor, phase, backward, origin):
        entry = self.storages.of(tensor)
        if entry is None:
            return
        entry.written_in = phase
        if entry.role is not None and entry.role is not Role.GRADIENT:
            return
        if backward and phase is not Phase.RECOMPUTE:
            entry.gradient, entry.of_weight, entry.origin = True, phase is Phase.WGRAD, Origin.DATA
        else:
            entry.origin = max(entry.origin, origin)

    def _is_elsewhere(self, tensor):
        return self._skip_host and tensor.device.type == "cpu"


def _parts(call):
    """The rows of a call, or None where no formula knows it."""
    if call.special:
        return storageless.parts_of(call)
    formula = formula_of(call.info)
    return None if formula is None else formula(call)


class _Empty:
    """Stands for the Stored of a tensor without elements."""

    origin, gradient, of_weight, role, written_in, existed = Origin.CONSTANT, False, False, Role.TEMPORARY, None, False


EMPTY = _Empty()


def _was_before(entry):
    """Whether a storage of no known role was there before the step."""
    return entry.role is None and entry.existed


def _moves_between_devices(call):
    devices = {t.device for t in (*call.inputs, *call.written)}
    return len(devices) > 1


def _is_turned(uses, phase):
    """Whether a product has its operands in the other order than input, weight (gradient, weight; input, gradient)."""
    sides = {use[3]: use[0] for use in uses if not use[1]}
    a, b = sides.get(Operand.A), sides.get(Operand.B)
    if a is None or b is None:
        return False
    if phase is Phase.WGRAD:
        return a.gradient and not b.gradient
    if phase is Phase.DGRAD:
        return b.gradient and not a.gradient
    return _is_weight(a) and not _is_weight(b)


def _is_weight(entry):
    return entry.origin is Origin.WEIGHT and not entry.gradient
