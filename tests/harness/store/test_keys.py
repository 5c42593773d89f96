"""What is kept is found again where nothing that decides it has changed, and only there."""

import os
import subprocess
import sys

import numpy as np
import pytest

from accel_model import Design
from harness.settings import shipped
from harness.store import files, keys, tracking
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


READS = """
import importlib
import json
from pathlib import Path
import torch

size = json.loads(Path(__file__).with_name("sizes.json").read_text())["width"]
blocks = importlib.import_module("blocks")

def build(num_classes, weights=None):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, num_classes))
"""


@pytest.fixture
def reading(own):
    (own / "reads.py").write_text(READS)
    (own / "sizes.json").write_text('{"width": 3}')
    (own / "blocks.py").write_text("depth = 1\n")
    (own / "weights.bin").write_bytes(b"\x00\xff" * 9)
    (own / "more").mkdir()
    (own / "more" / "weights.bin").write_bytes(b"1")
    return own


@pytest.mark.parametrize(
    ("place", "changes"),
    [("sizes.json", True), ("blocks.py", True), ("weights.bin", True), ("more/weights.bin", True), ("other.py", False)],
)
def test_every_file_that_a_model_is_made_of_decides_its_run_and_its_trace(compose, reading, place, changes):
    chosen = ("workload=custom", "workload.target=reads:build", "workload.input_shape=[3,2,2]", "workload.classes=2")
    arguments = "+workload.arguments={weights: [weights.bin, {deep: more/weights.bin}], name: none-such}"
    config = compose(*chosen, arguments)

    def keys():
        return run_key(config), trace_key(config.workload, config.precision, 4)

    before = keys()
    (reading / place).write_bytes((reading / place).read_bytes() + b"\n# edited\n")
    assert tuple(a != b for a, b in zip(before, keys(), strict=True)) == (changes, changes)


def test_a_file_of_data_decides_the_run_and_not_the_trace(compose, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("some text " * 100)
    config = compose("workload=text_gpt_small", "data=text", f"data.root={path}")
    before = run_key(config), trace_key(config.workload, config.precision, 4)
    path.write_text("other text " * 100)
    after = run_key(config), trace_key(config.workload, config.precision, 4)
    assert before[0] != after[0] and before[1] == after[1]


def test_the_version_of_an_installed_package_decides(compose, own, monkeypatch):
    (own / "mine.py").write_text("import scipy.special\n" + MODEL)
    config = compose("workload=custom", "workload.target=mine:build")
    before = run_key(config)
    monkeypatch.setattr(keys, "_version", lambda name: "9.9.9" if name == "scipy" else "1")
    keys._versions.cache_clear()
    changed = run_key(config)
    monkeypatch.setattr(keys, "_version", lambda name: "1")
    keys._versions.cache_clear()
    assert len({before, changed, run_key(config)}) == 3
    keys._versions.cache_clear()


def test_a_folder_that_another_run_used_holds_no_result_of_the_first(tmp_path):
    quick = ("workload=mnist_mlp", "train.steps=6", "compare.ceiling_of=null", "data=synthetic", "tracking=none")

    def run(*more):
        done = halfstep(*quick, "hydra.run.dir=x", *more, folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        batch = files.read_json(tmp_path / "x" / "result.json")["params"]["batch_size"]
        return "Done already" in done.stdout, batch

    assert run("batch_size=8") == (False, 8)
    assert run("batch_size=4") == (False, 4)
    assert run("batch_size=8", "resume=true") == (False, 8)
    assert run("batch_size=8", "resume=true") == (True, 8)
    assert run("batch_size=4", "resume=true") == (False, 4)


def test_what_another_run_left_in_a_folder_makes_way(tmp_path):
    for name in (*files.OF_A_RUN, "mine.txt"):
        (tmp_path / name).write_text("{}")
    files.write_json(tmp_path / files.RESULT, {"params": {"fingerprint": "one"}})
    files.make_way(tmp_path, "one")
    assert len(list(tmp_path.iterdir())) == 1 + len(files.OF_A_RUN)
    files.make_way(tmp_path, "two")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_sweep_counts_no_result_of_an_earlier_one_in_its_folder(tmp_path):
    for name in ("0", "1"):
        (tmp_path / name).mkdir()
        files.write_json(tmp_path / name / files.RESULT, {"params": {"batch_size": 1}, "metrics": {}})
    os.utime(tmp_path / "0" / files.RESULT, (1, 1))
    files.write_parent(tmp_path, tracking.Place("uri", "1"))
    os.utime(tmp_path / files.PARENT, (2, 2))
    assert files.sweep_table(tmp_path)["run"] == ["1"]


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
