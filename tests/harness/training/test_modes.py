"""The main job measures every mode and scope asked for, judges each, and goes on where one cannot be measured."""

import weakref

import pytest
import torch

from harness.flows import run
from harness.report import run
from harness.settings.schema import ConfigError
from harness.tasks.failures import forget
from harness.training.modes import TRAINED, beside_training
from tests.helpers.program import halfstep

QUICK = ("workload=mnist_mlp", "batch_size=32", "train.steps=12", "compare.ceiling_of=null", "baseline.device=cpu")
SHORT = ("baseline.measurement_s=0.1",)


@pytest.fixture
def no_compiler(monkeypatch):
    def fail(self, *_, **__):
        raise OSError("no compiler here\nand more")

    monkeypatch.setattr(torch.nn.Module, "compile", fail)


def test_by_default_the_training_is_all_that_a_cpu_measures(compose):
    assert beside_training(compose(*QUICK), "cpu", None) == ([], [])


def test_every_scope_is_measured_judged_and_named(compose):
    config = compose(*QUICK, *SHORT, "baseline.scopes=[step,step_and_copy,step_and_loading]")
    result = run.run(config)
    live = [(one.baseline.mode, one.baseline.scope) for one in result.comparisons if one.baseline.kind == "live"]
    assert live == [TRAINED, ("eager", "step"), ("eager", "step_and_loading")]
    assert result.comparisons[0].baseline is result.training.measurement
    assert len(result.verdicts) == len(result.comparisons)
    rows = dict(run.training_table(result, config).rows)
    assert "median" in rows["step, eager"] and "median" in rows["step+loading, eager"]
    assert "J a step" in rows["energy"] or "not known: " in rows["energy"]
    assert rows.get("remarks", "") == result.training.measurement.notes


def test_a_mode_that_cannot_run_is_shown_with_its_reason_and_the_run_goes_on(compose, no_compiler):
    config = compose(*QUICK, *SHORT, "baseline.modes=[eager,graphs,compiled]")
    result = run.run(config)
    assert [one.baseline.mode for one in result.comparisons] == ["eager"]
    assert [one.mode for one in result.modes_left_out] == ["compiled"]
    rows = dict(run.training_table(result, config).rows)
    assert rows["step, compiled"] == "not measured: the step cannot run in mode compiled: OSError: no compiler here"


@pytest.mark.parametrize("override", ["baseline.modes=[fast]", "baseline.modes=[]", "baseline.scopes=[whole]"])
def test_an_unknown_mode_or_scope_is_refused(compose, override):
    with pytest.raises(ConfigError, match=r"baseline\.(modes|scopes) is .* give some of"):
        compose(override)


def test_a_failed_job_keeps_no_memory_while_its_error_is_kept():
    class Big:
        pass

    watched = []

    def fails():
        held = Big()
        watched.append(weakref.ref(held))
        try:
            raise RuntimeError("CUDA out of memory")
        except RuntimeError:
            raise ValueError("does not fit") from None

    try:
        fails()
    except ValueError as error:
        kept = error
    assert watched[0]() is not None
    forget(kept)
    assert watched[0]() is None and "fails" in [entry.name for entry in traceback_of(kept)]


def traceback_of(error):
    import traceback

    return traceback.extract_tb(error.__traceback__)


def test_a_batch_that_does_not_fit_ends_its_own_run_and_not_the_sweep(tmp_path):
    sizes = "batch_size=1000000000,32"
    done = halfstep("-m", *(QUICK[:1] + QUICK[2:]), sizes, "data=synthetic", "tracking=none", folder=tmp_path)
    assert done.returncode != 0
    assert "give a smaller batch_size" in done.stderr and "Traceback" not in done.stderr
    assert [path.parent.name for path in tmp_path.glob("outputs/sweeps/*/*/result.json")] == ["1"]
