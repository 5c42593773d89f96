"""Formulas of ops that only a GPU runs, on calls made by hand from CPU tensors."""

import pytest
import torch

from harness.capture.formulas.parts import Call, info_of
from harness.capture.formulas.table import formula_of

B, H, Q, K, E = 2, 3, 5, 7, 8  # batch, heads, queries, keys, width


def products(op, arguments, outputs):
    """[(groups, m, n, k)] of the rows of a call, and the names of the operands that lie in memory."""
    info = info_of(op)
    names = dict(zip(info.arguments, arguments, strict=False))
    tensors = [a for a in arguments if isinstance(a, torch.Tensor)]
    parts = formula_of(info)(Call(info, names, tensors, [], outputs, [o for o in outputs if o is not None]))
    return [part.gemm for part in parts if part.gemm[0]], parts


def heads(length, last=False):
    return torch.zeros(B, length, H, E) if last else torch.zeros(B, H, length, E)


ATTENTION = torch.ops.aten
FORWARDS = [
    (ATTENTION._scaled_dot_product_flash_attention.default, False),
    (ATTENTION._scaled_dot_product_efficient_attention.default, False),
    (ATTENTION._scaled_dot_product_cudnn_attention.default, False),
    (ATTENTION._flash_attention_forward.default, True),
    (ATTENTION._efficient_attention_forward.default, True),
]


@pytest.mark.parametrize("op, last", FORWARDS)
def test_every_fused_attention_is_the_same_two_products(op, last):
    q, k, v = heads(Q, last), heads(K, last), heads(K, last)
    arguments = [q, k, v] + [None] * 3
    found, parts = products(op, arguments, [q.clone(), torch.zeros(B, H, Q)])
    assert found == [(B * H, Q, K, E), (B * H, Q, E, K)]
    assert all(touch.tensor.numel() != B * H * Q * K for part in parts for touch in (*part.reads, *part.writes))


BACKWARDS = [
    (ATTENTION._scaled_dot_product_flash_attention_backward.default, False),
    (ATTENTION._scaled_dot_product_efficient_attention_backward.default, False),
    (ATTENTION._scaled_dot_product_cudnn_attention_backward.default, False),
    (ATTENTION._flash_attention_backward.default, True),
    (ATTENTION._efficient_attention_backward.default, True),
]


@pytest.mark.parametrize("op, last", BACKWARDS)
def test_every_fused_attention_has_the_same_backward_pass(op, last):
    q, k, v = heads(Q, last), heads(K, last), heads(K, last)
    given = {"query": q, "key": k, "value": v, "out": q.clone(), "logsumexp": torch.zeros(B, H, Q)}
    given |= {"grad_out": q.clone(), "grad_out_": q.clone()}
    arguments = [given.get(name) for name in info_of(op).arguments]
    found, parts = products(op, arguments, [q.clone(), k.clone(), v.clone()])
    assert [part.repeats for part in parts] == [True, False, False, False, False]
    assert sorted(g * m * n * k for g, m, n, k in found) == [B * H * Q * K * E] * 5


@pytest.mark.parametrize("mode, gates", [(1, 1), (2, 4), (3, 3)])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_cudnn_network_is_all_its_layers(mode, gates, batch_first):
    time, inputs, hidden, layers = 6, 4, 5, 2
    x = torch.zeros(B, time, inputs) if batch_first else torch.zeros(time, B, inputs)
    weights = []
    for layer in range(layers):
        width = inputs if layer == 0 else 2 * hidden
        for _ in range(2):
            shapes = [(gates * hidden, width), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,)]
            weights += [torch.zeros(*shape) for shape in shapes]
    state = torch.zeros(2 * layers, B, hidden)
    out = torch.zeros(*x.shape[:2], 2 * hidden)
    settings = [mode, hidden, 0, layers, batch_first, 0.0, True, True, [], None]
    expected = 2 * time * B * gates * hidden * ((inputs + hidden) + (2 * hidden + hidden))

    arguments = [x, weights, 4, None, state, state, *settings]
    found, _ = products(torch.ops.aten._cudnn_rnn.default, arguments, [out, state, state, torch.zeros(9), None])
    assert sum(g * m * n * k for g, m, n, k in found) == expected

    for wants_input in (True, False):
        arguments = [x, weights, 4, torch.zeros(9), state, state, out, out, None, None, *settings, torch.zeros(9)]
        arguments.append([wants_input, True, True, True])
        outputs = [x.clone() if wants_input else None, state, state, *(w.clone() for w in weights)]
        found, _ = products(torch.ops.aten._cudnn_rnn_backward.default, arguments, outputs)
        not_needed = 0 if wants_input else 2 * time * B * gates * hidden * inputs
        assert sum(g * m * n * k for g, m, n, k in found) == 2 * expected - not_needed


def test_cudnn_batch_norm_is_two_rows():
    x, c = torch.zeros(2, 4, 5, 5), torch.zeros(4)
    arguments = [x, c, c.clone(), c.clone(), c.clone(), True, 0.1, 1e-5]
    found, parts = products(torch.ops.aten.cudnn_batch_norm.default, arguments, [x.clone(), c, c, torch.zeros(0)])
    assert found == []
    assert [part.kind.name for part in parts] == ["REDUCE", "ELEMENTWISE"]


def test_grouped_products_count_their_rows():
    total, k, n, groups = 10, 4, 6, 3
    a, b, ends = torch.zeros(total, k), torch.zeros(groups, k, n), torch.tensor([2, 5, 10])
    found, _ = products(torch.ops.aten._grouped_mm.default, [a, b, ends], [torch.zeros(total, n)])
    assert found == [(1, total, n, k)]
