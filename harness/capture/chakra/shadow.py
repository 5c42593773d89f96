"""What formulas ask of a tensor, from what an execution trace says of one: no memory, no tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from harness.capture.chakra.document import shown

LARGEST_EXACT = 2**53  # elements, bytes or an offset: beyond it an int64 count no longer survives a float64
MOST_AXES = 64  # of a tensor
DEEPEST = 8  # lists of lists among the arguments of a call
DTYPES = {  # as c10 names an element's type
    "float": torch.float32,
    "double": torch.float64,
    "c10::Half": torch.float16,
    "c10::BFloat16": torch.bfloat16,
    "int": torch.int32,
    "long int": torch.int64,
    "long": torch.int64,
    "short": torch.int16,
    "short int": torch.int16,
    "signed char": torch.int8,
    "unsigned char": torch.uint8,
    "unsigned short": torch.uint16,
    "short unsigned int": torch.uint16,
    "unsigned int": torch.uint32,
    "unsigned long": torch.uint64,
    "long unsigned int": torch.uint64,
    "bool": torch.bool,
    "c10::complex<float>": torch.complex64,
    "c10::complex<double>": torch.complex128,
    "c10::Float8_e4m3fn": torch.float8_e4m3fn,
    "c10::Float8_e5m2": torch.float8_e5m2,
    "c10::Float8_e4m3fnuz": torch.float8_e4m3fnuz,
    "c10::Float8_e5m2fnuz": torch.float8_e5m2fnuz,
}
NUMBERS = (torch.float64, torch.int64, torch.bool, torch.complex128)  # as which torch wraps a number of Python
UNDEFINED = "nullptr (uninitialized)"  # what a tensor that is not there has as its type


class Shadow:
    """One tensor as a call saw it; `number` is of its storage, `stored` what the walk knows of that."""

    requires_grad = False

    def __init__(self, number, shape, strides, offset, dtype, element_size):
        self.number, self.shape, self.dtype = number, shape, dtype
        self._strides, self._offset, self._element_size = strides, offset, element_size
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


class Opaque:
    """A tensor without storage of its own: sparse, of symbolic size, or of a subclass."""


def value_of(value: object, kind: str, shape: object, strides: object, depth: int = 0) -> object:
    """A Shadow, an Opaque, a list of such, None, or the plain value.

    Raises ValueError where the file contradicts itself.

    kind: the value's type as the file names it, e.g. "Tensor(float)" or "GenericList[Int,Int]".
    """
    if kind.startswith("Tensor("):
        return _tensor(value, kind.removeprefix("Tensor(").removesuffix(")"), shape, strides)
    if "Tensor(" not in kind:
        unknown = isinstance(value, str) and value.startswith("<") and value.endswith(">")
        return None if unknown or (isinstance(value, list) and "<SymInt>" in value) else value
    if depth >= DEEPEST:
        raise ValueError(f"an argument nests deeper than {DEEPEST} lists")
    kinds = _split(kind[kind.index("[") + 1 : -1]) if "[" in kind else []
    strides = strides or [None] * len(kinds)
    if not all(isinstance(column, list) and len(column) == len(kinds) for column in (value, shape, strides)):
        raise ValueError(f"a list of {len(kinds)} tensors has other numbers of values, shapes or strides")
    return [value_of(*one, depth + 1) for one in zip(value, kinds, shape, strides, strict=True)]


def tensors_in(values: object) -> Iterator[Shadow]:
    """Yield the Shadows among values and lists of values."""
    for value in values:
        if isinstance(value, Shadow):
            yield value
        elif isinstance(value, list):
            yield from tensors_in(value)


def is_number(tensor: Shadow) -> bool:
    """Whether a tensor may be a number of the program that torch wrapped."""
    return not tensor.shape and tensor.dtype in NUMBERS


def has_opaque(values: object) -> bool:
    """Whether there is an Opaque among values and lists of values."""
    return any(
        isinstance(value, Opaque)
        or (isinstance(value, list) and value and not isinstance(value[0], int) and has_opaque(value))
        for value in values
    )


def _split(text):
    """The types between commas that are in no bracket."""
    if "[" not in text:
        return text.split(",") if text else []
    parts, start, depth = [], 0, 0
    for position, mark in enumerate(text):
        depth += (mark in "[(<") - (mark in "])>")
        if mark == "," and not depth:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]] if text else []


def _tensor(value, name, shape, strides):
    if not isinstance(value, list) or len(value) < 5:
        raise ValueError(f"a tensor is {shown(value)} and no list of numbers")
    _, storage, offset, elements, element_size = value[:5]
    if name == UNDEFINED:
        return None
    _whole(storage, "storage", 2**63)
    if not storage and not element_size and not elements:
        return Opaque()
    if not isinstance(shape, list) or len(shape) > MOST_AXES:
        raise ValueError(f"a tensor's shape is {shown(shape)} and no list of at most {MOST_AXES} sizes")
    for size in shape:
        _whole(size, "size")
    if strides is None:
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    if not isinstance(strides, list) or len(strides) != len(shape):
        raise ValueError(f"a tensor of {len(shape)} axes has the strides {shown(strides)}")
    for stride in strides:
        _whole(stride, "stride")
    if type(element_size) is not int or not 0 < element_size <= 16:
        raise ValueError(f"a tensor has elements of {shown(element_size)} bytes")
    _whole(offset, "offset")
    reach = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) if 0 not in shape else 0
    largest = max(math.prod(shape), offset + reach + 1) * element_size
    if largest >= LARGEST_EXACT:
        raise ValueError(f"a tensor of the shape {shown_shape(shape)} has more bytes than counts hold, 2^53")
    return Shadow(storage, tuple(shape), tuple(strides), offset, DTYPES.get(name, torch.uint8), element_size)


def shown_shape(shape: list) -> str:
    """A shape of whole numbers as an error shows it."""
    return "x".join(str(size) for size in shape[:8]) + ("..." if len(shape) > 8 else "")


def _whole(value, name, beyond=LARGEST_EXACT):
    if type(value) is not int or not 0 <= value < beyond:
        raise ValueError(f"a tensor has the {name} {shown(value)} and no whole number below {beyond}")
