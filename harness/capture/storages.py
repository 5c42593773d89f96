"""The distinct storages that a step touches: one entry each, from its first use to its death."""

import weakref
from collections.abc import Sequence
from enum import IntEnum

import torch

from accel_model.types import DType, Role
from harness.capture import torch_private

DTYPES = {
    torch.float32: DType.FP32,
    torch.bfloat16: DType.BF16,
    torch.float16: DType.FP16,
    torch.float64: DType.FP64,
    torch.int8: DType.INT8,
    torch.int16: DType.INT16,
    torch.int32: DType.INT32,
    torch.int64: DType.INT64,
    torch.uint8: DType.UINT8,
    torch.uint16: DType.INT16,
    torch.uint32: DType.INT32,
    torch.uint64: DType.INT64,
    torch.bool: DType.BOOL,
    torch.complex32: DType.COMPLEX32,
    torch.complex64: DType.COMPLEX64,
    torch.complex128: DType.COMPLEX128,
    torch.float8_e4m3fn: DType.FP8,
    torch.float8_e5m2: DType.FP8,
    torch.float8_e4m3fnuz: DType.FP8,
    torch.float8_e5m2fnuz: DType.FP8,
}


class Origin(IntEnum):
    """What a value was computed from; a result takes the largest of its operands'."""

    CONSTANT = 0  # no parameter and no data
    WEIGHT = 1  # parameters only: a parameter, its cast, its merge with another
    DATA = 2  # the step's inputs, or a gradient


class Stored:
    """One storage.

    shape: of the tensor that was seen first. existed: it was not made by an op of the step. gradient: a backward pass
    made it. of_weight: it is the gradient of something of Origin.WEIGHT. written_in: Phase of the last write, or None.
    """

    __slots__ = (
        "born",
        "bytes",
        "dtype",
        "elements",
        "existed",
        "freed",
        "gradient",
        "of_weight",
        "origin",
        "reference",
        "role",
        "shape",
        "written_in",
    )

    def __init__(self, size, tensor, role, origin, existed, born):
        """A storage of `size` bytes whose first tensor was `tensor`; born: the row that makes it."""
        self.dtype = DTYPES.get(tensor.dtype, DType.UINT8)
        self.bytes, self.elements, self.shape = size, size // tensor.element_size(), tuple(tensor.shape)
        self.role, self.origin, self.existed = role, origin, existed
        self.born, self.freed = 0 if existed else born, None
        self.gradient = self.of_weight = False
        self.written_in = self.reference = None


class Storages:
    """Finds the Stored of a tensor, without keeping the tensor's memory alive.

    `now()` gives the row that the next op will have; `entries` are all storages in order of first sight.
    """

    def __init__(self, now):
        self.entries = []
        self._now = now
        self._live = {}

    def of(
        self, tensor: torch.Tensor, role: Role | None = None, origin: Origin = Origin.DATA, existed: bool = True
    ) -> Stored | None:
        """The Stored of a tensor's storage, made with `role`, `origin` and `existed` if new; None if it is empty.

        Of a tensor without storage of its own, that of its values.
        """
        if not is_plain(tensor):
            held = torch_private.components(tensor)
            return self.of(held[-1], role, origin, existed) if held else None
        storage = tensor.untyped_storage()
        key = torch_private.storage_key(storage)
        found = self._live.get(key)
        if found is not None:
            return found
        size = storage.nbytes() if existed else min(storage.nbytes(), extent(tensor))
        if not size:
            return None
        entry = Stored(size, tensor, role, origin, existed, self._now())
        live, now = self._live, self._now

        def died(_):
            entry.freed = now()
            if live.get(key) is entry:
                del live[key]

        entry.reference = weakref.ref(storage, died)
        live[key] = entry
        self.entries.append(entry)
        return entry

    def close(self) -> None:
        """Stop watching: what is alive now outlives the step."""
        for entry in self.entries:
            entry.reference = None
        self._live.clear()


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether a tensor under a dispatch mode lies in storage of its own: it is not sparse, nested or opaque."""
    return not isinstance(tensor, torch.Tensor) or (tensor.layout is torch.strided and not tensor.is_nested)


def pieces(tensor: torch.Tensor) -> Sequence[torch.Tensor]:
    """The plain tensors that hold what a tensor shows."""
    return (tensor,) if is_plain(tensor) else torch_private.components(tensor)


def extent(tensor: torch.Tensor) -> int:
    """Bytes of a storage up to the last element that a tensor shows: some losses return the start of a large buffer."""
    if not tensor.numel():
        return 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (tensor.storage_offset() + last + 1) * tensor.element_size()


def touched_bytes(tensor: torch.Tensor, elements: int | None = None) -> int:
    """Bytes of the distinct elements that a tensor shows, or of `elements` of them."""
    sizes, strides = tensor.shape, tensor.stride()
    distinct, reach = 1, 1
    for size, stride in zip(sizes, strides, strict=True):
        if stride:
            distinct *= size
        elif not size:
            distinct = 0
        reach += (size - 1) * stride
    distinct = min(distinct, reach)
    if elements is not None:
        distinct = min(distinct, elements)
    return distinct * tensor.element_size()
