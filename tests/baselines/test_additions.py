"""What CONTRIBUTING says of one row or one file more: it is added in a copy of the package, and found by its place."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import baselines
from baselines import to_json
from baselines.tables import read_csv
from tests.helpers.measurements import measurement

RATE = {
    "device": "Imagined 9000",
    "device_kind": "GPU",
    "model": "ImaginedNet",
    "dataset": "ImageNet (synthetic)",
    "input_shape": "3x224x224",
    "batch_size": "10",
    "precision": "fp32",
    "images_per_s": "1000",
    "n_devices": "1",
    "source_title": "jcjohnson/cnn-benchmarks",
    "source_locator": "line 1",
    "confidence": "recalled",
}
OPERATIONS = {
    "device": "Imagined FPGA",
    "model": "ImaginedNet",
    "precision": "int8",
    "metric": "throughput",
    "value": "4",
    "unit": "GOPS",
    "source_title": "a paper",
    "source_locator": "abstract",
    "confidence": "recalled",
}


@pytest.fixture
def copied(tmp_path):
    """A copy of the package, in which rows and files can be added."""
    shutil.copytree(Path(baselines.__file__).parent, tmp_path / "baselines", ignore=shutil.ignore_patterns("__py*"))
    return tmp_path / "baselines"


def loaded(copied, wanted):
    """(device, kind, workload, step seconds, MACs per second) of what a program finds that runs beside the copy."""
    code = (
        "import json, baselines\n"
        f"found = baselines.load(baselines.Filter(**{wanted!r}))\n"
        "print(json.dumps([[o.device, o.kind, o.workload, o.step_s, o.macs_per_s] for o in found]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=copied.parent, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def append(path, row, head=None):
    """Write `row` at the end of the table at `path`, or of a new one with the columns `head`."""
    head = head or read_csv(path).head
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, head, restval="")
        if new:
            writer.writeheader()
        writer.writerow(row)


def test_a_published_baseline_is_one_row(copied):
    assert not loaded(copied, {"device": "Imagined"})
    append(copied / "data/gpu_training_published.csv", RATE)
    append(copied / "data/fpga_training_published.csv", OPERATIONS)
    gpu, fpga = loaded(copied, {"device": "Imagined"})
    assert gpu[:4] == ["Imagined 9000", "published", "", 0.01]
    assert fpga[:3] == ["Imagined FPGA", "published", ""] and fpga[4] == 2e9  # 4 GOPS are 2 GMAC/s


def test_which_workload_a_row_speaks_of_is_one_row(copied):
    append(copied / "data/gpu_training_published.csv", RATE)
    assert not loaded(copied, {"workload": "mine"})
    match = {"workload": "mine", "model": "imaginednet", "source": "*", "dataset": "ImageNet", "extra_uncertainty": "0"}
    append(copied / "data/matches.csv", match)
    assert [row[:3] for row in loaded(copied, {"workload": "mine"})] == [["Imagined 9000", "published", "mine"]]


@pytest.mark.parametrize(
    ("like", "row"), [("gpu_training_published.csv", RATE), ("fpga_training_published.csv", OPERATIONS)]
)
def test_a_table_of_published_baselines_is_one_file(copied, like, row):
    head = read_csv(copied / "data" / like).head
    append(copied / "data/my_lab_training_published.csv", row, head)
    assert [one[:2] for one in loaded(copied, {"device": "Imagined"})] == [[row["device"], "published"]]


def test_a_recorded_baseline_is_one_file(copied):
    (copied / "recorded/mine.json").write_text(to_json(measurement(workload="mine")))
    assert [row[:3] for row in loaded(copied, {"workload": "mine"})] == [["Imagined 9000", "recorded", "mine"]]


def test_a_gpu_s_datasheet_and_its_label_are_a_row_each(copied):
    rows = read_csv(copied / "data/gpu_specs.csv").rows
    append(
        copied / "data/gpu_specs.csv",
        {name: value for name, value in rows[0].items() if name != "line"}
        | {"name": "Imagined 9000", "aliases": "", "fp32_vector_tflops": "3"},
    )
    append(copied / "data/gpu_aliases.csv", {"label": "my card", "name": "Imagined 9000"})
    code = "import baselines; one = baselines.gpu_specs('My Card'); print(one.name, one.peak_macs_per_s('fp32'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=copied.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Imagined", "9000", "1500000000000.0"]
