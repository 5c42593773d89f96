"""Published forward MACs of image classifiers, and what the backward pass must do for them.

Source: torchvision's weight documentation, `Weights.meta["_ops"]`: "GFLOPS", which counts multiply-adds in 1e9 for one
image at the size of its evaluation crop (torchvision 0.29, pytorch.org/vision/stable/models.html).
"""

import pytest
import torch
from torchvision.models import get_model, get_model_weights

from accel_model.types import Phase, Role
from harness.capture import capture_model

QUICK = (
    "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_b3 mobilenet_v2 regnet_x_400mf regnet_y_400mf "
    "resnet18 resnet50 resnext50_32x4d shufflenet_v2_x1_0 squeezenet1_1 swin_t swin_v2_t vgg16 vit_b_16 "
    "wide_resnet50_2"
)
LONG = (
    "convnext_base convnext_large densenet201 efficientnet_b4 efficientnet_b7 efficientnet_v2_m maxvit_t mnasnet1_0 "
    "mobilenet_v3_large mobilenet_v3_small regnet_x_16gf regnet_y_16gf resnet34 resnet101 resnet152 resnext101_64x4d "
    "squeezenet1_0 swin_b swin_v2_b vgg11_bn vgg19 vit_b_32 vit_l_16 wide_resnet101_2"
)
NAMES = QUICK.split() + [pytest.param(name, marks=pytest.mark.slow) for name in LONG.split()]


def training_trace(name):
    size = next(iter(get_model_weights(name))).transforms().crop_size[0]

    def build():
        model, image = get_model(name), torch.zeros(1, 3, size, size)

        def step():
            model(image).sum().backward()

        step.model, step.inputs = model, image
        return step

    return capture_model(build, warmup=0)


@pytest.mark.parametrize("name", NAMES)
def test_classifiers_do_their_published_macs(name):
    published = next(iter(get_model_weights(name))).meta["_ops"]
    trace = training_trace(name)
    macs = trace.macs_by_phase()
    rounding = 0.0005  # three decimals are given
    assert abs(macs["forward"] / 1e9 - published) <= 1e-3 * published + rounding
    assert trace.uncounted == {}

    # the backward pass does the forward's twice, less the gradients of the images, which nobody asks for
    read_by = {}
    for use in range(len(trace.uses.op)):
        op, tensor = trace.uses.op[use], trace.uses.tensor[use]
        if trace.tensors.role[tensor] == Role.INPUT and trace.ops.phase[op] == Phase.FORWARD:
            read_by[op] = int(trace.ops.macs[op])
    not_needed = sum(read_by.values())
    if name.startswith("swin_v2"):  # its tables of relative positions are inputs of a linear layer of 2 features, too
        layers = {i for i, layer in enumerate(trace.layers) if layer.endswith("cpb_mlp.0")}
        ops = [i for i in range(len(trace)) if trace.ops.layer[i] in layers and trace.ops.phase[i] == Phase.FORWARD]
        not_needed += int(trace.ops.macs[ops].sum())
    assert macs["dgrad"] + macs["wgrad"] == 2 * macs["forward"] - not_needed
