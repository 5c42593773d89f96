"""torchvision's ops: products of deformable convolutions, samples of regions, pairs of boxes."""

import pytest
import torch
import torchvision
from torchvision import ops

from harness.capture import capture, capture_model
from harness.capture.formulas.parts import info_of
from harness.capture.formulas.table import formula_of

B, C, N, SIZE, OUT = 2, 6, 12, 9, 7


def deformed(groups, masked, offset_groups=1):
    """A build of a step of a deformable 3 x 3 convolution."""

    def build():
        layer = ops.DeformConv2d(C, N, 3, groups=groups)
        x = torch.rand(B, C, SIZE, SIZE, requires_grad=True)
        offset = torch.zeros(B, 2 * offset_groups * 9, OUT, OUT, requires_grad=True)
        mask = torch.ones(B, offset_groups * 9, OUT, OUT) if masked else None

        def step():
            layer(x, offset, mask).mean().backward()

        step.model, step.inputs = layer, [x]
        return step

    return build


@pytest.mark.parametrize("groups, offset_groups", [(1, 1), (3, 2)])
@pytest.mark.parametrize("masked", [False, True])
def test_a_deformable_convolution_does_the_products_of_an_ordinary_one(groups, offset_groups, masked, rows):
    build = deformed(groups, masked, offset_groups)
    one = B * OUT * OUT * N * (C // groups) * 9
    trace = capture(build())
    found = trace.macs_by_phase()
    assert (found["forward"], found["dgrad"], found["wgrad"]) == (one, one, one)
    assert trace.uncounted == {}
    samples = next(row["vector_ops"] for row in rows(trace) if row["name"] == "torchvision::deform_conv2d")
    assert samples == (8 + masked) * B * OUT * OUT * C * 9


def test_the_profiler_sees_as_many_products_as_are_counted():
    step = deformed(3, True)()
    with torch.profiler.profile(with_flops=True) as profile:
        step()
    flops = sum(event.flops for event in profile.events() if event.name in ("aten::addmm", "aten::addmm_", "aten::mm"))
    assert flops == 2 * capture(step).ops.macs.sum()


@pytest.mark.parametrize("groups, masked", [(1, False), (2, True)])
def test_a_fake_deformable_convolution_is_the_real_one(groups, masked, assert_same):
    build = deformed(groups, masked)
    assert_same(capture(build()), capture_model(build))


BOXES = torch.tensor([[0.0, 0.0, 6.0, 6.0], [1.0, 1.0, 5.0, 5.0], [2.0, 0.0, 8.0, 8.0]])
REGIONS = torch.cat([torch.zeros(3, 1), BOXES], 1)
POOLS = {  # name: (what is done to a 2 x 8 x 12 x 12 image, elementary operations forward)
    "roi_align": (lambda x: ops.roi_align(x, REGIONS, 2, sampling_ratio=2), 9 * 3 * 8 * 4 * 4),
    "roi_align adaptive": (lambda x: ops.roi_align(x, REGIONS, 2), 9 * 3 * 8 * 4 * 36),
    "roi_pool": (lambda x: ops.roi_pool(x, REGIONS, 2), 3 * 8 * 144),
    "ps_roi_align": (lambda x: ops.ps_roi_align(x, REGIONS, 2, sampling_ratio=2), 9 * 3 * 2 * 4 * 4),
    "ps_roi_pool": (lambda x: ops.ps_roi_pool(x, REGIONS, 2), 3 * 2 * 144),
}


@pytest.mark.parametrize("name", POOLS)
def test_regions_are_pooled_by_their_samples(name, rows, assert_same):
    act, expected = POOLS[name]

    def build():
        weight = torch.nn.Parameter(torch.rand(2, 8, 12, 12))
        return lambda: act(weight).sum().backward()

    trace = capture(build())
    found = {row["name"]: row["vector_ops"] for row in rows(trace)}
    name = name.split()[0]
    assert found[f"torchvision::{name}"] == expected
    assert found[f"torchvision::_{name}_backward"] > 0
    assert trace.uncounted == {}


def test_suppression_compares_all_pairs_of_boxes(rows):
    weight = torch.nn.Parameter(torch.rand(4))

    def step():
        kept = ops.nms(BOXES, torch.tensor([0.3, 0.2, 0.1]), 0.5)
        weight[kept].sum().backward()

    found = {row["name"]: row["vector_ops"] for row in rows(capture(step))}
    assert found["torchvision::nms"] == 5 + 13 * 3


def test_every_op_of_the_pinned_torchvision_that_trains_has_a_formula():
    names = [n for n in torch._C._dispatch_get_all_op_names() if n.startswith("torchvision::")]
    assert names and torchvision.__version__
    left = {n for n in names if formula_of(info_of(getattr(torch.ops.torchvision, n.split("::")[1]).default)) is None}
    assert left == {"torchvision::_cuda_version", "torchvision::qnms", "torchvision::qroi_align"}
