"""What cannot be captured says what happened, where in the user's code, and what to do."""

import inspect

import pytest
import torch
import torchvision
from torch import nn

from harness.capture import capture, capture_model
from harness.settings.errors import CaptureError


def line_of(function, text):
    """The number of the line of this file in `function` that contains `text`."""
    lines, start = inspect.getsourcelines(function)
    return start + next(i for i, line in enumerate(lines) if text in line)


def test_a_step_that_raises_is_named_with_its_line():
    model = nn.Linear(4, 2)

    def step():
        model(torch.zeros(3, 5)).sum().backward()

    line = line_of(step, "backward")
    with pytest.raises(CaptureError, match=rf"step failed at {__file__}:{line}, in step: RuntimeError: .*shapes"):
        capture(step)


def test_the_line_is_the_users_innermost():
    class Broken(nn.Module):
        def forward(self, x):
            return self.missing(x)

    line = line_of(Broken, "missing")
    with pytest.raises(CaptureError, match=rf"{__file__}:{line}, in forward: AttributeError"):
        capture(lambda: Broken()(torch.zeros(1)))


def test_a_line_of_an_installed_model_comes_beside_the_users():
    model = torchvision.models.alexnet()

    def step():
        model(torch.zeros(1, 3, 8, 8))

    line = line_of(step, "zeros")
    with pytest.raises(CaptureError, match=rf"{__file__}:{line}, in step \(.*alexnet.py:\d+, in forward\)"):
        capture(step)


def test_values_that_fake_tensors_lack_lead_to_real_ones():
    def build():
        model = nn.Linear(4, 2)

        def step():
            out = model(torch.zeros(3, 4))
            if out.sum() > 0:
                out = out * 2
            out.sum().backward()

        return step

    line = line_of(build, "if out.sum")
    with pytest.raises(CaptureError, match=rf"{__file__}:{line}.*capture it with real tensors"):
        capture_model(build)
    assert capture(build()).macs_by_phase()["wgrad"] == 3 * 4 * 2


def test_a_shape_that_depends_on_values_leads_to_real_tensors():
    def build():
        weight = nn.Parameter(torch.ones(3))
        return lambda: weight[weight > 0].sum().backward()

    with pytest.raises(CaptureError, match="capture it with real tensors"):
        capture_model(build)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the error is about a GPU that is missing")
@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Linear(4, 2).cuda(),
        lambda: nn.Linear(4, 2, device="cuda")(torch.zeros(1, 4)),
        lambda: nn.Linear(4, 2)(torch.zeros(3, 4).cuda()),
        lambda: torch.cuda.get_device_properties(0),
    ],
)
def test_a_model_that_asks_for_a_gpu_is_told_to_be_built_on_the_cpu(build):
    with pytest.raises(CaptureError, match=rf"{__file__}.*build the model and the data on the CPU"):
        capture_model(build)


def test_a_step_that_trains_nothing_is_refused():
    model = nn.Linear(4, 2)
    with pytest.raises(CaptureError, match="trains nothing"):
        capture(lambda: model(torch.zeros(3, 4)), model)


def test_a_model_without_trained_parameters_is_refused():
    model, x = nn.Linear(4, 2).requires_grad_(False), torch.zeros(3, 4, requires_grad=True)
    with pytest.raises(CaptureError, match="trains nothing"):
        capture(lambda: model(x).sum().backward(), model)


@pytest.mark.parametrize("step", [None, 3, "step"])
def test_what_cannot_be_called_is_refused(step):
    with pytest.raises(CaptureError, match="callable"):
        capture(step)
    with pytest.raises(CaptureError, match="callable"):
        capture_model(step)


def test_a_build_that_returns_no_step_is_refused():
    with pytest.raises(CaptureError, match="returned a NoneType: return the step"):
        capture_model(lambda: None)


@pytest.mark.parametrize("warmup", [-1, 1.5, "one"])
def test_a_warmup_that_is_no_count_is_refused(warmup):
    with pytest.raises(CaptureError, match="warmup"):
        capture(lambda: None, warmup=warmup)


def test_a_build_that_computes_with_small_constants_works():
    def build():
        rates = [rate.item() for rate in torch.linspace(0, 0.1, 5)]
        widths = (torch.arange(3) * 2.0 + 4).round().int().tolist()
        model = nn.Sequential(nn.Linear(widths[0], widths[2]), nn.Dropout(rates[-1]))
        return lambda: model(torch.zeros(3, 4)).sum().backward()

    assert capture_model(build).macs_by_phase()["forward"] == 3 * 4 * 8


def test_models_convert_copy_and_initialise_while_they_are_built():
    def build():
        model = nn.Conv2d(3, 4, 3)
        nn.init.trunc_normal_(model.weight)
        model = nn.Sequential(model, nn.BatchNorm2d(4)).to(torch.bfloat16).to(memory_format=torch.channels_last)
        again = type(model)(*model)
        x = torch.zeros(2, 3, 8, 8, dtype=torch.bfloat16)
        return lambda: again(x).sum().backward()

    assert capture_model(build).meta["precision"] == "bf16"


def test_initialisation_is_restored():
    with pytest.raises(CaptureError):
        capture_model(lambda: 1 / 0)
    weight = torch.full((3,), 7.0)
    nn.init.zeros_(weight)
    assert (weight == 0).all()
