"""What is kept is found again where nothing that decides it has changed, and only there."""

import os
import subprocess
import sys

import numpy as np
import pytest

from accel_model import Design
from harness.settings import shipped
from harness.store.keys import (
    designs_digest,
    exploration_key,
    replay_key,
    run_key,
    sources,
    trace_digest,
    trace_key,
)
from tests.helpers.house import house
from tests.helpers.program import halfstep
from tests.helpers.traces import random_trace

MODEL = """
import torch
from parts import width

def build(num_classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, width), torch.nn.Linear(width, num_classes))
"""
OWN = (
    *("workload=custom", "workload.target=mine:build", "workload.input_shape=[3,2,2]", "workload.classes=2"),
    *("batch_size=4", "train.steps=2", "tracking=none", "compare.ceiling_of=null", "resume=true"),
)
KEY_OF = """
import sys
from hydra import compose, initialize_config_dir
from harness.settings import CONF
from harness.settings import shipped
from harness.store.keys import run_key, trace_key
from harness.tasks.job import read_config

with initialize_config_dir(str(CONF), version_base="1.3"):
    print(run_key(read_config(compose("config"))))
print(trace_key(shipped.load("mnist_mlp"), shipped.precision("fp32"), 64))
"""


def test_a_run_is_told_by_its_settings_and_not_by_where_its_results_go(compose):
    plain = run_key(compose())
    assert plain == run_key(compose("tracking=none", "outputs=elsewhere", "resume=true"))
    others = ["seed=1", "batch_size=32", "workload=mnist_mlp", "precision=bf16", "accelerator.array.value=[64,16,1]"]
    others += ["claim.seed_throughput.threshold=3", "task=claims", "data=synthetic"]
    assert len({plain, *(run_key(compose(other)) for other in others)}) == len(others) + 1


def test_a_trace_is_told_by_its_workload_batch_and_precision():
    mlp, lenet = shipped.load("mnist_mlp"), shipped.load("mnist_lenet5")
    fp32, bf16 = shipped.precision("fp32"), shipped.precision("bf16")
    keys = {trace_key(*one) for one in ((mlp, fp32, 1), (lenet, fp32, 1), (mlp, bf16, 1), (mlp, fp32, 2))}
    assert len(keys) == 4
    assert trace_key(mlp, fp32, 1) in keys


def test_a_replay_and_an_exploration_are_told_by_every_column():
    trace, other = random_trace(np.random.default_rng(0)), random_trace(np.random.default_rng(1))
    slow, fast = Design.grid(clock_hz=1e9), Design.grid(clock_hz=2e9)
    keys = {replay_key(trace_digest(one), designs_digest(two)) for one in (trace, other) for two in (slow, fast)}
    assert len(keys) == 4
    axes = {"rows": np.array([1, 2])}
    assert exploration_key(trace, (axes,), {"seed": 0}) != exploration_key(trace, (axes,), {"seed": 1})
    assert exploration_key(trace, (axes,), {}) != exploration_key(trace, ({"rows": np.array([1, 3])},), {})
    assert exploration_key(trace, (axes,), {}) == exploration_key(trace, ({"rows": np.array([1, 2])},), {})


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with a model of one's own that is built of two modules, and the working directory there."""
    (tmp_path / "mine.py").write_text(MODEL)
    (tmp_path / "parts.py").write_text("width = 8\n")
    (tmp_path / "other.py").write_text("width = 9\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_source_of_ones_own_model_is_that_of_all_its_own_modules(own):
    found = b"".join(sources("mine:build"))
    assert MODEL.encode() in found
    assert b"width = 8" in found
    assert b"width = 9" not in found
    assert b"class Module" not in found  # torch is told by its version


def test_a_package_of_ones_own_with_relative_imports_is_followed(own):
    package = own / "nets" / "inner"
    package.mkdir(parents=True)
    (own / "nets" / "__init__.py").write_text("start = 1\n")
    (package / "__init__.py").write_text("from .. import blocks\n")
    (package / "net.py").write_text("from ..blocks import size\nfrom . import helper\n")
    (package / "helper.py").write_text("depth = 3\n")
    (own / "nets" / "blocks.py").write_text("size = 2\n")
    found = b"".join(sources("nets.inner.net:build"))
    for text in (b"start = 1", b"size = 2", b"depth = 3", b"from . import helper"):
        assert text in found


@pytest.mark.parametrize("target", ["torchvision.models:resnet50", "harness.training.models:lenet5", "nowhere:build"])
def test_what_is_installed_shipped_or_not_there_has_no_source_of_ones_own(target):
    assert not list(sources(target))


def test_a_source_that_does_not_parse_counts_as_it_is(own):
    (own / "mine.py").write_text("def build(:\n")
    assert list(sources("mine:build")) == [b"mine\0def build(:\n"]


def test_resume_runs_again_after_ones_own_model_was_edited(own):
    def again():
        done = halfstep(*OWN, folder=own)
        assert done.returncode == 0, done.stdout + done.stderr
        return "Done already" in done.stdout

    assert not again()
    assert again()
    (own / "parts.py").write_text("width = 16\n")
    assert not again()
    assert again()


def keys_in(folder):
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", KEY_OF], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("accel_model/array/tiling.py", (True, False)),
        ("baselines/data/matches.csv", (True, False)),
        ("accel_model/data/model_errors.csv", (True, False)),
        ("harness/judging/compare.py", (True, False)),
        ("harness/capture/formulas/matmul.py", (True, True)),
        ("harness/training/models.py", (True, True)),
        ("harness/report/words.py", (False, False)),
        ("harness/store/pages.py", (False, False)),
    ],
)
def test_an_edit_unmatches_what_it_decides_and_nothing_else(tmp_path, place, changes):
    copy = house(tmp_path)
    before = keys_in(copy)
    path = copy / place
    path.write_text(path.read_text() + "# edited\n")
    after = keys_in(copy)
    assert tuple(a != b for a, b in zip(before, after, strict=True)) == changes
