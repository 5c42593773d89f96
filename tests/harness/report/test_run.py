"""The tables of a run show every mode and scope that was measured, and why one was not."""

import pytest
import torch

from harness.flows import run as flow
from harness.report import run as report
from harness.training.modes import TRAINED

QUICK = ("workload=mnist_mlp", "batch_size=32", "train.steps=12", "compare.ceiling_of=null", "baseline.device=cpu")
SHORT = ("baseline.measurement_s=0.1",)


@pytest.fixture
def no_compiler(monkeypatch):
    def fail(self, *_, **__):
        raise OSError("no compiler here\nand more")

    monkeypatch.setattr(torch.nn.Module, "compile", fail)


def test_every_scope_is_measured_judged_and_named(compose):
    config = compose(*QUICK, *SHORT, "baseline.scopes=[step,step_and_copy,step_and_loading]")
    result = flow.run(config)
    live = [(one.baseline.mode, one.baseline.scope) for one in result.comparisons if one.baseline.kind == "live"]
    assert live == [TRAINED, ("eager", "step"), ("eager", "step_and_loading")]
    assert result.comparisons[0].baseline is result.training.measurement
    assert len(result.verdicts) == len(result.comparisons)
    rows = dict(report.training_table(result, config).rows)
    assert "median" in rows["step, eager"] and "median" in rows["step+loading, eager"]
    assert "J a step" in rows["energy"] or "not known: " in rows["energy"]
    assert rows.get("remarks", "") == result.training.measurement.notes


def test_a_mode_that_cannot_run_is_shown_with_its_reason_and_the_run_goes_on(compose, no_compiler):
    config = compose(*QUICK, *SHORT, "baseline.modes=[eager,graphs,compiled]")
    result = flow.run(config)
    assert [one.baseline.mode for one in result.comparisons] == ["eager"]
    assert [one.mode for one in result.modes_left_out] == ["compiled"]
    rows = dict(report.training_table(result, config).rows)
    assert rows["step, compiled"] == "not measured: the step cannot run in mode compiled: OSError: no compiler here"
