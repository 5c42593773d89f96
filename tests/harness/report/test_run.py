"""The tables of a run show every mode and scope that was measured, and why one was not."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness.flows import run as flow
from harness.report import run as report
from harness.report import words
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


def test_a_single_sample_has_no_interval(compose):
    config = compose(*QUICK, *SHORT, "data=synthetic", "train.steps=6", "train.warmup=5")
    result = flow.run(config)
    assert result.training.measurement.samples_s.size == 1
    texts = [cell for table in report.tables(result, config) for row in table.rows for cell in row]
    assert not any("inf" in text.split() or "0 ms to" in text for text in texts)
    assert any("a single sample, which has no interval" in text for text in texts)
    assert any(text == "none: a single sample" for text in texts)
    assert report.answer(result, config).endswith("; a single sample: eager")


def replaced(result, samples_s):
    """`result` with other samples of the training's step."""
    block = np.arange(len(samples_s)) % 5
    measured = replace(result.training.measurement, samples_s=np.array(samples_s), block=block)
    return replace(result, training=replace(result.training, measurement=measured), comparisons=())


def test_an_unstable_measurement_is_named_in_the_answer(compose):
    config = compose(*QUICK, *SHORT, "data=synthetic")
    result = flow.run(config)
    assert report.answer(replaced(result, [1.0, 1.0, 1.0, 3.0, 3.0, 3.0] * 4), config).endswith("; unstable: eager")
    assert "unstable" not in report.answer(replaced(result, [1.0, 1.01] * 10), config)


@pytest.mark.parametrize(
    ("supported", "text"),
    [
        ((0,), ""),
        ((500, 1000), ""),
        ((90,), " (by 9 % of the completions)"),
        ((3, 40), " (by at most 4 % of the completions)"),
        ((1, 700), " (1 of them by <1 % of the completions)"),
    ],
)
def test_the_answer_says_how_few_completions_support_a_claim(supported, text):
    verdicts = [
        SimpleNamespace(decides=True, outcome="some" if count else "none", supported_share=count / 1000)
        for count in supported
    ]
    context = SimpleNamespace(decides=False, outcome="some", supported_share=0.001)
    assert words.few_support([*verdicts, context]) == text
