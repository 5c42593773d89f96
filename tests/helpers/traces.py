"""Random traces that a training step could have: convolutions, GEMMs and vector ops over shared tensors."""

import numpy as np

from accel_model.chips.convolutions import Convolution, from_convolutions
from accel_model.tables import Ops, Tensors, Uses, table
from accel_model.trace import Trace
from accel_model.types import PRECISIONS, DType, Kind, Operand, Phase, Role


def random_gemms(rng, count, largest=300):
    """Sizes (groups, m, n, k) of `count` GEMMs, int64 (count,) each; about a third have edges of 1."""
    sizes = rng.integers(1, largest, size=(3, count))
    sizes[rng.random(sizes.shape) < 0.12] = 1
    return rng.choice([1, 1, 1, 2, 5, 32], size=count), *sizes


def random_trace(rng, count=40):
    """A Trace of `count` ops in which tensors are made, read again, rewritten and freed."""
    names = ("kind", "groups", "m", "n", "k", "vector_ops", "phase")
    columns = {name: np.zeros(count, dtype=np.int64) for name in names}
    uses, tensors = [], []

    def tensor(size, role, born):
        tensors.append({"bytes": int(size), "role": role, "born": born, "freed": count})
        return len(tensors) - 1

    weights = [tensor(rng.integers(1, 2000) * 4, Role.PARAMETER, 0) for _ in range(4)]
    current = tensor(rng.integers(1, 5000) * 4, Role.INPUT, 0)
    older = [current]
    for op in range(count):
        columns["phase"][op] = rng.choice([Phase.FORWARD, Phase.DGRAD, Phase.WGRAD, Phase.UPDATE])
        other = int(rng.choice(older))
        if rng.random() < 0.4:
            columns["kind"][op] = Kind.GEMM
            columns["groups"][op], columns["m"][op], columns["n"][op], columns["k"][op] = (
                int(size[0]) for size in random_gemms(rng, 1, 80)
            )
            uses.append((op, current, False, Operand.A))
            uses.append((op, int(rng.choice(weights)), False, Operand.B))
        else:
            columns["kind"][op] = rng.choice([Kind.ELEMENTWISE, Kind.REDUCE, Kind.COPY, Kind.OPTIMIZER])
            columns["vector_ops"][op] = rng.integers(1, 10_000)
            uses.append((op, current, False, Operand.OTHER))
            if other != current:
                uses.append((op, other, False, Operand.OTHER))
        if rng.random() < 0.15:
            uses.append((op, int(rng.choice(weights)), True, Operand.OTHER))
        if rng.random() < 0.2:
            uses.append((op, current, True, Operand.OTHER))  # in place
        else:
            current = tensor(rng.integers(1, 5000) * 4, Role.ACTIVATION, op)
            older.append(current)
            uses.append((op, current, True, Operand.C))
        if len(older) > 6:
            gone = older.pop(int(rng.integers(0, 3)))
            tensors[gone]["freed"] = op + 1
    size = np.array([t["bytes"] for t in tensors])
    op, of, write, operand = (np.array(column) for column in zip(*uses, strict=True))
    part = np.where(rng.random(len(op)) < 0.1, 2, 1)  # some uses touch half a tensor
    return Trace(
        ops=table(Ops, count, dtype=DType.FP32, call=np.arange(count), **columns),
        tensors=table(
            Tensors,
            len(size),
            elements=size // 4,
            bytes=size,
            role=np.array([t["role"] for t in tensors]),
            born=np.array([t["born"] for t in tensors]),
            freed=np.array([t["freed"] for t in tensors]),
        ),
        uses=table(Uses, len(op), op=op, tensor=of, write=write, operand=operand, bytes=size[of] // part),
    )


def conv_trace(layers, batch, dtype="fp32", phases=(Phase.FORWARD, Phase.DGRAD, Phase.WGRAD)):
    """A Trace of bare 2-D convolutions, each in all of `phases`.

    layers: [(channels, input size, filters, filter size, stride, padding, groups)], square.
    """
    return from_convolutions([Convolution("", *layer, batch=batch) for layer in layers], dtype, phases)


def random_convolutions(rng, count):
    """Layers for conv_trace: strides, paddings, groups and 1 x 1 filters among them."""
    layers = []
    while len(layers) < count:
        groups = int(rng.choice([1, 1, 1, 2, 4]))
        kernel, stride = int(rng.choice([1, 3, 5])), int(rng.choice([1, 1, 2, 3]))
        size = int(rng.integers(kernel, 20))
        channels, out_channels = (int(c) * groups for c in rng.integers(1, 12, size=2))
        layers.append((channels, size, out_channels, kernel, stride, int(rng.integers(0, kernel // 2 + 1)), groups))
    return layers


def random_traces(rng):
    groups, m, n, k = random_gemms(rng, 15)
    return [
        Trace.from_gemms(m, n, k, groups=groups, dtype=[PRECISIONS[i] for i in rng.integers(0, 6, size=15)]),
        conv_trace(random_convolutions(rng, 5), batch=3, dtype="bf16"),
        random_trace(rng),
    ]
