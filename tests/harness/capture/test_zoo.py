"""A trace under fake tensors equals the trace of the real run, in every column."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import get_model

from harness.capture import capture, capture_model, torch_private

QUICK = (
    "alexnet convnext_tiny efficientnet_b0 mnasnet0_5 mobilenet_v2 mobilenet_v3_small regnet_x_400mf regnet_y_400mf "
    "resnet18 resnet50 resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_1 swin_t vgg11_bn"
)
LONG = (
    "convnext_small convnext_base densenet121 densenet161 densenet169 densenet201 efficientnet_b1 efficientnet_b2 "
    "efficientnet_b3 efficientnet_b4 efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_75 mnasnet1_0 "
    "mnasnet1_3 mobilenet_v3_large regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_y_800mf regnet_y_1_6gf "
    "regnet_y_3_2gf resnet34 resnet101 resnet152 resnext101_32x8d shufflenet_v2_x1_0 shufflenet_v2_x1_5 "
    "shufflenet_v2_x2_0 squeezenet1_0 swin_s swin_v2_t swin_v2_s vgg11 vgg13 vgg16 vit_b_16 vit_b_32 wide_resnet50_2"
)
NAMES = QUICK.split() + [pytest.param(name, marks=pytest.mark.slow) for name in LONG.split()]
SIZES = {"alexnet": 64, "inception_v3": 299, "maxvit_t": 224, "vit_b_16": 224, "vit_b_32": 224}


@pytest.mark.parametrize("name", NAMES)
def test_fake_equals_real_for_image_classifiers(name, classify, assert_same):
    def build():
        arguments = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        model = get_model(name, **arguments)
        first = _First(model) if arguments else model
        return classify(first, SIZES.get(name, 32))

    with torch_private.initialisation_does_nothing():
        step = build()
    with torch.no_grad():
        for parameter in step.model.parameters():
            parameter.zero_()  # unset memory holds denormal numbers, which are slow
    assert_same(capture(step, warmup=0), capture_model(build, warmup=0))


class _First(nn.Module):
    """The scores of a model that returns auxiliary scores with them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x).logits


class Decoder(nn.Module):
    """A small language model: tied embedding, causal attention without dropout."""

    def __init__(self, attention=functional.scaled_dot_product_attention):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(50, 16), nn.Embedding(8, 16)
        self.norm, self.qkv, self.out = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.mlp = nn.Sequential(nn.RMSNorm(16), nn.Linear(16, 64), nn.GELU(approximate="tanh"), nn.Linear(64, 16))
        self.attention = attention

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        q, k, v = self.qkv(self.norm(x)).view(*x.shape[:2], 3, 4, 4).permute(2, 0, 3, 1, 4)
        x = x + self.out(self.attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return functional.linear(x + self.mlp(x), self.tokens.weight)


def written_out(q, k, v, is_causal):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return functional.dropout(scores.masked_fill(hidden, -torch.inf).softmax(-1), 0.1) @ v


def encoder(**settings):
    return nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, **settings)


def tokens():
    return torch.zeros(2, 8, dtype=torch.long)


SMALL = {
    "decoder": lambda: (Decoder(), tokens()),
    "decoder with written attention": lambda: (Decoder(written_out), tokens()),
    "decoder in bfloat16": lambda: (Decoder().to(torch.bfloat16), tokens()),
    "encoder": lambda: (encoder(dropout=0.0), torch.zeros(2, 8, 16)),
    "encoder norm first": lambda: (encoder(dropout=0.0, norm_first=True, activation="gelu"), torch.zeros(2, 8, 16)),
    "transformer": lambda: (nn.Transformer(16, 4, 1, 1, 32, dropout=0.0), torch.zeros(8, 2, 16), torch.zeros(6, 2, 16)),
    "attention with weights": lambda: (nn.MultiheadAttention(16, 4), *(torch.zeros(8, 2, 16) for _ in range(3))),
    "lstm": lambda: (nn.LSTM(5, 7, num_layers=2, bidirectional=True), torch.zeros(4, 3, 5)),
    "gru": lambda: (nn.GRU(5, 7, batch_first=True), torch.zeros(4, 3, 5)),
    "rnn": lambda: (nn.RNN(5, 7), torch.zeros(4, 3, 5)),
    "lstm cell": lambda: (nn.LSTMCell(5, 7), torch.zeros(3, 5)),
    "bilinear": lambda: (nn.Bilinear(5, 7, 3), torch.zeros(4, 5), torch.zeros(4, 7)),
    "autoencoder": lambda: (
        nn.Sequential(nn.Conv1d(2, 4, 3, stride=2), nn.GroupNorm(2, 4), nn.SiLU(), nn.ConvTranspose1d(4, 2, 3)),
        torch.zeros(2, 2, 9),
    ),
    "norms": lambda: (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.LayerNorm([4, 4, 4])),
        torch.zeros(2, 3, 8, 8),
    ),
    "norms without parameters": lambda: (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.Conv2d(4, 4, 3)),
        torch.zeros(2, 3, 8, 8),
    ),
    "channels last": lambda: (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)).to(memory_format=torch.channels_last),
        torch.zeros(2, 3, 8, 8).to(memory_format=torch.channels_last),
    ),
    "volume": lambda: (
        nn.Sequential(nn.Conv3d(2, 4, 3), nn.InstanceNorm3d(4), nn.MaxPool3d(2), nn.Flatten(), nn.Linear(4, 3)),
        torch.zeros(2, 2, 5, 5, 5),
    ),
    "upsampling": lambda: (
        nn.Sequential(nn.Conv2d(2, 4, 1), nn.Upsample(scale_factor=2, mode="bilinear"), nn.PixelShuffle(2)),
        torch.zeros(2, 2, 4, 4),
    ),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_fake_equals_real_for_small_networks(name, optimizer, precision, step_of, assert_same):
    def build():
        model, *inputs = SMALL[name]()
        step = step_of(model, *inputs, optimizer=optimizer)

        def cast():
            with torch.autocast("cpu", dtype=precision, enabled=precision is not torch.float32):
                step()

        cast.model, cast.inputs = model, inputs
        return cast

    real = build()
    try:
        real()
    except RuntimeError as error:  # some CPUs have no such op in bfloat16, whoever calls it
        if precision is torch.float32 or "primitive descriptor" not in str(error):
            raise
        pytest.skip(f"torch has no {name} in {precision} on this CPU")
    assert_same(capture(build()), capture_model(build))
