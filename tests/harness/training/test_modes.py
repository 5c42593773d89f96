"""A step is measured in every mode and scope asked for; what goes wrong is a reason, and the others are measured."""

import pytest
import torch

import baselines
from harness.settings import shipped
from harness.settings.errors import ConfigError, NoRoomError
from harness.training.grid import GridCell
from harness.training.modes import TRAINED, Ways, beside_training, in_modes, measure, modes_there, plan_of
from harness.training.step import build_step

QUICK = ("workload=mnist_mlp", "batch_size=32", "train.steps=12", "compare.ceiling_of=null", "baseline.device=cpu")


def measured(cell, config, device, measurement_s=0.05):
    """What `measure` finds of a cell in the one scope that recordings have, without energy."""
    workload, precision = shipped.load(cell.workload), shipped.precision(cell.precision)
    return measure(cell, device, workload, precision, TRAINED[1:], plan_of(measurement_s, 0), config.seed)


def test_by_default_the_training_is_all_that_a_cpu_measures(compose):
    assert beside_training(compose(*QUICK), "cpu", None) == ([], [])


@pytest.mark.parametrize("override", ["baseline.modes=[fast]", "baseline.modes=[]", "baseline.scopes=[whole]"])
def test_an_unknown_mode_or_scope_is_refused(compose, override):
    with pytest.raises(ConfigError, match=r"baseline\.(modes|scopes) (is|holds) .*: give some of"):
        compose(override)


def test_every_scope_of_a_mode_is_a_measurement_of_its_own(compose):
    config = compose(*QUICK)
    ways = Ways(("eager",), ("step", "step_and_copy"), plan_of(0.05, 0))
    found, refused = in_modes(config.workload, config.precision, 32, "cpu", ways, config.seed)
    assert [(one.mode, one.scope) for one in found] == [("eager", "step"), ("eager", "step_and_copy")]
    assert not refused
    assert {(one.workload, one.batch_size, one.precision, one.dataset) for one in found} == {
        ("mnist_mlp", 32, "fp32", "synthetic")
    }


def test_energy_is_counted_in_telling_cells_only(compose, monkeypatch):
    plans = []

    def told(step, device, modes, scopes, plan, **_):
        plans.append(plan)
        return [], []

    monkeypatch.setattr(baselines, "measure_all", told)
    config = compose()
    for telling in (True, False):
        cell = GridCell("mnist_mlp", 2, "fp32", ("eager",), telling)
        measure(cell, "cpu", config.workload, config.precision, TRAINED[1:], plan_of(0.25, 3.0), 0)
    assert [plan.energy_window_s for plan in plans] == [3.0, 0]
    assert [(plan.budget_s, plan.warmup_limit_s) for plan in plans] == [(0.25, 0.25)] * 2


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
    found, refusals = measured(GridCell("mnist_mlp", 1, "fp32", ("eager", "compiled")), compose(), "cpu")
    assert not found
    assert [one.mode for one in refusals] == ["eager", "compiled"]
    assert all("boom" in one.why and one.too_large == too_large for one in refusals)


def test_a_batch_that_no_memory_holds_is_known_as_too_large(compose):
    _, (refusal,) = measured(GridCell("mnist_mlp", 2**40, "fp32", ("eager",)), compose(), "cpu")
    assert refusal.too_large
    assert "does not fit" in refusal.why


@pytest.mark.parametrize("measures", ["some", "none"])
@pytest.mark.parametrize("fault", ["", "captures_underway.empty() INTERNAL ASSERT FAILED"])
def test_what_costs_the_process_its_device_ends_the_measuring(compose, monkeypatch, fault, measures):
    def fails(*_, **__):
        if measures == "none":
            raise RuntimeError("CUDA error: device-side assert triggered")
        return [], [("graphs", baselines.errors.ModeError("operation not permitted when stream is capturing"))]

    monkeypatch.setattr(baselines, "measure_all", fails)
    monkeypatch.setattr(baselines, "device_fault", lambda device: fault)
    _, refusals = measured(GridCell("mnist_mlp", 1, "fp32", ("graphs",)), compose(), "cpu")
    assert [one.ends for one in refusals] == [bool(fault)]
    assert "assert triggered" in refusals[0].why or "not permitted" in refusals[0].why


def test_where_nothing_fails_nobody_asks_what_a_failure_left(compose, monkeypatch):
    monkeypatch.setattr(baselines, "measure_all", lambda *_, **__: ([], []))
    monkeypatch.setattr(baselines, "device_fault", lambda device: 1 / 0)
    assert measured(GridCell("mnist_mlp", 1, "fp32", ("eager",)), compose(), "cpu") == ([], [])


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "cpu", "mps"])
def test_modes_that_need_cuda_are_left_out_where_there_is_none(device):
    there = modes_there(("eager", "graphs", "eager", *baselines.MODES), device)
    assert there == (baselines.MODES if device.startswith("cuda") else ("eager", "compiled"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_trains_in_the_faster_layout_with_a_fused_update_in_every_mode(compose, precision):
    config = compose("workload=cifar10_resnet20", f"precision={precision}")
    step = build_step(config.workload, config.precision, 8, "cuda")
    taken = step.context["memory_format"]
    form = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}[taken]
    assert step.inputs.is_contiguous(memory_format=form)
    times = [value for name, value in step.context.items() if name.endswith("_step_s")]
    assert step.context[f"{taken}_step_s"] == min(times)
    assert step.optimizer.param_groups[0]["fused"]
    found, refusals = measured(GridCell("cifar10_resnet20", 8, precision, ("eager", "graphs")), config, "cuda", 0.5)
    assert not refusals
    assert [one.mode for one, _ in found] == ["eager", "graphs"]
