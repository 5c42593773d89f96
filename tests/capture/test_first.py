"""ResNet-50's MACs, by phase."""

import torch
import torchvision

from harness.capture import capture_model


def test_resnet50_does_its_published_macs():
    """4.089 GMAC forward: torchvision's ResNet50_Weights.IMAGENET1K_V1.meta["_ops"], which counts multiply-adds."""

    def build():
        model, inputs = torchvision.models.resnet50(), torch.randn(256, 3, 224, 224)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step():
            optimizer.zero_grad()
            model(inputs).mean().backward()
            optimizer.step()

        return step

    macs = capture_model(build).macs_by_phase()
    first_layer = 112 * 112 * 64 * 3 * 7 * 7
    assert abs(macs["forward"] / 256 / 4.089e9 - 1) < 1e-3
    assert macs["wgrad"] == macs["forward"]
    assert macs["dgrad"] == macs["forward"] - 256 * first_layer
