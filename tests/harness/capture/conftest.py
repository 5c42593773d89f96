"""Small training steps and comparisons for the tests of the capture."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from accel_model.types import Operand, Phase
from tests.helpers.steps import make_step


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def step_of():
    """step_of(model, *inputs, optimizer, loss): a step that trains `model`; the loss is the mean by default."""
    return make_step


@pytest.fixture
def classify():
    """classify(model, size, classes): a step that trains an image classifier on two images of size x size."""

    def make(model, size=32, classes=1000):
        def loss(scores):
            return functional.cross_entropy(scores, torch.zeros(2, dtype=torch.long))

        return make_step(model, torch.zeros(2, 3, size, size), loss=loss)

    return make


@pytest.fixture
def assert_same():
    """assert_same(a, b): two traces agree in every column of every table, in names, layers and what is uncounted."""

    def check(a, b):
        assert [a.names[i] for i in a.ops.name] == [b.names[i] for i in b.ops.name]
        for part in ("ops", "tensors", "uses"):
            for field in dataclasses.fields(getattr(a, part)):
                left, right = (getattr(getattr(trace, part), field.name) for trace in (a, b))
                assert np.array_equal(left, right), f"{part}.{field.name}"
        assert (a.names, a.layers, a.uncounted) == (b.names, b.layers, b.uncounted)

    return check


@pytest.fixture
def rows():
    """rows(trace): one dict per op: layer, name, phase, macs, gemm, kind."""

    def listed(trace):
        ops = trace.ops
        return [
            {
                "layer": trace.layers[ops.layer[i]],
                "name": trace.names[ops.name[i]],
                "phase": Phase(ops.phase[i]),
                "kind": int(ops.kind[i]),
                "call": int(ops.call[i]),
                "macs": int(ops.macs[i]),
                "gemm": tuple(int(x[i]) for x in (ops.groups, ops.m, ops.n, ops.k)),
                "vector_ops": int(ops.vector_ops[i]),
            }
            for i in range(len(trace))
        ]

    return listed


@pytest.fixture
def uses():
    """uses(trace, op): {(operand name, "read" or "write"): bytes} of the operands A, B and C, others summed."""

    def found(trace, op):
        table = {}
        for i in np.flatnonzero(trace.uses.op == op):
            key = (Operand(trace.uses.operand[i]).name, "write" if trace.uses.write[i] else "read")
            table[key] = table.get(key, 0) + int(trace.uses.bytes[i])
        return table

    return found
