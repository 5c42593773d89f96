"""A step is measured by the parts that it has: what a step offers decides in which scopes and modes it can be timed."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from baselines import BaselineError, measure_all, subject_of
from baselines.errors import LossError
from baselines.live.modes import KeptState
from baselines.live.step import CopyingStep, FilledStep, UpdatingStep, parts_of, scopes_of, updated
from tests.helpers.measurements import SHORT, SUBJECT, CheatingLayer, SmallStep


class Computing:
    def compute(self):
        return 1.0


class Copying(Computing):
    def copy_in(self, *batch):
        self.batch = batch


def test_a_whole_training_step_has_every_part():
    step = SmallStep()
    assert isinstance(step, CopyingStep) and isinstance(step, UpdatingStep) and isinstance(step, FilledStep)
    parts = parts_of(step)
    assert parts.model is step.model and parts.optimizer is step.optimizer and not parts.bare
    assert parts.compute == step.compute and parts.copy_in == step.copy_in


def test_parts_that_are_not_there_are_none():
    for step, copies in ((Computing(), False), (Copying(), True)):
        parts = parts_of(step)
        assert parts.compute() == 1.0 and not parts.bare
        assert parts.model is None and parts.optimizer is None and (parts.copy_in is not None) is copies
    parts = parts_of(lambda: 2.0)
    assert parts.bare and parts.compute() == 2.0 and parts.copy_in is None


def test_scopes_follow_from_the_parts():
    assert scopes_of(parts_of(Computing()), loads=True) == ("step",)
    assert scopes_of(parts_of(Copying()), loads=False) == ("step", "step_and_copy")
    assert scopes_of(parts_of(Copying()), loads=True) == ("step", "step_and_copy", "step_and_loading")
    assert "forward_backward" in scopes_of(parts_of(lambda: None), loads=False)


def test_a_subject_is_read_off_the_step_or_its_batch():
    one = subject_of(SmallStep(), precision="bf16")
    assert (one.model, one.batch_size, one.precision, one.workload) == ("Sequential", 16, "bf16", "")
    two = subject_of(Copying(), (torch.zeros(7, 3), torch.zeros(7)))
    assert (two.model, two.batch_size) == ("Copying", 7)

    def my_step():
        return 1.0

    assert subject_of(my_step, [torch.zeros(3)]).model == "my_step"
    for batch in ((), [torch.zeros(())], [4]):
        with pytest.raises(BaselineError, match="batch_size"):
            subject_of(my_step, batch)


def scaled_step(most, compiled_most=None, first=1024.0):
    """A float16 step on the CPU whose gradients overflow above a loss scale of `most`, or `compiled_most` compiled."""

    class Scaled(SmallStep):
        def __init__(self):
            torch.manual_seed(0)
            super().__init__(model=CheatingLayer(1.0))
            self.scaler = torch.amp.GradScaler("cpu", init_scale=first)
            self.model.weight.register_hook(self.overflow)
            self.skipped = 0

        def overflow(self, grad):
            compiled = self.model._compiled_call_impl is not None
            return grad * torch.inf if self.scaler.get_scale() > (compiled_most if compiled else most) else grad

        def compute(self):
            self.computes += 1
            self.optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(self.model(self.inputs), self.targets)
            scale = self.scaler.get_scale()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.skipped += self.scaler.get_scale() < scale
            return loss.detach()

    compiled_most = most if compiled_most is None else compiled_most
    return Scaled()


@pytest.mark.parametrize("overflows", [0, 1, 5])
def test_a_step_whose_update_overflowed_is_no_step_of_the_training(batch, overflows):
    smooth, rough = scaled_step(2.0**20), scaled_step(1024.0 / 2**overflows)
    for step in (smooth, rough):
        step.copy_in(*batch)
    wanted, found = (updated(lambda step=step: float(step.compute()), step.scaler, 4) for step in (smooth, rough))
    assert rough.skipped == overflows and rough.computes == 4 + overflows
    assert found == pytest.approx(wanted, rel=1e-6) and len(set(wanted)) == 4


def test_updates_that_overflow_without_an_end_are_refused(batch):
    step = scaled_step(-1.0)
    step.copy_in(*batch)
    with pytest.raises(LossError, match=r"updates in a row overflow float16.*use precision=bf16 or fp32"):
        updated(step.compute, step.scaler, 1)


def test_a_mode_that_overflows_once_more_than_eager_trains_alike(batch):
    subject = replace(SUBJECT, precision="fp16")
    for eager, compiled in ((2048.0, 300.0), (300.0, 2048.0), (100.0, 100.0)):
        step = scaled_step(eager, compiled)
        found, refused = measure_all(
            step, "cpu", ("eager", "compiled"), ("step",), subject=subject, batch=batch, plan=SHORT
        )
        assert not refused and [one.mode for one in found] == ["eager", "compiled"]
        assert step.skipped > 0


def test_the_scale_of_float16_gradients_is_part_of_the_state_that_is_put_back(batch):
    step = scaled_step(2.0**30)
    step.scaler.set_growth_interval(5)
    step.copy_in(*batch)
    for _ in range(7):
        step.compute()
    state, scale = KeptState(parts_of(step)), step.scaler.state_dict()
    tensor = step.scaler._scale
    for _ in range(9):
        step.compute()
    assert step.scaler.state_dict() != scale
    state.restore()
    assert step.scaler.state_dict() == scale and step.scaler._scale is tensor  # a captured graph knows the tensor
    measure_all(step, "cpu", subject=replace(SUBJECT, precision="fp16"), batch=batch, plan=SHORT)
    assert step.scaler.get_scale() == scale["scale"] and step.scaler.state_dict()["_growth_tracker"] == 4


def test_what_is_called_a_scaler_or_a_context_and_is_none_is_left_alone(batch):
    class Odd(SmallStep):
        scaler, context = 1.0, "a text"

    parts = parts_of(Odd())
    assert parts.scaler is None and parts.context == {}
    (one,), _ = measure_all(Odd(), "cpu", subject=SUBJECT, batch=batch, plan=SHORT)
    assert one.step_s > 0


def test_what_a_step_says_of_itself_stands_in_the_context_of_its_measurements(batch):
    step = SmallStep()
    step.context = {"memory_format": "channels_last", "contiguous_step_s": 0.25}
    (one,), _ = measure_all(step, "cpu", subject=SUBJECT, batch=batch, plan=SHORT)
    assert one.context["memory_format"] == "channels_last" and one.context["contiguous_step_s"] == 0.25
    assert one.context["device_kind"] == "cpu"
