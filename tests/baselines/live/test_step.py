"""A step is measured by the parts that it has: what a step offers decides in which scopes and modes it can be timed."""

import pytest
import torch

from baselines import BaselineError, subject_of
from baselines.live.step import CopyingStep, FilledStep, UpdatingStep, parts_of, scopes_of
from tests.helpers.measurements import SmallStep


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
