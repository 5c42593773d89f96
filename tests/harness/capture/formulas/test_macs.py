"""MACs of every op family, by hand: forward, gradient of the data, gradient of the weight."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from accel_model.types import Kind, Phase
from harness.capture import capture

B, C, N = 2, 6, 12  # batch, input channels, output channels


def conv(kind, size, **settings):
    return kind(C, N, 3, bias=False, **settings), torch.randn(B, C, *size)


# name: (module, input, forward MACs), inputs without gradient, so that dgrad is 0 and wgrad the forward's
CONVOLUTIONS = {
    "1d": (*conv(nn.Conv1d, [9]), B * 7 * N * C * 3),
    "1d stride": (*conv(nn.Conv1d, [9], stride=2), B * 4 * N * C * 3),
    "2d": (*conv(nn.Conv2d, [8, 7]), B * 6 * 5 * N * C * 9),
    "2d padding": (*conv(nn.Conv2d, [8, 7], padding=1), B * 8 * 7 * N * C * 9),
    "2d dilation": (*conv(nn.Conv2d, [8, 7], dilation=2), B * 4 * 3 * N * C * 9),
    "2d stride": (*conv(nn.Conv2d, [8, 7], stride=(2, 3)), B * 3 * 2 * N * C * 9),
    "2d groups": (*conv(nn.Conv2d, [8, 7], groups=3), B * 6 * 5 * N * (C // 3) * 9),
    "2d depthwise": (*conv(nn.Conv2d, [8, 7], groups=C), B * 6 * 5 * N * 9),
    "3d": (*conv(nn.Conv3d, [5, 6, 4]), B * 3 * 4 * 2 * N * C * 27),
    "transposed 1d": (*conv(nn.ConvTranspose1d, [9], stride=2), B * 9 * N * C * 3),
    "transposed 2d": (*conv(nn.ConvTranspose2d, [8, 7], stride=2), B * 8 * 7 * N * C * 9),
    "transposed 2d groups": (*conv(nn.ConvTranspose2d, [8, 7], groups=3), B * 8 * 7 * N * (C // 3) * 9),
    "transposed 2d output padding": (
        *conv(nn.ConvTranspose2d, [8, 7], stride=2, output_padding=1),
        B * 8 * 7 * N * C * 9,
    ),
    "transposed 3d": (*conv(nn.ConvTranspose3d, [3, 4, 2]), B * 3 * 4 * 2 * N * C * 27),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("needs_gradient", [False, True])
def test_convolutions(name, needs_gradient, step_of):
    module, x, macs = CONVOLUTIONS[name]
    found = capture(step_of(module, x.requires_grad_(needs_gradient)), warmup=0).macs_by_phase()
    assert found["forward"] == found["wgrad"] == macs
    assert found["dgrad"] == (macs if needs_gradient else 0)


def test_convolution_rows_keep_the_geometry_and_the_shapes_of_their_gemms(step_of, rows):
    module = nn.Conv2d(C, N, (3, 5), stride=2, padding=(1, 2), dilation=(2, 1), groups=3)
    x = torch.randn(B, C, 11, 9, requires_grad=True)
    trace = capture(step_of(module, x))
    oh, ow = 5, 5
    expected = {
        Phase.FORWARD: (3, B * oh * ow, N // 3, C // 3 * 15),
        Phase.DGRAD: (3, B * oh * ow, C // 3 * 15, N // 3),
        Phase.WGRAD: (3, C // 3 * 15, N // 3, B * oh * ow),
    }
    found = [i for i, kind in enumerate(trace.ops.kind) if kind == Kind.CONV]
    assert {Phase(trace.ops.phase[i]): rows(trace)[i]["gemm"] for i in found} == expected
    for i in found:
        ops = trace.ops
        assert (ops.batch[i], ops.in_channels[i], ops.out_channels[i], ops.transposed[i]) == (B, C, N, False)
        assert ops.input_size[:, i].tolist() == [0, 11, 9]
        assert ops.filter_size[:, i].tolist() == [0, 3, 5]
        assert ops.output_size[:, i].tolist() == [0, oh, ow]
        assert ops.stride[:, i].tolist() == [0, 2, 2]
        assert ops.padding[:, i].tolist() == [0, 1, 2]
        assert ops.dilation[:, i].tolist() == [0, 2, 1]


def leaf(*shape):
    return torch.randn(*shape, requires_grad=True)


A, W, X, Y = leaf(5, 7), leaf(7, 3), leaf(4, 5, 7), leaf(4, 7, 3)
VECTOR, BIAS, SQUARE, BATCHED_BIAS = leaf(7), leaf(3), leaf(5, 3), leaf(4, 5, 3)
PRODUCTS = {  # name: (callable, forward MACs, gradient MACs)
    "mm": (lambda: A @ W, 105, 210),
    "addmm": (lambda: torch.addmm(BIAS, A, W), 105, 210),
    "addmm without its addend": (lambda: torch.addmm(BIAS, A, W, beta=0), 105, 210),
    "mv": (lambda: A @ VECTOR, 35, 35),  # the matrix's gradient is an outer product: an elementwise op
    "addmv": (lambda: torch.addmv(leaf(5), A, VECTOR), 35, 35),
    "dot": (lambda: VECTOR @ VECTOR.detach(), 7, 0),
    "bmm": (lambda: X @ Y, 420, 840),
    "baddbmm": (lambda: torch.baddbmm(BATCHED_BIAS, X, Y), 420, 840),
    "addbmm": (lambda: torch.addbmm(SQUARE, X, Y), 420, 840),
    "broadcast matmul": (lambda: X @ W, 420, 840),
    "linear": (lambda: functional.linear(X, W.t()), 420, 840),
    "linear of a vector": (lambda: functional.linear(VECTOR, A), 35, 70),
    "einsum": (lambda: torch.einsum("bij,jk->bik", X, W), 420, 840),
    "einsum of three": (lambda: torch.einsum("ij,jk,ik->k", A, W, SQUARE), 105 + 15, None),
    "tensordot": (lambda: torch.tensordot(X, W, dims=1), 420, 840),
    "chain": (lambda: torch.linalg.multi_dot([A, W, leaf(3, 2)]), 7 * 3 * 2 + 5 * 7 * 2, None),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name):
    call, forward, gradient = PRODUCTS[name]
    trace = capture(lambda: torch.autograd.grad(call().sum(), [A, W, X, Y, VECTOR], allow_unused=True), warmup=0)
    found = trace.macs_by_phase()
    assert found["forward"] == forward
    if gradient is not None:
        assert found["dgrad"] + found["wgrad"] == gradient


def test_linear_rows_are_input_times_weight_and_their_gradients(step_of, rows, uses):
    """Linear: forward (M,K)x(K,N), dgrad (M,N)x(N,K), wgrad (K,M)x(M,N); A and B are input, gradient or weight."""
    m, k, n = 5, 7, 3
    trace = capture(step_of(nn.Linear(k, n), torch.randn(m, k, requires_grad=True)))
    products = {row["phase"]: i for i, row in enumerate(rows(trace)) if row["macs"]}
    x, w, y = 4 * m * k, 4 * k * n, 4 * m * n
    for phase, gemm, sizes in (
        (Phase.FORWARD, (1, m, n, k), (x, w, y)),
        (Phase.DGRAD, (1, m, k, n), (y, w, x)),
        (Phase.WGRAD, (1, k, n, m), (x, y, w)),
    ):
        i = products[phase]
        touched = uses(trace, i)
        assert rows(trace)[i]["gemm"] == gemm
        assert (touched["A", "read"], touched["B", "read"], touched["C", "write"]) == sizes


def test_a_weight_on_the_left_is_still_operand_b(rows, uses):
    weight = nn.Parameter(torch.randn(3, 7))
    x = torch.randn(7, 5)

    def step():
        (weight @ x).pow(2).sum().backward()

    trace = capture(step)
    forward, backward = (i for i, row in enumerate(rows(trace)) if row["macs"])
    assert rows(trace)[forward]["gemm"] == (1, 5, 3, 7)
    assert uses(trace, forward)["A", "read"] == 4 * x.numel()
    assert rows(trace)[backward]["phase"] is Phase.WGRAD
    assert uses(trace, backward)["A", "read"] == 4 * x.numel()


@pytest.mark.parametrize("kind, gates", [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_layers(kind, gates, directions, step_of):
    time, inputs, hidden = 5, 4, 3
    module = kind(inputs, hidden, num_layers=2, bidirectional=directions == 2)
    found = capture(step_of(module, torch.randn(time, B, inputs))).macs_by_phase()
    layers = (inputs + hidden) + (directions * hidden + hidden)
    assert found["forward"] == found["wgrad"] == directions * time * B * gates * hidden * layers


def test_an_lstm_is_several_rows(step_of, rows):
    found = rows(capture(step_of(nn.LSTM(4, 3), torch.randn(5, B, 4))))
    forward = [row["gemm"] for row in found if row["macs"] and row["phase"] is Phase.FORWARD]
    assert forward == [(1, 5 * B, 12, 4), (5, B, 12, 3)]


def test_bilinear(step_of):
    i, j, o = 3, 4, 5
    found = capture(step_of(nn.Bilinear(i, j, o), torch.randn(B, i), torch.randn(B, j))).macs_by_phase()
    assert found["forward"] == B * o * j * i + B * o * j


@pytest.mark.parametrize("masked", [False, True])
def test_attention(masked, rows):
    """Q Kᵀ and S V forward; four products of the same size backward; the scores again where they were not stored."""
    batch, heads, queries, keys, width = 2, 3, 4, 5, 8
    q = leaf(batch, heads, queries, width)
    k, v = leaf(batch, heads, keys, width), leaf(batch, heads, keys, width)
    mask = torch.zeros(queries, keys) if masked else None

    def step():
        functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).sum().backward()

    one = batch * heads * queries * keys * width
    trace = capture(step)
    assert trace.macs_by_phase() | {"update": 0} == {
        "forward": 2 * one,
        "recompute": one,
        "dgrad": 4 * one,
        "wgrad": 0,
        "update": 0,
        "other": 0,
    }
    assert {row["kind"] for row in rows(trace) if row["macs"]} == {Kind.ATTENTION}


def test_fused_and_unfused_attention_are_the_same_products(rows):
    q, k, v = (leaf(2, 3, 4, 8) for _ in range(3))

    def products(dropout):
        def step():
            functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True).sum().backward()

        found = [row for row in rows(capture(step)) if row["macs"] and row["phase"] is not Phase.RECOMPUTE]
        return {phase: sorted(row["gemm"] for row in found if row["phase"] is phase) for phase in Phase}, found

    fused, unfused = products(0.0), products(0.1)
    assert {row["name"] for row in fused[1]} != {row["name"] for row in unfused[1]}
    assert fused[0] == unfused[0]
    assert {row["kind"] for row in fused[1] + unfused[1]} == {Kind.ATTENTION}


def test_fused_attention_stores_no_scores():
    queries, width = 512, 8
    q, k, v = (leaf(1, 1, queries, width) for _ in range(3))
    trace = capture(lambda: functional.scaled_dot_product_attention(q, k, v).sum().backward())
    assert trace.tensors.bytes.max() < 4 * queries * queries


def test_grouped_query_attention_counts_every_query_head():
    q, k, v = leaf(1, 8, 4, 16), leaf(1, 2, 4, 16), leaf(1, 2, 4, 16)
    trace = capture(lambda: functional.scaled_dot_product_attention(q, k, v, enable_gqa=True).sum().backward())
    assert trace.macs_by_phase()["forward"] == 2 * 8 * 4 * 4 * 16


def test_fft_is_vector_work(rows):
    x = leaf(4, 64)
    found = [row for row in rows(capture(lambda: torch.fft.fft(x).abs().sum().backward())) if "fft" in row["name"]]
    assert all(row["macs"] == 0 and row["vector_ops"] >= 4 * 64 * 6 for row in found)
    assert found
