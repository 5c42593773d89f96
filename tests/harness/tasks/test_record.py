"""Recording: which cells the settings ask for, the files, what is left, a machine with little installed."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest

import baselines
from baselines import MODES, from_json, read_recorded
from harness.settings import shipped
from harness.settings.errors import ConfigError
from harness.tasks.record import cells, done_keys, file_name, left_table, recorded
from harness.text.console import console
from harness.training.grid import AGAIN, GridCell, Left, Refusal, grid, remaining
from harness.training.modes import measure, plan_of
from tests.helpers.measurements import measurement
from tests.helpers.program import ROOT, halfstep

TINY = ("record.measurement_s=0.05", "record.energy_window_s=0", "record.modes=[eager]", "baseline.device=cpu")
MISSING = ("mlflow", "rich", "torchvision", "sklearn", "matplotlib", "pyarrow", "scipy", "pandas", "psutil", "pynvml")
MISSING += ("array_api_compat", "array_api_extra", "cupy", "joblib", "submitit")


def test_the_table_of_what_is_left_counts_every_measurement():
    left = [Left(cell, why) for why in ("x", "y") for cell in grid({"a": 4, "b": 8}, [4, 8], ["fp32"], ["eager"])]
    assert sum(int(row[-2]) for row in left_table(left).rows) == len(left) == 8
    assert len(left_table(left).rows) == 4  # two workloads for two reasons


def test_the_run_s_own_settings_are_one_cell_and_lists_make_a_grid(compose):
    own = compose("task=record", "workload=mnist_mlp", "batch_size=96", "precision=bf16")
    assert cells(own, "cuda") == [GridCell("mnist_mlp", 96, "bf16", MODES)]
    assert cells(own, "cpu") == [GridCell("mnist_mlp", 96, "bf16", ("eager", "compiled"))]
    gpu = cells(compose("experiment=record_gpu"), "cuda:0")
    assert {cell.workload for cell in gpu} == set(shipped.names())
    assert {cell.batch_size for cell in gpu} == {2**i for i in range(11)}
    assert {cell.precision for cell in gpu} == {"fp32", "tf32", "bf16", "fp16"}
    own_batches = {name: shipped.load(name).batch_size for name in shipped.names()}
    for cell in gpu:  # the telling batch is within half an octave of the one that the workload is trained at
        assert cell.telling == (abs(math.log2(cell.batch_size / own_batches[cell.workload])) <= 0.5)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["record.batches=[8,0]"], "record.batches holds 0"),
        (["record.modes=[fast]"], "record.modes holds 'fast'"),
        (["record.modes=[]"], "record.modes is empty"),
        (["record.scopes=[all]"], "record.scopes holds 'all'"),
        (["record.budget_s=0"], "record.budget_s is 0"),
        (["record.measurement_s=nan"], "record.measurement_s is nan"),
        (["record.energy_window_s=-1"], "record.energy_window_s is -1"),
        (["record.workloads=[imagenet_resnet5]"], "no workload is called 'imagenet_resnet5'"),
        (["record.precisions=[fp31]"], "there is no precision 'fp31'"),
        (["record.precisions=[int8]"], "precision int8 is simulated only"),
        (["record.modes=[graphs]"], "cpu has no CUDA graphs"),
        (
            ["record.modes=[compiled_graphs,graphs]"],
            "record.modes is [compiled_graphs,graphs] and cpu has no CUDA graphs",
        ),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_measured(compose, overrides, says):
    with pytest.raises(ConfigError, match=r"give|use|record ") as caught:
        cells(compose("task=record", *overrides), "cpu")
    assert says in str(caught.value)


def test_a_recorded_file_comes_back_and_is_known_as_done(compose, tmp_path):
    config = compose("task=record", "workload=mnist_mlp", *TINY)
    plan = plan_of(config.task.measurement_s, config.task.energy_window_s)
    cell, scopes = GridCell("mnist_mlp", 3, "fp32", ("eager",)), config.task.scopes
    found, refusals = measure(cell, "cpu", config.workload, config.precision, scopes, plan, config.seed)
    ((live, text),) = found
    assert not refusals
    (tmp_path / file_name(live)).write_text(text)
    ((back,), refused) = read_recorded(tmp_path)
    assert not refused
    assert done_keys([back], ["step_and_copy"]) == {("mnist_mlp", 3, "fp32", "eager")}
    assert done_keys([back], ["step_and_copy", "step"]) == set()
    assert (back.kind, back.dataset, back.scope, back.input_shape) == (
        "recorded",
        "synthetic",
        "step_and_copy",
        "1x28x28",
    )
    assert np.array_equal(back.samples_s, live.samples_s)


def test_a_file_is_named_after_device_workload_batch_precision_mode_and_scope():
    one = baselines.from_samples(
        [0.02, 0.02],
        baselines.Subject(
            workload="imagenet_resnet50", model="torchvision.models:resnet50", batch_size=64, precision="bf16"
        ),
        {"device": "NVIDIA H200", "device_kind": "gpu", "clock": "cuda_event"},
        baselines.Timing(mode="graphs"),
    )
    assert file_name(one) == "h200_imagenet_resnet50_b64_bf16_graphs_step_and_copy.json"
    assert file_name(replace(one, device="Intel(R) Xeon(R) CPU @ 2.20GHz")).startswith("xeon_2_20ghz_imagenet")
    assert file_name(replace(one, device="../€", workload="a/b")).startswith("device_a_b_b64")


def test_a_run_that_records_nothing_fails_with_its_reason(tmp_path):
    done = halfstep("task=record", "precision=tf32", "record.folder=here", *TINY, folder=tmp_path)
    assert done.returncode == 1
    assert "error: nothing was recorded: cpu has no TF32" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("here/*"))


@pytest.fixture(scope="module")
def bare_machine(tmp_path_factory):
    """A checkout on a machine where little beside torch is installed, recorded on twice; (folder, first, second)."""
    folder = tmp_path_factory.mktemp("bare")
    for package in ("harness", "baselines", "accel_model", "conf"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({MISSING}))\n")
    options = (
        "record.workloads=[mnist_mlp,imagenet_resnet18]",
        "record.batches=[2,4]",
        "record.precisions=[fp32,tf32]",
    )
    command = ("experiment=record_gpu", "tracking=none", *TINY, *options)
    first = halfstep(*command, "record.budget_s=0.001", folder=folder, python_path=folder)
    files = {path.name: path.read_bytes() for path in (folder / "baselines" / "recorded").glob("*.json")}
    second = halfstep(*command, folder=folder, python_path=folder)
    return folder, first, files, second


def test_a_grid_runs_without_what_a_gpu_machine_lacks_and_says_what_is_left(bare_machine):
    _, first, files, _ = bare_machine
    assert first.returncode == 0, first.stderr
    assert [name.split("mnist")[-1] for name in files] == ["_mlp_b4_fp32_eager_step_and_copy.json"]
    assert from_json(next(iter(files.values())).decode(), "it").precision == "fp32"
    assert "no time was left (record.budget_s)" in first.stdout
    assert "Go on with: python -m harness experiment=record_gpu tracking=none" in first.stdout


def test_the_same_command_goes_on_and_lists_what_cannot_be_measured(bare_machine):
    folder, _, files, second = bare_machine
    assert second.returncode == 0, second.stderr
    paths = sorted((folder / "baselines" / "recorded").glob("*.json"))
    assert [path.name.split("mlp_")[-1] for path in paths] == [f"b{b}_fp32_eager_step_and_copy.json" for b in (2, 4)]
    assert all((folder / "baselines" / "recorded" / name).read_bytes() == text for name, text in files.items())
    assert "[1/7]" in second.stdout  # one of eight was there
    assert "there is no module 'torchvision" in second.stdout
    assert "cpu has no TF32" in second.stdout
    assert "Traceback" not in second.stdout + second.stderr


def test_what_is_recorded_is_a_baseline(bare_machine):
    folder, *_ = bare_machine
    done = halfstep("task=baselines", "workload=mnist_mlp", folder=folder, python_path=folder)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "recorded, measured" in line]
    assert len(rows) == 2


def test_a_recording_ends_where_the_device_is_lost_and_the_same_command_goes_on(compose, tmp_path, monkeypatch):
    """One workload's graph costs every process that tries it its device."""
    config = compose("task=record", "record.workloads=[mnist_*]", "record.modes=[eager,graphs]", "record.batches=[8]")
    tried = []

    def measured(cell, device, workload, precision, scopes, plan, seed):
        tried.append(cell)
        if cell.workload == "mnist_lenet5" and "graphs" in cell.modes:
            cell, refusals = cell.without(["graphs"]), [Refusal("graphs", "operation not permitted", ends=True)]
        else:
            refusals = []
        found = [
            measurement(workload=cell.workload, batch_size=cell.batch_size, precision=cell.precision, mode=mode)
            for mode in cell.modes
        ]
        return [(one, baselines.to_json(one)) for one in found], refusals

    monkeypatch.setattr("harness.tasks.record.measure", measured)
    wanted = cells(config, "cuda")
    for _ in range(2):
        there, _ = read_recorded(tmp_path)
        todo = remaining(wanted, done_keys(there, config.task.scopes))
        tried.clear()
        _, left = recorded(todo, config, "cuda", tmp_path, math.inf, console())
        assert tried[-1].workload == "mnist_lenet5" and len(tried) + len(left) - 1 == len(todo)
        assert {one.why for one in left} <= {"operation not permitted", AGAIN}
    assert {(one.workload, one.mode) for one in read_recorded(tmp_path)[0]} == {
        (cell.workload, mode) for cell in wanted for mode in cell.modes
    } - {("mnist_lenet5", "graphs")}
