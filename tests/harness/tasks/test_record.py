"""Recording: the order of the grid and its time, what a failure leaves, the files, a machine with little installed."""

import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import baselines
from baselines import from_json, read_recorded
from harness.settings import shipped
from harness.settings.errors import ConfigError, NoRoomError
from harness.tasks.record import cells, done_keys, file_name, left_table, measure
from harness.training import data
from harness.training.grid import BUDGET, Cell, Left, Refusal, grid, remaining, work_through
from harness.training.step import build_model, build_step, channels_last
from tests.helpers.program import ROOT, halfstep

TINY = ("record.measurement_s=0.05", "record.energy_window_s=0", "record.modes=[eager]", "baseline.device=cpu")
MISSING = ("mlflow", "rich", "torchvision", "sklearn", "matplotlib", "pyarrow", "scipy", "pandas", "psutil", "pynvml")
MISSING += ("array_api_compat", "cupy", "joblib", "submitit")


def random_grids(count=200):
    """(own batches, batches, precisions, modes) at random."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        own = {f"w{i}": int(rng.integers(1, 300)) for i in range(rng.integers(1, 6))}
        batches = [2 ** int(i) for i in rng.choice(11, rng.integers(1, 11), replace=False)]
        precisions = ("tf32", "bf16", "fp32")[: rng.integers(1, 4)]
        yield own, batches, precisions, ("eager", "graphs", "compiled")[: rng.integers(1, 4)]


def keys(found):
    return [cell.key(mode) for cell in found for mode in cell.modes]


def test_a_grid_holds_every_combination_once_and_compiled_at_one_batch_of_each_workload():
    for own, batches, precisions, modes in random_grids():
        found = keys(grid(own, batches, precisions, modes))
        quick = {(w, b, p, m) for w in own for b in batches for p in precisions for m in modes if m != "compiled"}
        assert len(found) == len(set(found))
        assert {key for key in found if key[-1] != "compiled"} == quick
        compiled = [key for key in found if key[-1] == "compiled"]
        assert sorted((w, p) for w, _, p, _ in compiled) == sorted(
            (w, p) for w in own for p in precisions if "compiled" in modes
        )


def test_a_grid_begins_with_each_workload_s_nearest_batch_and_ends_with_compiled():
    for own, batches, precisions, modes in random_grids():
        found = grid(own, batches, precisions, modes)
        names = [mode for cell in found for mode in cell.modes]
        if "compiled" in names:
            assert set(names[names.index("compiled") :]) == {"compiled"}
        for (workload, batch), precision in ((pair, p) for pair in own.items() for p in precisions):
            mine = [cell for cell in found if (cell.workload, cell.precision) == (workload, precision)]
            away = [max(cell.batch_size / batch, batch / cell.batch_size) for cell in mine if "eager" in cell.modes]
            assert away == sorted(away)
            assert {cell.batch_size for cell in mine if cell.telling} == {mine[0].batch_size}
        places = {}
        for place, cell in enumerate(cell for cell in found if "eager" in cell.modes):
            places.setdefault((cell.workload, cell.precision), []).append(place)
        for nth in zip(*places.values(), strict=True):  # nobody's second batch before everybody's first
            assert max(nth) - min(nth) < len(places)


class Device:
    """A device that takes time by a clock of its own, has room for some batches, and fails in some cells."""

    def __init__(self, rng, room=lambda cell: math.inf, fails=lambda cell: False):
        self.now_s, self.rng, self.room, self.fails = 0.0, rng, room, fails
        self.tried, self.recorded = [], set()

    def __call__(self, cell):
        self.tried.append((self.now_s, cell))
        self.now_s += float(self.rng.lognormal())
        if cell.batch_size > self.room(cell):
            return [Refusal(mode, "no room", too_large=True) for mode in cell.modes]
        if self.fails(cell):
            return [Refusal(mode, "a fault") for mode in cell.modes]
        self.recorded |= set(keys([cell]))
        return []


def test_no_cell_begins_after_the_time_and_none_is_lost():
    rng = np.random.default_rng(1)
    for shape in random_grids():
        wanted, budget_s = grid(*shape), float(rng.uniform(0, 40))
        device = Device(rng)
        left = work_through(wanted, device, budget_s, clock=lambda device=device: device.now_s)
        assert all(began_s < budget_s for began_s, _ in device.tried[1:])
        assert len(device.tried) >= 1
        assert [cell for _, cell in device.tried] + [one.cell for one in left] == wanted
        assert {one.why for one in left} <= {BUDGET}
        assert not left or device.now_s >= budget_s  # time that is there is used


def test_calls_that_resume_record_everything_once_however_little_time_each_has():
    rng = np.random.default_rng(2)
    for shape in random_grids(30):
        wanted, device = grid(*shape), Device(rng)
        for _ in range(len(wanted)):
            todo = remaining(wanted, device.recorded)
            work_through(todo, device, 0.0, clock=lambda device=device: device.now_s)
        assert [cell for _, cell in device.tried] == wanted
        assert remaining(wanted, device.recorded) == []
        assert device.recorded == set(keys(wanted))


def test_what_is_recorded_in_one_mode_is_measured_in_the_others_only():
    wanted = [Cell("a", 8, "bf16", ("eager", "graphs")), Cell("b", 8, "bf16", ("eager", "graphs"))]
    done = {("a", 8, "bf16", "eager"), ("b", 8, "bf16", "eager"), ("b", 8, "bf16", "graphs")}
    assert remaining(wanted, done) == [Cell("a", 8, "bf16", ("graphs",))]


def test_a_batch_without_room_ends_the_larger_ones_of_its_workload_precision_and_mode():
    rng = np.random.default_rng(3)
    for shape in random_grids():
        wanted = grid(*shape)
        room = {(cell.workload, cell.precision): int(rng.integers(1, 2000)) for cell in wanted}
        device = Device(rng, room=lambda cell, room=room: room[cell.workload, cell.precision])
        left = work_through(wanted, device, math.inf, clock=lambda device=device: device.now_s)
        fits = {key for key in keys(wanted) if key[1] <= room[key[0], key[2]]}
        assert device.recorded == fits
        assert sorted(keys(one.cell for one in left)) == sorted(set(keys(wanted)) - fits)
        refused = {}
        for _, cell in device.tried:
            for mode in cell.modes:
                place = (cell.workload, cell.precision, mode)
                assert cell.batch_size < refused.get(place, math.inf)
                if cell.batch_size > device.room(cell):
                    refused[place] = cell.batch_size


def test_the_grid_goes_on_after_a_cell_that_fails():
    for shape in random_grids(30):
        wanted = grid(*shape)
        failing = set(wanted[::3])
        left = work_through(wanted, device := Device(np.random.default_rng(0), fails=failing.__contains__), math.inf)
        assert device.recorded == set(keys(wanted)) - set(keys(failing))
        assert {one.why for one in left} == {"a fault"}
        assert sorted(keys(one.cell for one in left)) == sorted(keys(failing))


def test_the_table_of_what_is_left_counts_every_measurement():
    left = [Left(cell, why) for why in ("x", "y") for cell in grid({"a": 4, "b": 8}, [4, 8], ["fp32"], ["eager"])]
    assert sum(int(row[-2]) for row in left_table(left).rows) == len(left) == 8
    assert len(left_table(left).rows) == 4  # two workloads for two reasons


def test_the_run_s_own_settings_are_one_cell_and_lists_make_a_grid(compose):
    own = compose("task=record", "workload=mnist_mlp", "batch_size=96", "precision=bf16")
    assert cells(own, "cuda") == [Cell("mnist_mlp", 96, "bf16", ("eager", "graphs", "compiled"))]
    assert cells(own, "cpu") == [Cell("mnist_mlp", 96, "bf16", ("eager", "compiled"))]
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
        (["record.modes=[fast]"], "record.modes is ['fast']"),
        (["record.modes=[]"], "record.modes is []"),
        (["record.scopes=[all]"], "record.scopes is ['all']"),
        (["record.budget_s=0"], "record.budget_s is 0"),
        (["record.measurement_s=nan"], "record.measurement_s is nan"),
        (["record.energy_window_s=-1"], "record.energy_window_s is -1"),
        (["record.workloads=[imagenet_resnet5]"], "no workload is called 'imagenet_resnet5'"),
        (["record.precisions=[fp31]"], "there is no precision 'fp31'"),
        (["record.precisions=[int8]"], "precision int8 is simulated only"),
        (["record.modes=[graphs]"], "cpu has no CUDA graphs"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_measured(compose, overrides, says):
    with pytest.raises(ConfigError, match=r"give|use|record ") as caught:
        cells(compose("task=record", *overrides), "cpu")
    assert says in str(caught.value)


def test_a_recorded_file_comes_back_and_is_known_as_done(compose, tmp_path):
    config = compose("task=record", "workload=mnist_mlp", *TINY)
    found, refusals = measure(Cell("mnist_mlp", 3, "fp32", ("eager",)), config, "cpu")
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


@pytest.mark.parametrize(
    ("error", "too_large"),
    [
        (RuntimeError("boom"), False),
        (NoRoomError("boom"), True),
        (baselines.errors.OutOfMemoryError("boom"), True),
        (baselines.errors.LossError("boom"), False),
    ],
)
def test_whatever_a_cell_raises_is_its_reason(compose, monkeypatch, error, too_large):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(baselines, "measure_all", fail)
    found, refusals = measure(Cell("mnist_mlp", 1, "fp32", ("eager", "compiled")), compose(*TINY), "cpu")
    assert not found
    assert [one.mode for one in refusals] == ["eager", "compiled"]
    assert all("boom" in one.why and one.too_large == too_large for one in refusals)


def test_a_batch_that_no_memory_holds_is_known_as_too_large(compose):
    _, (refusal,) = measure(Cell("mnist_mlp", 2**40, "fp32", ("eager",)), compose(*TINY), "cpu")
    assert refusal.too_large
    assert "does not fit" in refusal.why


def test_a_run_that_records_nothing_fails_with_its_reason(tmp_path):
    done = halfstep("task=record", "precision=tf32", "record.folder=here", *TINY, folder=tmp_path)
    assert done.returncode == 1
    assert "error: nothing was recorded: cpu has no TF32" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("here/*"))


@pytest.mark.parametrize("name", ["mnist_lenet5", "text_gpt_small"])
@pytest.mark.parametrize("count", [1, 3, 130])
def test_a_random_batch_lies_as_the_step_s_own_does(compose, name, count):
    config = compose(f"workload={name}")
    inputs, targets = data.random_samples(config.workload, count, 0)
    laid_out = inputs.contiguous(memory_format=torch.channels_last) if inputs.dim() == 4 else inputs

    step = SimpleNamespace(inputs=laid_out, targets=targets)
    batch = data.random_batch(step, config.workload, 0)
    for one, like in zip(batch, (laid_out, targets), strict=True):
        assert (one.shape, one.dtype, one.stride()) == (like.shape, like.dtype, like.stride())
    assert torch.equal(batch[0][:64], inputs[:64])
    assert batch[1].max() < config.workload.classes


class Viewing(nn.Module):
    """A convolution whose result is taken apart by a `view`, which only one memory layout allows."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.convolution(x).view(len(x), -1)


def test_channels_last_changes_the_layout_and_no_result():
    torch.manual_seed(0)
    inputs = torch.randn(4, 3, 32, 32)
    model = build_model(shipped.load("cifar10_resnet20"))
    before = model.eval()(inputs)
    laid_out = channels_last(model.train(), inputs)
    assert model.training
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in (laid_out, model.conv1.weight))
    assert torch.allclose(model.eval()(laid_out), before, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in shipped.names() if not name.startswith(("mnist_mlp", "text"))])
def test_every_convolutional_workload_trains_in_channels_last(name):
    workload = shipped.load(name)
    with torch.device("meta"):
        model = build_model(workload).train()
        inputs = channels_last(model, torch.zeros(2, *workload.input_shape))
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    kernels = [one for one in model.parameters() if one.dim() == 4]
    assert kernels and all(one.is_contiguous(memory_format=torch.channels_last) for one in kernels)
    model(inputs).sum().backward()  # and nothing in the backward pass needs the other layout
    assert all(one.grad is not None for one in kernels)


def test_a_model_that_takes_no_channels_last_keeps_its_layout():
    inputs, model = torch.randn(4, 3, 32, 32), Viewing()
    assert channels_last(model, inputs) is inputs
    assert model.convolution.weight.is_contiguous()
    model(inputs).sum().backward()
    assert channels_last(build_model(shipped.load("mnist_mlp")), inputs) is inputs  # it does not convolve


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_trains_in_channels_last_with_a_fused_update_in_every_mode(compose, precision):
    config = compose("workload=cifar10_resnet20", f"precision={precision}", "record.measurement_s=0.5")
    step = build_step(config.workload, config.precision, 8, "cuda")
    assert step.inputs.is_contiguous(memory_format=torch.channels_last)
    assert step.optimizer.param_groups[0]["fused"]
    found, refusals = measure(Cell("cifar10_resnet20", 8, precision, ("eager", "graphs")), config, "cuda")
    assert not refusals
    assert [one.mode for one, _ in found] == ["eager", "graphs"]


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
