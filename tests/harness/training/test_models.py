"""The shipped models are the ones that their papers describe."""

import pytest
import torch

from harness.capture import capture_model
from harness.settings import shipped
from harness.training import models
from harness.training.step import build_model, build_step

PARAMETERS = {
    "mnist_mlp": 784 * 500 + 500 + 500 * 300 + 300 + 300 * 10 + 10,
    "mnist_lenet5": 6 * 26 + 16 * 151 + 120 * 401 + 84 * 121 + 10 * 85,
    "cifar10_resnet20": 269_722,  # He et al. 2016, table 6: 0.27 M
    "cifar10_vgg": 14_724_042,
    # torchvision's documented num_params
    "imagenet_alexnet": 61_100_840,
    "imagenet_resnet18": 11_689_512,
    "imagenet_resnet50": 25_557_032,
    "imagenet_vgg16": 138_357_544,
    "imagenet_mobilenet_v2": 3_504_872,
    "imagenet_vit_b16": 86_567_656,
}
FORWARD_GMACS = {  # a sample; ImageNet models: torchvision's documented _ops
    "mnist_mlp": (784 * 500 + 500 * 300 + 300 * 10) / 1e9,
    # 3x3 convolutions: 3-16, six 16-16 at 32x32; 16-32, five 32-32 at 16x16; 32-64, five 64-64 at 8x8; 64-10
    "cifar10_resnet20": 9 * (1024 * (48 + 6 * 256) + 256 * (512 + 5 * 1024) + 64 * (2048 + 5 * 4096)) / 1e9 + 640 / 1e9,
    "imagenet_alexnet": 0.714,
    "imagenet_resnet18": 1.814,
    "imagenet_resnet50": 4.089,
    "imagenet_vgg16": 15.47,
    "imagenet_mobilenet_v2": 0.301,
}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_model_has_the_parameters_that_its_source_states(name):
    with torch.device("meta"):
        model = build_model(shipped.load(name))
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


def test_the_causal_decoder_sees_no_later_token():
    model = models.gpt(num_classes=11, layers=2, width=16, heads=2, context=8).eval()
    tokens = torch.randint(11, (1, 8))
    changed = tokens.clone()
    changed[0, 5:] = (changed[0, 5:] + 1) % 11
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    assert torch.allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize("name", shipped.names())
def test_every_workload_is_captured_and_trains_every_phase(compose, name):
    config = compose(f"workload={name}")
    trace = capture_model(lambda: build_step(config.workload, config.precision, 2))
    macs = trace.macs_by_phase()
    assert not trace.uncounted
    assert 0 < macs["wgrad"] <= macs["forward"]  # a product of two activations, in attention, has no weight's gradient
    assert macs["forward"] < macs["dgrad"] + macs["wgrad"] <= 2 * macs["forward"]  # none for what the data need
    assert macs["update"] == 0
    assert macs["recompute"] < 0.1 * macs["forward"]  # fused attention makes its scores again in the backward pass
    if name in FORWARD_GMACS:
        assert macs["forward"] / 2e9 == pytest.approx(FORWARD_GMACS[name], rel=2e-3)
