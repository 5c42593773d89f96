"""A step's memory layout changes no result, a model of one's own is found, and torch loads when a step is built."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.flows.traces import captured
from harness.settings import shipped
from harness.settings.errors import CaptureError, ConfigError
from harness.training.step import (
    CHANNELS_LAST,
    CONTIGUOUS,
    _seconds_of_steps,
    build_model,
    build_step,
    channels_last,
    faster_layout,
)
from tests.helpers.program import ROOT


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


OWN = """
from torch import nn

def build(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, num_classes))

def deep(num_classes, layers):
    return nn.Sequential(nn.Flatten(), *(nn.Linear(28 * 28, 28 * 28) for _ in range(layers)), nn.Linear(28 * 28, 10))
"""


def test_a_model_in_a_module_of_one_s_own_is_a_workload(compose, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_model_of_a_test.py").write_text(OWN)
    chosen = ("workload=custom", "workload.input_shape=[1,28,28]", "workload.classes=7")
    config = compose(*chosen, "workload.target=own_model_of_a_test:build")
    step = build_step(config.workload, config.precision, 3)
    assert step.model[1].weight.shape == (7, 784)
    assert torch.isfinite(step.compute())
    config = compose(*chosen, "workload.target=own_model_of_a_test:deep", "+workload.arguments.layers=4")
    assert len(build_step(config.workload, config.precision, 3).model) == 6
    config = compose(*chosen, "workload.target=own_model_of_a_test:deep")
    with pytest.raises(ConfigError, match=r"refuses its arguments \(.*layers.*see workload.arguments"):
        build_step(config.workload, config.precision, 3)
    config = compose(*chosen, "workload.target=own_model_of_a_test:shallow")
    with pytest.raises(CaptureError, match=r"no 'shallow'. It has build, deep"):
        build_step(config.workload, config.precision, 3)


@pytest.mark.parametrize("name", shipped.names())
def test_the_target_of_a_shipped_workload_builds_its_model(name):
    with torch.device("meta"):
        assert isinstance(build_model(shipped.load(name)), nn.Module)


def test_torch_is_loaded_when_something_is_built_and_not_before():
    heavy = {"torch", "torchvision", "sklearn", "scipy", "pandas", "mlflow", "matplotlib", "pyarrow", "rich"}
    files = [path for path in (ROOT / "harness/training").rglob("*.py") if path.stem not in ("__init__", "models")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    code = f"import sys, {', '.join(sorted(names))}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def a_net(seed=0):
    """(model, inputs) of two convolutions with normalisation and dropout."""
    torch.manual_seed(seed)
    layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, 4, 3))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 4 * 4, 10)), torch.zeros(2, 3, 8, 8)


def lies(tensor):
    formats = {CHANNELS_LAST: torch.channels_last, CONTIGUOUS: torch.contiguous_format}
    return {name for name, form in formats.items() if tensor.is_contiguous(memory_format=form)}


@pytest.mark.parametrize(("last_s", "first_s", "kept"), [(1.0, 2.0, CHANNELS_LAST), (2.0, 1.0, CONTIGUOUS)])
def test_the_faster_memory_layout_is_kept_and_told(last_s, first_s, kept):
    model, inputs = a_net()
    timed = []

    def seconds(given):
        (layout,) = lies(given)
        assert lies(model[0].weight) == {layout}
        timed.append(layout)
        return last_s if layout == CHANNELS_LAST else first_s

    found, told = faster_layout(model, inputs, seconds)
    assert set(timed) == {CHANNELS_LAST, CONTIGUOUS}
    assert lies(found) == lies(model[0].weight) == {kept}
    assert told == {"memory_format": kept, "channels_last_step_s": last_s, "contiguous_step_s": first_s}


@pytest.mark.parametrize("layout", [CHANNELS_LAST, CONTIGUOUS])
def test_a_layout_that_is_known_is_taken_untimed(layout):
    model, inputs = a_net()
    found, told = faster_layout(model, inputs, lambda given: 1 / 0, layout)
    assert lies(found) == lies(model[0].weight) == {layout} and told == {"memory_format": layout}


def test_a_layout_that_does_not_train_is_not_kept_and_a_full_memory_is_told():
    def fails(layouts, words):
        def seconds(given):
            if lies(given) & layouts:
                raise RuntimeError(words)
            return 1.0

        return seconds

    for bad, kept in ((CHANNELS_LAST, CONTIGUOUS), (CONTIGUOUS, CHANNELS_LAST)):
        model, inputs = a_net()
        found, told = faster_layout(model, inputs, fails({bad}, "view size is not compatible"))
        assert lies(found) == {kept} and told == {"memory_format": kept, f"{kept}_step_s": 1.0}
    model, inputs = a_net()
    assert lies(faster_layout(model, inputs, fails({CHANNELS_LAST, CONTIGUOUS}, "no such op"))[0]) == {CONTIGUOUS}
    with pytest.raises(RuntimeError, match="out of memory"):
        faster_layout(model, inputs, fails({CONTIGUOUS}, "CUDA error: out of memory"))


def test_timing_layouts_changes_neither_the_model_nor_what_random_numbers_follow():
    workload = replace(shipped.load("cifar10_resnet20"), classes=10)
    (model, inputs), (same, _) = a_net(), a_net()
    seconds = _seconds_of_steps(model, torch.zeros(2, dtype=torch.long), workload, shipped.precision("fp32"))
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    _, told = faster_layout(model, inputs, seconds)
    assert told["channels_last_step_s"] > 0 and told["contiguous_step_s"] > 0
    assert torch.equal(torch.random.get_rng_state(), before) and not inputs.any()
    assert all(parameter.grad is None for parameter in model.parameters())
    for ours, theirs in zip(model.state_dict().values(), same.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_on_a_cpu_no_layout_is_timed():
    step = build_step(shipped.load("cifar10_resnet20"), shipped.precision("fp32"), 2)
    assert step.context == {} and lies(step.inputs) == {CONTIGUOUS}


FORMATS = """
import torch
from torch import nn

def layers(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, num_classes))

def converted(num_classes):
    return layers(num_classes).double()

def by_default(num_classes):
    torch.set_default_dtype(torch.float64)
    return layers(num_classes)

def halves(num_classes):
    return layers(num_classes).bfloat16()

class Inside(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layers = layers(num_classes)

    def forward(self, x):
        return nn.functional.linear(x.flatten(1).double(), self.layers[1].weight.double())
"""


@pytest.fixture
def formats(tmp_path, monkeypatch):
    """formats(function): mnist_mlp with that function of FORMATS as its model."""
    (tmp_path / "formats_of_ones_own.py").write_text(FORMATS)
    monkeypatch.chdir(tmp_path)
    yield lambda name: replace(shipped.load("mnist_mlp"), target=f"formats_of_ones_own:{name}", arguments={})
    sys.modules.pop("formats_of_ones_own", None)


@pytest.mark.parametrize("name, dtype", [("converted", "float64"), ("by_default", "float64"), ("halves", "bfloat16")])
def test_a_model_in_another_format_than_precision_says_is_refused(name, dtype, formats):
    with pytest.raises(ConfigError, match=rf"formats_of_ones_own:{name} builds 1.weight in {dtype}.*precision=fp32"):
        build_step(formats(name), shipped.precision("fp32"), 2)
    assert torch.get_default_dtype() is torch.float32


def test_a_model_in_the_format_of_its_autocast_is_built(formats):
    assert build_step(formats("halves"), shipped.precision("bf16"), 2).compute().isfinite()


def test_a_model_that_computes_in_float64_is_refused_by_both_sides(formats):
    step = build_step(formats("Inside"), shipped.precision("fp32"), 2)
    with pytest.raises(ConfigError, match="scores in float64"):
        step.compute()
    with pytest.raises(ConfigError, match="scores in float64"):
        captured(formats("Inside"), shipped.precision("fp32"), 2)
