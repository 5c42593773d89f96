"""Figures of speed: pairs of op and design per second, growth with both, memory. Run with pytest tests/bench."""

import resource
import time
from functools import cache

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from accel_model.work import work_of

pytestmark = pytest.mark.slow


@cache
def resnet50_step():
    """The Trace of a ResNet-50 training step at batch 256 with SGD, as captured."""
    torch, models = pytest.importorskip("torch"), pytest.importorskip("torchvision.models")
    from harness.capture import capture_model

    def build():
        model = models.resnet50()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        images, labels = torch.randn(256, 3, 224, 224), torch.randint(0, 1000, (256,))

        def step():
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()

        step.model, step.optimizer, step.inputs, step.targets = model, optimizer, [images], [labels]
        return step

    return capture_model(build)


def designs(count):
    """`count` designs, no two alike: arrays, dataflows, overlaps, buffers and bandwidths."""
    bandwidths = np.linspace(5e10, 1e12, -(-count // 216)).tolist()
    grid = Design.grid(
        array=[(16, 64, 1), (32, 32, 1), (64, 16, 1), (16, 16, 4)], dataflow=["os", "ws", "is"], trim=[False, True],
        overlap=["none", "buffered", "pipelined"], buffer_bytes=[2**20, 2**22, 2**24], dram_bytes_per_s=bandwidths,
    )  # fmt: skip
    return grid[:count]


@pytest.mark.parametrize("per_op", [False, True], ids=["sums", "per_op"])
def test_ten_thousand_designs(benchmark, per_op):
    trace, design = resnet50_step(), designs(1000 if per_op else 10_000)
    work_of(trace, False)
    benchmark.pedantic(replay, (trace, design), {"per_op": per_op}, rounds=2, warmup_rounds=1)
    units, _ = work_of(trace, False).at(0)
    pairs = len(trace) * len(design)
    benchmark.extra_info["pairs_per_s"] = pairs / benchmark.stats["min"]
    benchmark.extra_info["distinct_pairs_per_s"] = len(units) * len(design) / benchmark.stats["min"]


def test_one_design(benchmark):
    trace, design = resnet50_step(), designs(1)
    work_of(trace, False)
    benchmark.pedantic(replay, (trace, design), {"workers": 1}, rounds=5, warmup_rounds=1)


def test_the_seeds_completions(benchmark):
    trace, design = resnet50_step(), Design.completions("seed")
    benchmark.pedantic(replay, (trace, design), {"per_op": False}, rounds=1, warmup_rounds=0)
    benchmark.extra_info["pairs_per_s"] = len(trace) * len(design) / benchmark.stats["min"]


def seconds(trace, design):
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        replay(trace, design, per_op=False)
        best = min(best, time.process_time() - start)
    return best


def test_time_grows_no_faster_than_designs():
    trace = resnet50_step()
    small, large = seconds(trace, designs(1000)), seconds(trace, designs(8000))
    assert large < 8 * small * 1.5


def test_time_grows_no_faster_than_ops():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 2000, size=(3, 4000))
    design = designs(72)
    small, large = (seconds(Trace.from_gemms(*sizes[:, :count]), design) for count in (500, 4000))
    assert large < 8 * small * 1.5


def test_a_million_designs_stay_in_bounded_memory():
    trace = Trace.from_gemms(*np.random.default_rng(0).integers(1, 2000, size=(3, 3)))
    report = replay(trace, designs(1_000_000), per_op=False)
    assert len(report) == 1_000_000 and np.isfinite(report.step_s).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < 2e9


SCALE_SIM_S = (
    740.0  # CPU seconds of SCALE-Sim v3 in CALC mode on ResNet-50's forward convolutions, 32x32, the lower end
)
"""Extrapolated from SCALE-Sim runs of AlexNet (156 s for five convolutions) and ViT-S on two cores; see the README."""


def test_a_resnet50_training_step_against_scale_sim(benchmark):
    """How many times faster one design of the whole step is than SCALE-Sim's cycles of the forward pass alone."""
    trace = resnet50_step()
    design = Design.grid(convention="scalesim", residency=False)
    benchmark.pedantic(replay, (trace, design), {"workers": 1}, rounds=5, warmup_rounds=1)
    benchmark.extra_info["times_faster_than_scale_sim"] = SCALE_SIM_S / benchmark.stats["min"]
    assert benchmark.stats["min"] < SCALE_SIM_S / 1000
