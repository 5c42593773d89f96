"""What a formula reads and returns: one framework call, and the rows of the trace that it becomes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from accel_model.types import Kind, Operand
from harness.capture import torch_private

RESERVES = {
    "empty",
    "empty_like",
    "empty_strided",
    "empty_permuted",
    "new_empty",
    "new_empty_strided",
    "lift_fresh",
    "resize",
    "set",
}


@dataclass(frozen=True)
class Geometry:
    """The convolution of a row, as its module sees it; sizes hold one number per spatial axis, the last axis last."""

    batch: int
    in_channels: int
    out_channels: int
    input_size: tuple
    filter_size: tuple
    output_size: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    transposed: bool


@dataclass(frozen=True)
class Touch:
    """A read or a write of a tensor; `elements` where fewer are touched than the tensor shows."""

    tensor: object
    operand: Operand = Operand.OTHER
    elements: int | None = None


@dataclass(frozen=True)
class Part:
    """One row to be.

    gemm: (groups, m, n, k), or zeros. gradient_of: the forward tensor whose gradient this is, where the formula knows.
    repeats: whether this repeats forward work (a fused attention's backward computes the scores again).
    """

    kind: Kind
    reads: tuple = ()
    writes: tuple = ()
    gemm: tuple = (0, 0, 0, 0)
    vector_ops: int = 0
    geometry: Geometry | None = None
    gradient_of: object = None
    repeats: bool = False


@dataclass(frozen=True)
class OpInfo:
    """What depends on the operator alone; `base` is its name without namespace, foreach and in-place marks."""

    name: str
    base: str
    arguments: tuple
    defaults: dict
    mutated: tuple  # arguments that are written
    outs: tuple  # arguments that are written only: out=
    pointwise: bool
    renames: bool  # changes what a tensor object shows, not memory
    only_reserves: bool  # leaves the memory that it returns unset, or as it was


class Call:
    """One framework call.

    inputs: tensors among the arguments. changed: those it writes in place. outputs: what it returned, in order, None
    for what it did not compute. fresh: the outputs in storage that no argument has. special: tensors without storage
    of their own among arguments and outputs; in `inputs`, `changed` and `fresh` stand the plain ones that hold them.
    """

    __slots__ = ("arguments", "changed", "fresh", "info", "inputs", "outputs", "special")

    def __init__(self, info, arguments, inputs, changed, outputs, fresh, special=()):
        self.info, self.arguments, self.special = info, arguments, special
        self.inputs, self.changed, self.outputs, self.fresh = inputs, changed, outputs, fresh

    def __getitem__(self, name):
        return self.arguments[name] if name in self.arguments else self.info.defaults[name]

    def masked(self) -> list:
        """The outputs of a backward op, None where `output_mask` did not ask for one."""
        return [out if asked else None for out, asked in zip(self.outputs, self["output_mask"], strict=False)]

    @property
    def written(self) -> tuple:
        """Tensors that the call writes: those changed in place, then fresh outputs."""
        return (*self.changed, *self.fresh)


@lru_cache(maxsize=4096)
def info_of(op: Callable) -> OpInfo:
    """The OpInfo of an operator overload."""
    import torch

    schema = torch_private.schema_of(op)
    name = schema.name
    base = name.removeprefix("aten::")
    many = base.startswith("_foreach_")
    base = base.removeprefix("_foreach_")
    if base.endswith("_") and not base.endswith("__"):
        base = base[:-1]
    packet = getattr(torch.ops.aten, base, None)  # in-place and foreach forms do not carry their op's tags
    overloads = packet.overloads() if packet else ()
    alike = [getattr(packet, o) for o in overloads if many or o == schema.overload_name]
    arguments = schema.arguments
    return OpInfo(
        name=name,
        base=base,
        arguments=tuple(a.name for a in arguments),
        defaults={a.name: a.default_value for a in arguments if a.has_default_value()},
        mutated=tuple(a.name for a in arguments if a.alias_info is not None and a.alias_info.is_write),
        outs=tuple(a.name for a in arguments if a.is_out),
        pointwise=any(torch.Tag.pointwise in o.tags for o in (op, *alike)),
        renames=torch.Tag.inplace_view in op.tags,
        only_reserves=base in RESERVES,
    )


def read_all(*tensors: object) -> tuple[Touch, ...]:
    """Touches of the tensors that are there, None left out."""
    return tuple(Touch(t) for t in tensors if t is not None)


def elements_of(*tensors: object) -> int:
    """Elements that the tensors show together."""
    return sum(t.numel() for t in tensors if t is not None)


def area(sizes: Iterable[int]) -> int:
    """Product of sizes."""
    return prod(int(s) for s in sizes)
