"""Rows of a trace from calls that a file records.

A call is counted where the dispatcher below autograd would see it, as capture does: what torch decomposes above
autograd (CompositeImplicitAutograd) or has no formula is descended into, where the file shows what it called. What
comes out of a descent without a row is listed as uncounted itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accel_model import Trace
from accel_model.types import Phase, Role
from harness.capture.assemble import give_roles, to_trace
from harness.capture.attribution import Made, OpPlace
from harness.capture.chakra.document import ExecutionTraceError, printable, reason, shown
from harness.capture.chakra.nodes import RecordedCall
from harness.capture.chakra.ops import kernel_of, op_of, uncounted
from harness.capture.chakra.shadow import LARGEST_EXACT, Shadow, has_opaque, is_number, tensors_in, value_of
from harness.capture.formulas.parts import Call
from harness.capture.formulas.table import formula_of
from harness.capture.storages import DTYPES as STORED
from harness.capture.storages import Origin, Stored, extent
from harness.capture.writer import Writer

WEIGHTS, BUFFERS = ("weight", "weight0", "weight1"), ("running_mean", "running_var")
BACKWARD, ACCUMULATE = "autograd::engine::evaluate_function", "AccumulateGrad"
COMPILED = "CompiledFunction"  # in the names of compiled code, whose calls list all that they take
FUSED = ": fused kernels"
ON_PAPER = {
    "requires_grad",
    "retain_grad",
    "detach",
    "set_data",
    "record_stream",
}  # write what is no memory of a tensor
UPDATING = OpPlace(0, Phase.UPDATE)  # inside an optimiser's step
UNEXPECTED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, AssertionError)


class Walk:
    """Visits calls from outer to inner and writes their rows; `calls` has the number of each that got some.

    roles: {number of a storage in order of first sight: Role}, from a walk before. It stands in for
    capture.storages.Storages: `entries` and `of`.
    """

    def __init__(self, path, roles):
        self._path, self._known = path, roles
        self.entries, self.rows, self.calls, self.inside = [], [], [], set()
        self._live, self._last_use, self._made = {}, {}, {}
        self._taken_as = {}  # id of an entry -> names of the arguments it was given as
        self._seen_in = {}  # id of an entry -> Phase of the call that saw it first, None in a backward pass
        self._accumulated = {}  # id of an entry -> entry, of gradients that end at a leaf
        self._unsure = []  # (row, entry that it writes) of gradients in nodes that take weights and data
        self._children = {}
        self._regions = {}  # name of compiled code -> (times, bytes that unnamed kernels made there)
        self._names_kernels = False
        self._writer = Writer(self, self.rows)

    def of(self, tensor: Shadow) -> Stored:
        """The Stored of a Shadow's storage."""
        return tensor.stored

    def over(self, calls: Sequence[RecordedCall]) -> Walk:
        """Visit all calls, sorted by number; returns this walk."""
        children, numbers = self._children, {call.number for call in calls}
        for call in calls:
            known = call.parent in numbers and call.parent != call.number
            children.setdefault(call.parent if known else None, []).append(call)
        start = OpPlace(0, Phase.FORWARD), (None, ""), ()
        waiting = [(call, *start) for call in reversed(children.get(None, []))]
        while waiting:
            call, place, function, seen = waiting.pop()
            if seen:  # after all that it called
                self._close(call, place, seen)
                continue
            inner = children.get(call.number, ())
            if call.name.startswith(BACKWARD):
                function = None, self._region(call)
            place = self._place(call, place, inner)
            try:
                seen = self._visit(call, place, function, bool(inner))
            except UNEXPECTED as error:
                raise self._does_not_fit(call, error) from None
            if seen is None:
                self._cover(call)
                continue
            if not call.schema and not place.backward and call.sequence >= 0 and call.sequence in self._made:
                function = self._made[call.sequence], self._region(call)
            waiting.append((call, place, function, seen))
            waiting += [(child, place, function, ()) for child in reversed(inner)]
        return self

    def roles(self) -> dict[int, Role]:
        """{number of an entry: Role} of parameters, buffers and optimiser state, from what was done to them."""
        found = {}
        in_forward = {id(use[0]) for row in self.rows if row.phase is Phase.FORWARD for use in row.uses}
        for number, entry in enumerate(self.entries):
            names = self._taken_as.get(id(entry), set())
            if not entry.existed:
                continue
            if names & set(BUFFERS):
                found[number] = Role.BUFFER
            elif names & set(WEIGHTS) or (entry.written_in is Phase.UPDATE and id(entry) in in_forward):
                found[number] = Role.PARAMETER
            elif entry.written_in is Phase.UPDATE:
                found[number] = Role.OPTIMIZER_STATE
        return found | self._leaves({number for number, role in found.items() if role is Role.PARAMETER})

    def trace(self, meta: dict) -> Trace:
        """The Trace of the rows; raises ExecutionTraceError where there are none."""
        if not self.rows:
            raise ExecutionTraceError(
                f"{self._path} holds no framework call with tensors in the step taken: record a training step"
            )
        for row, entry in self._unsure:
            if id(entry) in self._accumulated:
                row.phase, entry.of_weight = Phase.WGRAD, True
        for op, row in enumerate(self.rows):
            for entry, *_ in row.uses:
                self._last_use[id(entry)] = op
        used_in_update = {id(use[0]) for row in self.rows if row.phase is Phase.UPDATE for use in row.uses}
        for entry in self.entries:
            if entry.role is None and entry.existed and not (entry.of_weight and id(entry) in used_in_update):
                entry.role = self._role_of_existing(entry)
            if entry.role is None and id(entry) in self._last_use:
                entry.freed = self._last_use[id(entry)] + 1
        give_roles(self.rows, self.entries)
        unseen = {} if self._names_kernels else self._regions
        return to_trace(self.rows, self.entries, [""], self._writer.uncounted | unseen, meta)

    def _role_of_existing(self, entry):
        """What was there before the step and is no host input: those are seen first in the forward pass, unwritten.

        None leaves it to the storage's history. What a backward pass sees first was kept for it, its op unrecorded.
        """
        first = self._seen_in.get(id(entry))
        if entry.written_in not in (None, Phase.FORWARD, Phase.UPDATE):
            return Role.BUFFER  # such as a bucket of gradients on their way to other devices
        if first is None and entry.written_in is None:
            return Role.ACTIVATION
        return Role.OPTIMIZER_STATE if first is Phase.UPDATE and entry.written_in is None else None

    def _leaves(self, known):
        """Parameters by the shape of gradients that end at a leaf, where as many tensors have it as gradients do."""
        wanted, found = {}, {}
        for entry in self._accumulated.values():
            wanted[entry.shape, entry.dtype] = wanted.get((entry.shape, entry.dtype), 0) + 1
        for number, entry in enumerate(self.entries):
            key = (entry.shape, entry.dtype)
            if entry.existed and self._seen_in.get(id(entry)) is Phase.FORWARD and key in wanted:
                if number in known:
                    wanted[key] -= 1
                elif entry.written_in is None:
                    found.setdefault(key, []).append(number)
        return {n: Role.PARAMETER for key, numbers in found.items() if len(numbers) == wanted[key] for n in numbers}

    def _region(self, call):
        """What to call the fused kernels of compiled code that begins with a call; "" for other calls."""
        if COMPILED not in call.name:
            return ""
        name = printable(call.name.rpartition(": ")[2]) + FUSED
        count, size = self._regions.get(name, (0, 0))
        self._regions[name] = count + 1, size
        return name

    def _made_unseen(self, region, tensor):
        if region in self._regions:
            count, size = self._regions[region]
            self._regions[region] = count, size + extent(tensor)

    def _place(self, call, place, inner):
        if call.name.startswith("Optimizer.step"):
            return UPDATING
        if call.name.startswith("Optimizer.zero_grad"):
            return OpPlace(0, Phase.UPDATE)
        if call.name.startswith(BACKWARD):
            if ACCUMULATE in call.name:
                return OpPlace(0, Phase.WGRAD, backward=True)
            made = [self._made.get(child.sequence) for child in inner if not child.schema and child.sequence >= 0]
            return OpPlace(0, None, True, made[0] if made else None)
        if place is UPDATING and call.schema and call.sequence >= 0:
            return OpPlace(0, Phase.FORWARD)  # gradients are on: an optimiser that runs the step itself
        return place

    def _visit(self, call, place, function, has_children):
        """Look at a call: None where its rows are written, else what `_close` needs once its children are visited."""
        op = op_of(call.schema)
        if op is None and not any("Tensor(" in kind for _, kind, *_ in (*call.inputs, *call.outputs)):
            op = kernel_of(call, ())
            self._names_kernels |= op is not None
            if op is not None and not has_children:
                self._list(op.info.name)
            return (None,)
        inputs = [value_of(*given) for given in call.inputs]
        tensors = list(tensors_in(inputs))
        self._names_kernels |= op is None and kernel_of(call, ()) is not None
        if op is None and (op := kernel_of(call, tensors)) is None:
            self._note_bare(call, place, tensors)
            return (None,)
        arguments = dict(zip(op.info.arguments, inputs, strict=False)) or dict(enumerate(inputs))
        op.check(arguments)
        outs = {id(t) for t in tensors_in([arguments.get(name) for name in op.info.outs])}
        numbers = {id(t) for t in tensors if is_number(t)} - {id(t) for t in op.written(arguments)}
        self._resolve([t for t in tensors if id(t) not in numbers], place, function[1], outs)
        self._constants([t for t in tensors if id(t) in numbers])
        self._note(call, place, arguments, tensors, function[0])
        seen = (op, arguments, tensors, len(self.calls), has_opaque(inputs))
        descends = op.composite or formula_of(op.info) is None
        if has_children and descends and not op.exchanges and not call.backend:
            return seen
        self._record(call, place, seen)
        return None

    def _close(self, call, place, seen):
        """After the calls inside it: one that did work of which no row tells is listed itself."""
        if seen[0] is None or seen[3] != len(self.calls):
            return
        try:
            self._record(call, place, seen)
        except UNEXPECTED as error:
            raise self._does_not_fit(call, error) from None

    def _record(self, call, place, seen):
        op, arguments, tensors, _, opaque = seen
        outputs = [value_of(*given) for given in call.outputs]
        changed = op.written(arguments)
        fresh = self._fresh(tensors, list(tensors_in(outputs)))
        if op.info.renames or op.info.only_reserves or op.info.base in ON_PAPER:
            return
        if not (changed or fresh or opaque or not op.info.base):
            return
        if not op.info.base:
            made = [t for t in tensors if not t.stored.existed and t.stored.written_in is None]
            changed = tensors if op.exchanges else made
            tensors = tensors if op.exchanges else [t for t in tensors if not any(t is other for other in made)]
        if not (tensors or changed or fresh):
            self._list(op.info.name)
            return
        opaque = opaque or has_opaque(outputs)
        flat = [t for out in outputs for t in (out if isinstance(out, list) else [out])]
        info = uncounted(op.info) if opaque else op.info
        unsure = place.backward and (place.made is None or place.made.weight)
        unsure &= all(t.stored.origin is not Origin.WEIGHT for t in tensors)
        start = len(self.rows)
        self._writer.record(Call(info, arguments, tensors, changed, flat, fresh), place, [t.stored for t in tensors])
        self.calls.append(call.number)
        for row in self.rows[start:]:
            sizes = (float(np.prod(row.gemm, dtype=np.float64)), row.vector_ops, *row.gemm)
            if max(sizes) >= LARGEST_EXACT or min(sizes) < 0:
                raise ValueError(f"it does {max(sizes):.3g} operations, and counts are exact up to 2^53")
            if unsure and row.phase is Phase.DGRAD:
                self._unsure += [(row, entry) for entry, is_written, *_ in row.uses if is_written]

    def _list(self, name):
        """List an op that does work and shows no tensor."""
        count, size = self._writer.uncounted.get(name, (0, 0))
        self._writer.uncounted[name] = count + 1, size

    def _note_bare(self, call, place, tensors):
        """A call that names no operator: a node of a backward pass, a custom function, compiled code, a mark."""
        if ACCUMULATE in call.name:
            for tensor in tensors:
                entry = self._live.get(tensor.number)
                if entry is None or entry.elements < tensor.numel() or entry.shape != tensor.shape:  # made unseen
                    entry = self._entry(tensor, None, False, Origin.DATA)
                    entry.gradient, entry.of_weight, entry.written_in = True, True, Phase.WGRAD
                    self._made_unseen(next(reversed(self._regions), ""), tensor)
                self._accumulated[id(entry)] = entry
        if place.backward or call.sequence < 0 or not tensors:
            return
        self._resolve(tensors, place, "", ())
        origins = {t.stored.origin for t in tensors}
        self._made[call.sequence] = Made(0, Origin.WEIGHT in origins, Origin.DATA in origins, False, False)

    def _note(self, call, place, arguments, tensors, function):
        if place.backward:
            return
        for name in (*WEIGHTS, *BUFFERS):
            for tensor in tensors_in([arguments.get(name)]):
                self._taken_as.setdefault(id(tensor.stored), set()).add(name)
        origins = {t.stored.origin for t in tensors}
        weight, data = Origin.WEIGHT in origins, Origin.DATA in origins
        if call.sequence >= 0:
            self._made[call.sequence] = Made(0, weight, data, False, False)
        elif function is not None:  # a custom function's calls run without gradients, and are one node
            function.weight |= weight
            function.data |= data

    def _cover(self, call):
        """The calls inside a written one made nodes of their own; these are what the outer one was."""
        made = self._made.get(call.sequence) if call.sequence >= 0 else None
        waiting = list(self._children.get(call.number, ()))
        while waiting:
            inner = waiting.pop()
            self.inside.add(inner.number)
            if made is not None and inner.sequence >= 0:
                self._made[inner.sequence] = made
            waiting += self._children.get(inner.number, [])

    def _resolve(self, tensors, place, region, outs):
        """Give every tensor that a call takes its Stored.

        What is new in compiled code, or where a result is to go, was made in the step by what no call tells of.
        """
        for tensor in tensors:
            entry = self._live.get(tensor.number)
            tensor.stored = self._entry(tensor, entry, not region and id(tensor) not in outs, Origin.DATA)
            if entry is None:
                if id(tensor) not in outs:
                    self._made_unseen(region, tensor)
                self._seen_in[id(tensor.stored)] = None if place.backward else place.phase

    def _constants(self, tensors):
        """Give numbers of the program, which torch wraps in tensors for the length of a call, a Stored."""
        for tensor in tensors:
            entry = self._live.get(tensor.number)
            if entry is None or entry.shape or entry.dtype is not STORED[tensor.dtype]:
                entry = self._entry(tensor, None, False, Origin.CONSTANT)
                entry.role = Role.TEMPORARY
            tensor.stored = entry

    def _fresh(self, inputs, outputs):
        """The outputs whose storage is none of the inputs', which get a new Stored."""
        given = {t.number for t in inputs}
        fresh = [t for t in outputs if t.number not in given]
        new = {}
        for tensor in fresh:
            new[tensor.number] = self._entry(tensor, new.get(tensor.number), False, Origin.CONSTANT)
        for tensor in outputs:
            tensor.stored = self._live[tensor.number]
        return fresh

    def _entry(self, tensor, entry, existed, origin):
        size = max(extent(tensor), 1)
        if entry is None:
            role = self._known.get(len(self.entries)) if existed else None
            if role is Role.PARAMETER:
                origin = Origin.WEIGHT
            elif role is not None:
                origin = Origin.CONSTANT
            entry = Stored(size, tensor, role, origin, existed, len(self.rows))
            self.entries.append(entry)
        if size > entry.bytes:
            entry.bytes, entry.elements = size, size // tensor.element_size()
        self._live[tensor.number] = entry
        return entry

    def _does_not_fit(self, call, error):
        return ExecutionTraceError(
            f"{self._path}: node {call.number}, {shown(call.name)}, does not fit its schema ({reason(error)}): "
            "record it again"
        )
