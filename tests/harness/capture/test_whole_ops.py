"""What arrives whole because autograd is off is counted like what autograd takes apart."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from accel_model.types import Phase
from harness.capture import capture, capture_model, recorder
from harness.capture.formulas.table import all_formulas
from tests.helpers.steps import make_step

B, T, E, H, F = 2, 6, 16, 4, 24  # batch, length, width, heads, hidden width
TRAINED = nn.Parameter(torch.zeros(1))  # what a step trains that is about something else


class Calls(nn.Module):
    """A module that does one thing with a weight of its own."""

    def __init__(self, act, *size):
        super().__init__()
        self.act, self.weight = act, nn.Parameter(torch.zeros(*size))

    def forward(self, x):
        return self.act(x, self.weight)


def attend(x, weight):
    q, k, v = (x @ weight).chunk(3, -1)
    return functional.scaled_dot_product_attention(q, k, v)


def loop(x, weight):
    for step in x.unbind(1):
        weight = torch.tanh(step.mean(0) + weight @ weight)
    return weight


TEACHERS = {  # name: (module, input size)
    "matmul": (lambda: Calls(torch.matmul, E, F), (B, T, E)),
    "matrix times vector": (lambda: Calls(torch.matmul, E), (B, T, E)),
    "linear": (lambda: nn.Linear(E, F), (B, T, E)),
    "bilinear": (lambda: nn.Bilinear(E, E, 3), None),
    "einsum": (lambda: Calls(lambda x, w: torch.einsum("bte,ef->bf", x, w), E, F), (B, T, E)),
    "inner": (lambda: Calls(torch.inner, F, E), (B, T, E)),
    "outer": (lambda: Calls(lambda x, w: torch.outer(x[0, 0], w), E), (B, T, E)),
    "tensordot": (lambda: Calls(lambda x, w: torch.tensordot(x, w, 1), E, F), (B, T, E)),
    "kron": (lambda: Calls(torch.kron, 2, 2), (B, T)),
    "chain": (lambda: Calls(lambda x, w: torch.linalg.multi_dot([x[0], w, w.t()]), E, F), (B, T, E)),
    "power": (lambda: Calls(lambda x, w: torch.linalg.matrix_power(w, 5), E, E), (B, T, E)),
    "conv1d": (lambda: nn.Conv1d(E, F, 3), (B, E, 9)),
    "conv2d same": (lambda: nn.Conv2d(3, 8, 3, padding="same", groups=1), (B, 3, 9, 9)),
    "conv3d": (lambda: nn.Conv3d(2, 4, 3), (B, 2, 5, 5, 5)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3, stride=2), (B, 3, 5, 5)),
    "norms": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm([7, 7])),
        (B, 3, 9, 9),
    ),
    "instance norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4)), (B, 3, 9, 9)),
    "RMS norm": (lambda: nn.Sequential(nn.Linear(E, F), nn.RMSNorm(F)), (B, T, E)),
    "pools": (
        lambda: nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Upsample(scale_factor=2)),
        (B, 3, 8, 8),
    ),
    "attention": (lambda: Calls(attend, E, 3 * E), (B, T, E)),
    "LSTM": (lambda: nn.LSTM(E, F, num_layers=2, bidirectional=True, batch_first=True), (B, T, E)),
    "GRU": (lambda: nn.GRU(E, F), (B, T, E)),
    "RNN": (lambda: nn.RNN(E, F), (B, T, E)),
    "cells": (lambda: nn.LSTMCell(E, F), (B, E)),
    "GRU cell": (lambda: nn.GRUCell(E, F), (B, E)),
    "distances": (lambda: Calls(torch.cdist, 40, E), (B, T, E)),
    "grid": (
        lambda: Calls(lambda x, w: functional.affine_grid(w, [B, 3, 5, 5], align_corners=False), B, 2, 3),
        (B, T, E),
    ),
    "loop": (lambda: Calls(loop, E, E), (B, T, E)),
    "self-attention": (lambda: _SelfAttention(), (B, T, E)),
    "encoder layer": (lambda: nn.TransformerEncoderLayer(E, H, F, batch_first=True), (B, T, E)),
    "encoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, F, batch_first=True, activation="gelu"), 2),
        (B, T, E),
    ),
    "embedding": (lambda: Calls(lambda x, w: functional.embedding(x.long().clamp(0, 1), w) @ w.t(), 2, E), (B, T)),
}


class _SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(E, H, batch_first=True)

    def forward(self, x):
        return self.inner(x, x, x, need_weights=False)[0]


def distillation(name, context):
    """A build of a step whose frozen teacher runs in `context` and whose student learns."""
    make, size = TEACHERS[name]

    def build():
        student, teacher = nn.Linear(5, 3), make().requires_grad_(False).eval()
        x, inputs = torch.zeros(4, 5), [torch.zeros(*size)] if size else [torch.zeros(B, E)] * 2

        def step():
            with context():
                target = teacher(*inputs)
            target = target[0] if isinstance(target, tuple) else target
            (student(x).sum() * target.mean().clone()).backward()

        step.model, step.inputs = nn.ModuleList([student, teacher]), inputs
        return step

    return build


@pytest.mark.parametrize("name", TEACHERS)
def test_a_teacher_in_inference_mode_is_the_same_trace_as_without_gradients(name, assert_same):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, inference = (capture(distillation(name, c)()) for c in (torch.no_grad, torch.inference_mode))
    assert_same(plain, inference)
    assert inference.uncounted == {}


@pytest.mark.parametrize("name", TEACHERS)
def test_fake_equals_real_in_inference_mode(name, assert_same):
    build = distillation(name, torch.inference_mode)
    assert_same(capture(build()), capture_model(build))


def test_an_encoder_without_gradients_counts_what_training_counts():
    """Per layer: projections 4, scores and values, feed-forward 2; torch's fused path for evaluation is left aside."""
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, F, batch_first=True), 2).eval()
    x = torch.zeros(B, T, E)
    macs = 2 * (4 * B * T * E * E + 2 * B * T * T * E + 2 * B * T * E * F)
    for context in (torch.no_grad, torch.inference_mode):

        def step(context=context):
            with context():
                encoder(x)
            TRAINED.sum().backward()

        assert capture(step).macs_by_phase()["forward"] == macs
        assert capture(step).uncounted == {}
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("need_weights", [False, True])
def test_a_fused_encoder_that_is_called_by_its_name_has_its_products(need_weights):
    layer = nn.TransformerEncoderLayer(E, H, F, batch_first=True).eval()
    inner, x = layer.self_attn, torch.zeros(B, T, E)
    qkv = (inner.in_proj_weight, inner.in_proj_bias, inner.out_proj.weight, inner.out_proj.bias)
    norms = [p for norm in (layer.norm1, layer.norm2) for p in (norm.weight, norm.bias)]
    ffn = [p for linear in (layer.linear1, layer.linear2) for p in (linear.weight, linear.bias)]

    def step():
        with torch.no_grad():
            torch._native_multi_head_attention(x, x, x, E, H, *qkv, need_weights=need_weights)
            torch._transformer_encoder_layer_fwd(x, E, H, *qkv, False, False, 1e-5, *norms, *ffn)
        TRAINED.sum().backward()

    attention = 4 * B * T * E * E + 2 * B * T * T * E
    trace = capture(step)
    assert trace.ops.macs.sum() == 2 * attention + 2 * B * T * E * F
    assert trace.uncounted == {}


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_ragged_batches_are_their_parts(context):
    weight, rows = nn.Parameter(torch.zeros(E, F)), 3 + 5

    def step():
        with context():
            x = torch.nested.nested_tensor([torch.zeros(3, E), torch.zeros(5, E)], layout=torch.jagged)
            functional.linear(x, weight.t())
        TRAINED.sum().backward()

    trace = capture(step)
    assert trace.ops.macs.sum() == rows * E * F
    assert trace.uncounted == {}


def test_an_op_without_formula_that_calls_others_is_those():
    """A pseudo-inverse is a decomposition, which has no formula, and products, which have."""
    a = torch.eye(T)

    def step():
        torch.linalg.pinv(a, atol=torch.zeros(()))
        TRAINED.sum().backward()

    trace = capture(step)
    assert trace.ops.macs.sum() == T * T * T
    assert "aten::linalg_pinv" not in trace.uncounted
    assert set(trace.uncounted) == {"aten::_linalg_svd"}


def test_pieces_belong_to_the_module_that_called(rows):
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.weight = nn.Linear(E, E), nn.Parameter(torch.zeros(E, F))

        def forward(self, x):
            with torch.inference_mode():
                return self.inner(x) @ self.weight

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.frozen, self.head = Frozen(), nn.Linear(F, 2)

        def forward(self, x):
            return self.head(self.frozen(x).clone())

    found = [row for row in rows(capture(make_step(Both(), torch.zeros(B, T, E)))) if row["macs"]]
    assert [(row["layer"], row["phase"]) for row in found] == [
        ("frozen.inner", Phase.FORWARD),
        ("frozen", Phase.FORWARD),
        ("head", Phase.FORWARD),
        ("head", Phase.WGRAD),
    ]


def test_a_kernel_that_calls_others_and_works_itself_is_not_lost(monkeypatch):
    """oneDNN's convolution allocates by another op and multiplies by itself: with its formula, and listed without."""
    x, weight = torch.zeros(B, 3, 8, 8), torch.zeros(4, 3, 3, 3)

    def step():
        with torch.no_grad():
            torch.ops.aten.mkldnn_convolution(x, weight, None, [0, 0], [1, 1], [1, 1], 1)
        TRAINED.sum().backward()

    assert capture(step).ops.macs.sum() == B * 6 * 6 * 4 * 27
    monkeypatch.delitem(all_formulas(), "mkldnn_convolution")
    recorder.made_of_others.cache_clear()
    assert capture(step).uncounted["aten::mkldnn_convolution"][0] == 1
    recorder.made_of_others.cache_clear()
