"""Traces of bare convolutions, from their sizes: what published tables of layers state."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accel_model.errors import TraceError
from accel_model.tables import Ops, Tensors, Uses, table
from accel_model.trace import Trace
from accel_model.types import DTYPE_BYTES, PRECISIONS, Kind, Operand, Phase, Role, dtype_of

OPERANDS = {  # of input, filter and output in C = A B
    Phase.FORWARD: (Operand.A, Operand.B, Operand.C),
    Phase.DGRAD: (Operand.C, Operand.B, Operand.A),
    Phase.WGRAD: (Operand.A, Operand.C, Operand.B),
}


@dataclass(frozen=True)
class Convolution:
    """A 2-D convolution of square images and filters."""

    name: str
    channels: int  # of the input, all groups
    size: int  # input pixels along a side
    filters: int  # output channels, all groups
    filter_size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    batch: int = 1

    @property
    def out_size(self) -> int:
        """Output pixels along a side."""
        return (self.size + 2 * self.padding - self.filter_size) // self.stride + 1


def from_convolutions(
    layers: Sequence[Convolution], precision: str = "fp32", phases: Sequence[Phase] = (Phase.FORWARD,)
) -> Trace:
    """A Trace that does each of `layers` (Convolution) in each of `phases`, with tensors of its own.

    phases: of FORWARD, DGRAD and WGRAD. Raises TraceError for sizes that leave no output, or an unknown precision.
    """
    if precision not in PRECISIONS:
        raise TraceError(f"precision {precision!r} is unknown: use one of {', '.join(PRECISIONS)}")
    rows, uses, elements = _rows(layers, phases)
    count = len(rows)
    layer_of, phase, made, m, n, k = zip(*rows, strict=True) if rows else [()] * 6
    op, tensor, operand = (np.array(column) for column in zip(*uses, strict=True)) if uses else [np.zeros(0, int)] * 3
    size = np.array(elements, dtype=np.int64) * DTYPE_BYTES[dtype_of(precision)]

    def square(values):
        return np.stack([np.zeros(count, dtype=np.int64), values, values])

    def column(name):
        return np.array([getattr(layer, name) for layer in made], dtype=np.int64)

    return Trace(
        ops=table(
            Ops,
            count,
            layer=np.array(layer_of),
            phase=np.array(phase),
            kind=Kind.CONV,
            call=np.arange(count),
            groups=column("groups"),
            m=np.array(m),
            n=np.array(n),
            k=np.array(k),
            batch=column("batch"),
            in_channels=column("channels"),
            out_channels=column("filters"),
            input_size=square(column("size")),
            filter_size=square(column("filter_size")),
            output_size=square(column("out_size")),
            stride=square(column("stride")),
            padding=square(column("padding")),
            dilation=square(np.ones(count, dtype=np.int64)),
            dtype=dtype_of(precision),
        ),
        tensors=table(
            Tensors,
            len(size),
            elements=elements,
            bytes=size,
            role=Role.ACTIVATION,
            dtype=dtype_of(precision),
            born=op,
            freed=op + 1,
        ),
        uses=table(Uses, len(size), op=op, tensor=tensor, write=operand == Operand.C, operand=operand, bytes=size),
        layers=tuple(layer.name for layer in layers) or ("",),
        meta={"source": "from_convolutions", "precision": precision},
    )


def _rows(layers, phases):
    """([(layer number, phase, layer, m, n, k)] of each op, [(op, tensor, operand)], [elements of each tensor])."""
    rows, uses, elements = [], [], []
    for index, layer in enumerate(layers):
        out, area = layer.out_size, layer.filter_size**2
        if out < 1 or layer.channels % layer.groups or layer.filters % layer.groups:
            raise TraceError(f"convolution {layer.name!r} has no output, or channels that its groups do not divide")
        pixels, inputs, outputs = layer.batch * out * out, layer.channels // layer.groups, layer.filters // layer.groups
        sizes = (
            layer.batch * layer.channels * layer.size**2,
            layer.filters * inputs * area,
            pixels * layer.filters,
        )
        sides = {
            Phase.FORWARD: (pixels, outputs, inputs * area),
            Phase.DGRAD: (pixels, inputs * area, outputs),
            Phase.WGRAD: (inputs * area, outputs, pixels),
        }
        for phase in phases:
            for size, operand in zip(sizes, OPERANDS[phase], strict=True):
                uses.append((len(rows), len(elements), operand))
                elements.append(size)
            rows.append((index, phase, layer, *sides[phase]))
    return rows, uses, elements
