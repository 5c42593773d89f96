"""Rows of a trace from calls that a file records: shapes and storage numbers in place of tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch

from accel_model import Trace
from accel_model.types import Phase, Role
from harness.capture.assemble import give_roles, to_trace
from harness.capture.attribution import Made, OpPlace
from harness.capture.formulas.parts import Call, OpInfo, info_of
from harness.capture.formulas.table import formula_of
from harness.capture.storages import Origin, Stored, extent
from harness.capture.writer import Writer
from harness.settings.errors import CaptureError

LARGEST_SIZE = 2**48  # elements along one axis, or an offset
DTYPE_NAMES = {
    "float": "float32",
    "double": "float64",
    "c10::Half": "float16",
    "c10::BFloat16": "bfloat16",
    "int": "int32",
    "long int": "int64",
    "long": "int64",
    "short": "int16",
    "short int": "int16",
    "signed char": "int8",
    "unsigned char": "uint8",
    "bool": "bool",
    "c10::complex<float>": "complex64",
    "c10::complex<double>": "complex128",
    "c10::Float8_e4m3fn": "float8_e4m3fn",
    "c10::Float8_e5m2": "float8_e5m2",
}
WEIGHTS, BUFFERS = ("weight", "weight0", "weight1"), ("running_mean", "running_var")


class Shadow:
    """What formulas ask of a tensor, without one."""

    requires_grad = False

    def __init__(self, shape, strides, offset, dtype, element_size):
        self.shape, self._strides, self._offset = shape, strides, offset
        self.dtype, self._element_size = dtype, element_size
        self.stored = None

    def numel(self):
        return math.prod(self.shape)

    def dim(self):
        return len(self.shape)

    def stride(self):
        return self._strides

    def storage_offset(self):
        return self._offset

    def element_size(self):
        return self._element_size

    def is_floating_point(self):
        return self.dtype.is_floating_point


class Walk:
    """Visits calls from outer to inner, and writes rows for the outermost that have a formula.

    roles: {number of a storage in order of first sight: Role}, from a walk before. It stands in for
    capture.storages.Storages: `entries` and `of`.
    """

    def __init__(self, path, roles):
        self._path, self._known = path, roles
        self.entries, self.rows = [], []
        self._live, self._last_use, self._made = {}, {}, {}
        self._taken_as = {}  # id of an entry -> names of the arguments it was given as
        self._writer = Writer(self, self.rows)

    def of(self, tensor: Shadow) -> Stored:
        """The Stored of a Shadow's storage."""
        return tensor.stored

    def over(self, nodes: Sequence) -> Walk:
        """Visit all nodes (chakra.file's, sorted by number); returns this walk."""
        children, numbers = {}, {node.number for node in nodes}
        for node in nodes:
            if node.parent >= node.number or node.parent not in numbers:
                children.setdefault(None, []).append(node)
            else:
                children.setdefault(node.parent, []).append(node)
        waiting = [(node, OpPlace(0, Phase.FORWARD)) for node in reversed(children.get(None, []))]
        while waiting:
            node, place = waiting.pop()
            inner = children.get(node.number, [])
            place = self._place(node, place, inner)
            if not self._visit(node, place, bool(inner)):
                waiting += [(child, place) for child in reversed(inner)]
            elif node.sequence >= 0 and node.sequence in self._made:
                self._note_inner(inner, children, self._made[node.sequence])
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
        return found

    def trace(self, meta: dict) -> Trace:
        """The Trace of the rows; raises CaptureError where there are none."""
        if not self.rows:
            raise CaptureError(f"{self._path} holds no framework call with tensors: record a training step")
        for row, op in zip(self.rows, range(len(self.rows)), strict=True):
            for entry, *_ in row.uses:
                self._last_use[id(entry)] = op
        for entry in self.entries:
            if entry.role is None and id(entry) in self._last_use:
                entry.freed = self._last_use[id(entry)] + 1
        give_roles(self.rows, self.entries)
        return to_trace(self.rows, self.entries, [""], self._writer.uncounted, meta)

    def _place(self, node, place, inner):
        if node.name.startswith(("Optimizer.step", "Optimizer.zero_grad")):
            return OpPlace(0, Phase.UPDATE)
        if node.name.startswith("autograd::engine::evaluate_function"):
            if "AccumulateGrad" in node.name:
                return OpPlace(0, Phase.WGRAD, backward=True)
            made = [self._made.get(child.sequence) for child in inner if not child.schema and child.sequence >= 0]
            return OpPlace(0, None, True, made[0] if made else None)
        return place

    def _visit(self, node, place, has_children):
        """Write the rows of a call; returns whether that covers the calls inside it."""
        info = _info_of(node.schema)
        if info is None:
            return False
        try:
            inputs = [self._value(*given) for given in node.inputs]
            outputs = [self._value(*given) for given in node.outputs]
            arguments = dict(zip(info.arguments, inputs, strict=False))
            tensors, made = list(_tensors(inputs)), list(_tensors(outputs))
            fresh = self._resolve(tensors, made)
            self._note(node, place, arguments, tensors)
            if formula_of(info) is None and has_children:
                return False
            changed = [t for name in info.mutated for t in _tensors([arguments.get(name)])]
            works = (changed or fresh) and not info.renames and not info.only_reserves
            if works:
                flat = [t for out in outputs for t in (out if isinstance(out, list) else [out])]
                call = Call(info, arguments, tensors, changed, flat, fresh)
                self._writer.record(call, place, [t.stored for t in tensors])
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise CaptureError(
                f"{self._path}: node {node.number}, {node.name}, does not fit its schema ({error}): record it again"
            ) from None
        return True

    def _note(self, node, place, arguments, tensors):
        for name in (*WEIGHTS, *BUFFERS):
            for tensor in _tensors([arguments.get(name)]):
                if not place.backward:
                    self._taken_as.setdefault(id(tensor.stored), set()).add(name)
        if node.sequence >= 0 and not place.backward:
            origins = {t.stored.origin for t in tensors}
            weight, data = Origin.WEIGHT in origins, Origin.DATA in origins
            self._made[node.sequence] = Made(0, weight, data, False, False)

    def _note_inner(self, inner, children, made):
        """The calls inside a covered one made nodes of their own; these are what the outer one was."""
        waiting = list(inner)
        while waiting:
            node = waiting.pop()
            if node.sequence >= 0:
                self._made[node.sequence] = made
            waiting += children.get(node.number, [])

    def _resolve(self, inputs, outputs):
        """Give every tensor its Stored; returns the outputs whose storage is none of the inputs'."""
        given = {t.number for t in inputs}
        for tensor in inputs:
            tensor.stored = self._entry(tensor, self._live.get(tensor.number), True, Origin.DATA)
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

    def _value(self, value, kind, shape, strides):
        """A Shadow, a list of them, None, or the plain value."""
        if kind.startswith("GenericList[Tensor"):
            kinds = kind.removeprefix("GenericList[").removesuffix("]").split(",")
            strides = strides or [None] * len(value)
            return [self._value(*one) for one in zip(value, kinds, shape, strides, strict=True)]
        if not kind.startswith("Tensor("):
            return None if value == "<None>" else value
        name = DTYPE_NAMES.get(kind.removeprefix("Tensor(").removesuffix(")"))
        if name is None:
            return None  # an undefined tensor
        return _shadow(value, shape, strides, name)


def _shadow(value, shape, strides, dtype):
    _, storage, offset, _, element_size, *_ = value
    if not isinstance(shape, list) or not all(isinstance(x, int) and 0 <= x < LARGEST_SIZE for x in (*shape, offset)):
        raise ValueError(f"a tensor has the shape {shape}")
    if strides is None:
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    if len(strides) != len(shape) or not all(isinstance(x, int) and 0 <= x < LARGEST_SIZE for x in strides):
        raise ValueError(f"a tensor has the strides {strides}")
    if not isinstance(element_size, int) or not 0 < element_size <= 16:
        raise ValueError(f"a tensor has elements of {element_size} bytes")
    shadow = Shadow(tuple(shape), tuple(strides), offset, getattr(torch, dtype), element_size)
    shadow.number = storage
    return shadow


def _tensors(values):
    for value in values:
        if isinstance(value, Shadow):
            yield value
        elif isinstance(value, list):
            yield from _tensors(value)


def _info_of(schema):
    """The OpInfo of an op by the text of its schema; None for what is no framework call."""
    named = re.match(r"(\w+)::(\w+)(?:\.(\w+))?\(", schema)
    if named is None:
        return None
    space, name, overload = named.groups()
    packet = getattr(getattr(torch.ops, space), name, None)
    op = getattr(packet, overload or "default", None)
    if op is None:
        return OpInfo(f"{space}::{name}", f"{space}::{name}", (), {}, (), (), False, False, False)
    return info_of(op)
