"""Figures of speed: pairs of op and design per second, growth with both, memory. Run with pytest tests/bench."""

import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from accel_model.work.units import work_of
from tests.helpers.designs import designs

pytestmark = pytest.mark.slow


def resnet50_step():
    return training_step("resnet50")


@cache
def training_step(name):
    """The Trace of a training step of a torchvision model at batch 256 with SGD, as captured."""
    torch, models = pytest.importorskip("torch"), pytest.importorskip("torchvision.models")
    from harness.capture import capture_model

    def build():
        model = getattr(models, name)()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        images, labels = torch.randn(256, 3, 224, 224), torch.randint(0, 1000, (256,))

        def step():
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()

        step.model, step.optimizer, step.inputs, step.targets = model, optimizer, [images], [labels]
        return step

    return capture_model(build)


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


MILLION = """
import numpy as np
from accel_model import Trace, replay
from tests.helpers.designs import designs
from tests.helpers.memory import peak_bytes
trace = Trace.from_gemms(*np.random.default_rng(0).integers(1, 2000, size=(3, 3)))
report = replay(trace, designs(1_000_000), per_op=False)
assert len(report) == 1_000_000 and np.isfinite(report.step_s).all()
print(peak_bytes())
"""


def test_a_million_designs_stay_in_bounded_memory():
    """In a process of its own, whose peak is this sweep's."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", MILLION], cwd=root, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2e9


NEIGHBOURS = {  # CPU seconds on two cores like these, for forward passes alone; neither does a training step
    "scale_sim": ("resnet50", 740.0),  # SCALE-Sim v3, CALC mode, 32x32: extrapolated from AlexNet's 156 s, lower end
    "zigzag": ("resnet18", 53.0),  # ZigZag 3.9.1, measured
}


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_a_training_step_against_a_neighbours_forward_pass(benchmark, neighbour):
    name, their_s = NEIGHBOURS[neighbour]
    trace, design = training_step(name), Design.grid()
    work_of(trace, False)
    benchmark.pedantic(replay, (trace, design), {"workers": 1}, rounds=5, warmup_rounds=1)
    benchmark.extra_info["their_seconds_over_ours"] = their_s / benchmark.stats["min"]
