"""The models that torchvision does not have; each function takes num_classes and returns a module."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional


def mlp(num_classes: int = 10, inputs: int = 784, hidden: Sequence[int] = (500, 300)) -> nn.Sequential:
    """Fully connected network, 784-500-300-10 by default (LeCun et al., Proc. IEEE 86(11), 1998, section III.C.4)."""
    sizes = [inputs, *hidden]
    layers = {"flatten": nn.Flatten()}
    for number, (before, after) in enumerate(pairwise(sizes), 1):
        layers |= {f"fc{number}": nn.Linear(before, after), f"relu{number}": nn.ReLU()}
    return _named(layers | {f"fc{len(sizes)}": nn.Linear(sizes[-1], num_classes)})


def lenet5(num_classes: int = 10) -> nn.Sequential:
    """LeNet-5 for 1x28x28 (LeCun et al., Proc. IEEE 86(11), 1998) with rectified units, max pooling and a full C3."""
    return _named(
        {
            "conv1": nn.Conv2d(1, 6, 5, padding=2),
            "relu1": nn.ReLU(),
            "pool1": nn.MaxPool2d(2),
            "conv2": nn.Conv2d(6, 16, 5),
            "relu2": nn.ReLU(),
            "pool2": nn.MaxPool2d(2),
            "flatten": nn.Flatten(),
            "fc1": nn.Linear(16 * 5 * 5, 120),
            "relu3": nn.ReLU(),
            "fc2": nn.Linear(120, 84),
            "relu4": nn.ReLU(),
            "fc3": nn.Linear(84, num_classes),
        }
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (He et al., CVPR 2016, section 4.2, option A)."""

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.widening = stride, after - before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (batch, before, height, width); returns (batch, after, height / stride, width / stride)."""
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.widening or self.stride > 1:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.widening))
        return functional.relu(y + x)


def cifar_resnet20(num_classes: int = 10) -> nn.Sequential:
    """ResNet-20 for 3x32x32 (He et al., CVPR 2016, section 4.2, n = 3)."""
    layers = {"conv1": nn.Conv2d(3, 16, 3, 1, 1, bias=False), "bn1": nn.BatchNorm2d(16), "relu1": nn.ReLU()}
    before = 16
    for stage, width in enumerate((16, 32, 64), 1):
        for block in range(3):
            stride = 2 if block == 0 and stage > 1 else 1
            layers[f"stage{stage}_{block}"] = BasicBlock(before, width, stride)
            before = width
    head = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(before, num_classes)}
    return _named(layers | head)


def cifar_vgg16(num_classes: int = 10) -> nn.Sequential:
    """VGG-16's thirteen convolutions for 3x32x32 with batch normalisation and one linear layer."""
    layers, before = {}, 3
    for stage, (width, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for number in range(1, count + 1):
            place = f"{stage}_{number}"
            layers[f"conv{place}"] = nn.Conv2d(before, width, 3, padding=1, bias=False)
            layers |= {f"bn{place}": nn.BatchNorm2d(width), f"relu{place}": nn.ReLU()}
            before = width
        layers[f"pool{stage}"] = nn.MaxPool2d(2)
    return _named(layers | {"flatten": nn.Flatten(), "fc": nn.Linear(before, num_classes)})


class Decoder(nn.Module):
    """One pre-norm transformer block with causal attention (Radford et al., 2019)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (batch, length, width); returns the same shape."""
        batch, length, width = x.shape
        split = self.qkv(self.ln1(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.projection(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    """Decoder-only transformer over tokens; int64 (batch, length) to float (batch, length, vocabulary)."""

    def __init__(self, vocabulary: int, layers: int, width: int, heads: int, context: int):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Decoder(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        for weight in (self.tokens.weight, self.positions.weight):
            nn.init.normal_(weight, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """tokens: int64 (batch, length); returns a score for each next token, float (batch, length, vocabulary)."""
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        return self.head(self.norm(self.blocks(x)))


def gpt(num_classes: int = 256, layers: int = 6, width: int = 384, heads: int = 6, context: int = 256) -> GPT:
    """GPT-2-style decoder over `num_classes` tokens with tied input and output embedding (Radford et al., 2019)."""
    return GPT(num_classes, layers, width, heads, context)


def _named(layers):
    return nn.Sequential(OrderedDict(layers))
