"""Every row of CONTRIBUTING's table: one addition in its one place, used through the command line."""

import csv
import json
import re
import subprocess
import sys

import pytest

from accel_model.rtl.place_and_route import digest
from baselines import to_json
from baselines.tables import read_csv
from tests.helpers.house import house
from tests.helpers.measurements import imagined_context, measurement
from tests.helpers.program import ROOT, halfstep, refused

MODEL = '''

@torch.library.custom_op("mine::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    """An op that torch does not have."""
    return 2 * x


@twice.register_fake
def _(x):
    return torch.empty_like(x)


twice.register_autograd(lambda context, gradient: twice(gradient))


class Mine(nn.Module):
    """One layer and that op."""

    def __init__(self, num_classes):
        super().__init__()
        self.fc = nn.Linear(12, num_classes)

    def forward(self, x):
        return twice(self.fc(x.flatten(1)))


def mine(num_classes=2):
    """The model of a test."""
    return Mine(num_classes)
'''
WORKLOAD = """
defaults:
  - override /data@_global_.data: mine
name: mine
target: harness.training.models:mine
arguments: {}
dataset: none
dataset_samples: 64
input_shape: [3, 2, 2]
classes: 2
batch_size: 8
epochs: 1
optimizer: {name: sgd, lr: 0.1, momentum: 0.0, weight_decay: 0.0}
"""
FORMULA = '''"""The op of a test."""

from accel_model.types import Kind
from harness.capture.formulas.parts import Part, Touch, read_all


def twice(call):
    """One multiplication an element."""
    x = call["x"]
    return [Part(Kind.ELEMENTWISE, read_all(x), (Touch(call.outputs[0]),), vector_ops=x.numel())]


FORMULAS = {"mine::twice": twice}
'''
SOURCE = '''"""Samples of a test: ones."""

from dataclasses import dataclass

from harness.settings.fields import between, check
from harness.training.data.samples import EITHER, Samples

KIND = EITHER
ADVICE = "nothing helps"


@dataclass
class OnesData:
    """How many ones there are."""

    name: str
    count: int
    workers: int = between(0, 257, 0)

    def __post_init__(self):
        check(self, "data")


SCHEMA = OnesData


def load(settings, workload, batch_size, seed):
    """Ones, all of class 0."""
    import torch
    from torch.utils.data import TensorDataset

    shape = (settings.count, *workload.input_shape)
    dataset = TensorDataset(torch.ones(shape), torch.zeros(settings.count, dtype=torch.long))
    return Samples(dataset, dataset, "a source of ones", real=True)
'''
DATAFLOW = '''"""mine: an output-stationary array that takes a cycle more for each GEMM."""

from dataclasses import replace

from accel_model.array.dataflows.output_stationary import RECORD as OS

RECORD = replace(OS, name="mine", number=90, cycles=lambda gemm, arrays: OS.cycles(gemm, arrays) + 1, in_best=False)
'''
ACCELERATOR = """
name: mine
rows: 4
cols: 4
clock_hz: 1.0e+9
dataflow: mine
source: a test
"""
SPACE = """
space:
  buffer_bytes: [1048576, 2097152]
  vector_lanes: [16, 32, 64]
objectives: [step_s, area_mm2]
macs_most: null
area_most_mm2: null
watts_most: null
grid_most: 1000
trials: 16
population: 4
"""
METRIC = """        Metric(
            *("octaves", "time", lambda ratio: np.log2(inverse(ratio)), lambda value: 2.0**-value),
            *(lambda value: f"{value:.1f} octaves", "speed-up", -_INF, _INF, "", "1.0 for twice as fast"),
        ),
"""
CLAIM = """# @package claim.mine
statement: It is half an octave faster than what a test made up.
metric: octaves
threshold: 0.5
workloads: [mine]
device_kinds: [gpu, fpga]
kinds: [recorded, published, placed]
years: [0, 9999]
parity: true
source: a test
"""
TASK = '''"""task=mine: greet."""

from dataclasses import dataclass

from harness.settings.fields import above_zero, check


@dataclass
class GreetingConfig:
    """How often."""

    often: int = above_zero(2)

    def __post_init__(self):
        check(self, "greeting")


SECTION, SCHEMA = "greeting", GreetingConfig


def mine(job):
    """Write the greeting beside the results."""
    job.folder.joinpath("greeting.txt").write_text("hello " * job.config.task.often)
    return {}
'''
PICTURE = '''"""A picture of a test."""

from functools import partial

from harness.report.pictures.canvas import Picture, Slot, figure

SLOT = Slot(section="mine", order=45, title="A picture of a test", text="It shows a line.")


def pictures(claim_map):
    """One Picture, whatever the claim map."""
    return [Picture("mine", "a title", f"a line under {claim_map.accelerator}", partial(line, 1))]


def line(height, theme):
    """A Figure of a line."""
    canvas = figure(4, 3)
    canvas.subplots().plot([0, height], [height, 0], color=theme.blue)
    return canvas
'''
CHIP = '''"""The chip of a test."""

from accel_model.design import Design


def figures(rows, resnet50):
    """Its MAC units."""
    return {("Imagined chip", "none", "whole", "1", "mac_units"): (float(Design.load("mine").pes[0]), "a remark")}
'''
CHIP_ROW = {
    **{"chip": "Imagined chip", "workload": "none", "layer": "whole", "batch": "1", "metric": "mac_units"},
    **{"value": "20", "unit": "MAC", "kind": "silicon", "confidence": "verified", "source_ref": "a test"},
    **{"source_locator": "here", "notes": ""},
}
RATE = {
    **{"device": "Imagined 9000", "device_kind": "GPU", "model": "ImaginedNet", "dataset": "ImageNet (synthetic)"},
    **{"input_shape": "3x2x2", "batch_size": "8", "precision": "fp32", "images_per_s": "1000", "n_devices": "1"},
    **{"source_title": "jcjohnson/cnn-benchmarks", "source_locator": "line 1", "confidence": "recalled"},
}
MATCH = {"workload": "mine", "model": "imaginednet", "source": "*", "dataset": "ImageNet", "extra_uncertainty": "0"}
BOARD = {
    **{"board": "Imagined board", "device": "Imagined FPGA", "dram": "DDR", "bus_bits": "16", "transfers_per_s": "1e8"},
    **{"dram_bytes": "1e9", "confidence": "recalled", "source": "a test", "note": ""},
}
VARIANT = 'VARIANTS = (\n    Variant("os", 2, 2, "int8", (1,)),\n'


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def change(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def append(path, row, read=read_csv):
    head = read_csv(path).head if read else None
    with path.open("a", newline="") as file:
        csv.DictWriter(file, head or list(row), restval="").writerow(row)


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """A copy of the program with one addition of each kind."""
    place = house(tmp_path_factory.mktemp("added"))
    models = place / "harness/training/models.py"
    models.write_text(models.read_text() + MODEL)
    write(place / "conf/workload/mine.yaml", WORKLOAD)
    write(place / "harness/capture/formulas/mine.py", FORMULA)
    write(place / "conf/data/mine.yaml", "name: mine\ncount: 32\nworkers: 0\n")
    write(place / "harness/training/data/mine.py", SOURCE)
    write(place / "conf/precision/mine.yaml", "name: mine\noperands: fp8\nautocast: null\ntf32: false\ntrains: false\n")
    write(place / "accel_model/array/dataflows/mine.py", DATAFLOW)
    write(place / "conf/accelerator/mine.yaml", ACCELERATOR)
    write(place / "conf/explore/mine.yaml", SPACE)
    change(place / "harness/settings/metrics.py", "    for one in (\n", f"    for one in (\n{METRIC}")
    write(place / "conf/claim/mine.yaml", CLAIM)
    write(place / "conf/task/mine.yaml", "# @package _global_\ntask: {name: mine}\ngreeting: {often: 3}\n")
    write(place / "harness/tasks/mine.py", TASK)
    write(place / "conf/experiment/mine.yaml", "# @package _global_\ndefaults:\n  - override /task: mine\n")
    write(place / "harness/report/pictures/mine.py", PICTURE)
    write(place / "accel_model/chips/mine.py", CHIP)
    append(place / "accel_model/data/chips_published.csv", CHIP_ROW, None)
    append(place / "baselines/data/gpu_training_published.csv", RATE)
    append(place / "baselines/data/matches.csv", MATCH)
    recorded = measurement(
        workload="mine",
        batch_size=8,
        precision="fp32",
        device="Imagined 9001",
        context=imagined_context() | {"device": "Imagined 9001"},
    )
    write(place / "baselines/recorded/mine.json", to_json(recorded))
    array = json.loads((ROOT / "baselines/data/placed/os_4x4_int8.json").read_text())
    array["name"], array["device"]["name"] = "os_2x2_int8", "Imagined FPGA"
    array["array"] |= {"rows": 2, "cols": 2}
    array["digest"] = digest({name: value for name, value in array.items() if name != "digest"})
    write(place / "baselines/data/placed/os_2x2_int8.json", json.dumps(array))
    append(place / "baselines/data/fpga_boards.csv", BOARD)
    change(place / "accel_model/rtl/place_and_route.py", "VARIANTS = (\n", VARIANT)
    return place


def run(place, folder, *arguments):
    """What the program in `place` prints in `folder`; it must end well."""
    done = halfstep(*arguments, folder=folder, root=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trace(added, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace")
    run(added, folder, "task=capture", "workload=mine", "precision=mine", "strict=true", "task.trace=t.halfstep")
    return folder / "t.halfstep"


@pytest.fixture(scope="module")
def claim_map(added, tmp_path_factory):
    """The folder of a claim map of what was added."""
    folder = tmp_path_factory.mktemp("map")
    settings = ("map.workloads=[mine]", "map.batches=[8]", "map.precisions=[fp32,int8]", "map.without_parity=null")
    short = ("map.break_even=false", "map.train_steps=0", "map.live_budget_s=0", "tracking=none", "baseline=published")
    run(added, folder, "task=claims", "workload=mine", "accelerator=mine", "claim=[mine]", *settings, *short)
    (found,) = folder.glob("outputs/runs/*")
    return found


def cells(folder):
    with (folder / "cells.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_workload(trace):
    """One file in conf/workload and a function in models.py: the trace of it is there."""
    from accel_model import Trace

    found = Trace.load(trace)
    assert found.meta["workload"] == "mine"
    assert found.macs_by_phase()["forward"] == 8 * 12 * 2


def test_the_macs_of_an_op(added, trace, tmp_path):
    """With its formula an op is counted, and without it a strict capture says where one goes."""
    from accel_model import Trace

    assert not Trace.load(trace).uncounted
    bare = house(tmp_path)
    models = bare / "harness/training/models.py"
    models.write_text(models.read_text() + MODEL)
    write(bare / "conf/workload/mine.yaml", WORKLOAD.replace("data: mine", "data: synthetic"))
    done = halfstep("task=capture", "workload=mine", "strict=true", folder=tmp_path, root=bare)
    refused(done, "mine::twice", "harness/capture/formulas")


def test_a_precision(trace):
    from accel_model import Trace
    from accel_model.types import dtype_of

    ops = Trace.load(trace).ops
    assert (ops.dtype[ops.macs > 0] == dtype_of("fp8")).all()


def test_a_data_source(added, tmp_path):
    printed = run(
        *(added, tmp_path, "workload=mine", "data.count=24", "train.steps=2", "train.warmup=0", "tracking=none"),
        *("compare.ceiling_of=null", "baseline.modes=[eager]"),
    )
    assert "a source of ones" in printed
    refused(halfstep("workload=mine", "data.workers=-1", folder=tmp_path, root=added), "data.workers is -1")


def test_an_accelerator_and_a_dataflow(added, trace, tmp_path):
    with_mine = run(added, tmp_path, "task=replay", f"task.trace={trace}", "accelerator=mine")
    with_os = run(added, tmp_path, "task=replay", f"task.trace={trace}", "accelerator=mine", "accelerator.dataflow=os")
    assert "training step" in with_mine and with_mine != with_os


def test_a_design_space(added, trace, tmp_path):
    settings = ("task=explore", f"task.trace={trace}", "explore=mine", "accelerator=mine", "tracking=none")
    assert "6 of 6 designs" in run(added, tmp_path, *settings) or list(tmp_path.glob("outputs/runs/*/pareto.parquet"))


def test_a_claim_and_a_metric(claim_map):
    found = cells(claim_map)
    assert found and {row["claim"] for row in found} == {"mine"} and {row["metric"] for row in found} == {"octaves"}
    assert "octaves" in (claim_map / "report.md").read_text()


def test_a_published_baseline_and_what_it_speaks_of(claim_map):
    assert any((row["device"], row["kind"]) == ("Imagined 9000", "published") for row in cells(claim_map))


def test_a_recorded_baseline(claim_map):
    assert any((row["device"], row["kind"]) == ("Imagined 9001", "recorded") for row in cells(claim_map))


def test_a_placed_array_and_its_board(claim_map):
    assert any(row["device"].startswith("Imagined FPGA") and row["kind"] == "placed" for row in cells(claim_map))


def test_a_picture(claim_map):
    assert (claim_map / "pictures" / "mine.png").is_file()
    assert "A picture of a test" in (claim_map / "report.html").read_text()


def test_a_chip(added, tmp_path):
    assert re.search(r"Imagined chip.*20 MAC.*16 MAC.*-20 %", run(added, tmp_path, "task=validate"))


def test_a_task(added, tmp_path):
    run(added, tmp_path, "task=mine", "greeting.often=2")
    (found,) = tmp_path.glob("outputs/runs/*/greeting.txt")
    assert found.read_text() == "hello hello "
    refused(halfstep("task=mine", "greeting.often=0", folder=tmp_path, root=added), "greeting.often is 0")


def test_an_experiment(added, tmp_path):
    run(added, tmp_path, "experiment=mine")
    (found,) = tmp_path.glob("outputs/runs/*/greeting.txt")
    assert found.read_text() == "hello hello hello "


def test_an_array_to_place_and_route(added):
    command = [sys.executable, "-m", "accel_model.rtl.place_and_route", "--help"]
    done = subprocess.run(command, cwd=added, capture_output=True, text=True, check=True)
    assert "os_2x2_int8" in done.stdout


def test_contributing_says_what_these_tests_prove_and_nothing_else():
    table = re.findall(r"^\| .+ \| .+ \| `(test_\w+)` \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    here = {name for name in globals() if name.startswith("test_")} - {
        "test_contributing_says_what_these_tests_prove_and_nothing_else"
    }
    assert here == set(table)
