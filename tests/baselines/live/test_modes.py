"""Every mode trains as eager does before it is timed, and what cannot be had is refused by name."""

import shutil

import pytest
import torch
from torch import nn

from baselines import Plan, measure, measure_all
from baselines.errors import LossError, ModeError, OutOfMemoryError
from baselines.live.device import device_fault
from baselines.live.modes import capturable
from tests.helpers.measurements import SHORT, SUBJECT, CheatingLayer, SmallStep


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_compiled_runs_the_compiled_model_only_while_it_is_its_turn(batch, dropout):
    step = SmallStep(dropout=dropout, optimizer=torch.optim.Adam)
    found, refused = measure_all(
        step, "cpu", ("eager", "compiled"), ("step",), batch=batch, plan=SHORT, subject=SUBJECT
    )
    assert not refused and [one.mode for one in found] == ["eager", "compiled"]
    assert step.model._compiled_call_impl is None


def test_a_mode_that_trains_differently_is_not_timed_and_the_others_are(batch):
    found, refused = measure_all(
        SmallStep(model=CheatingLayer(1.5)),
        "cpu",
        ("compiled", "eager"),
        ("step",),
        batch=batch,
        plan=SHORT,
        subject=SUBJECT,
    )
    assert [one.mode for one in found] == ["eager"]
    ((mode, error),) = refused
    assert mode == "compiled" and isinstance(error, LossError) and "differently" in str(error)


def test_a_mode_that_trains_alike_is_timed(batch):
    step = SmallStep(model=CheatingLayer(1.0))
    found, refused = measure_all(
        step, "cpu", ("eager", "compiled"), ("step",), batch=batch, plan=SHORT, subject=SUBJECT
    )
    assert not refused and len(found) == 2 and step.model.compiled_calls > 10


@pytest.mark.parametrize(
    ("mode", "match"),
    [
        ("graphs", "mode graphs: CUDA graphs need a CUDA device and this is cpu: use mode eager or compiled"),
        ("compiled_graphs", "mode compiled_graphs: CUDA graphs need a CUDA device"),
        ("fast", "no mode is called 'fast'"),
    ],
)
def test_a_mode_that_cannot_be_had_is_refused(batch, mode, match):
    with pytest.raises(ModeError, match=match):
        measure(SmallStep(), "cpu", mode, batch=batch, plan=SHORT, subject=SUBJECT)


def test_a_compiler_that_fails_is_a_mode_error(batch):
    class Broken(nn.Linear):
        def compile(self, dynamic):
            raise OSError("no compiler here\nand more lines")

    with pytest.raises(ModeError, match=r"cannot run in mode compiled: OSError: no compiler here$"):
        measure(SmallStep(model=Broken(20, 5)), "cpu", "compiled", batch=batch, plan=SHORT, subject=SUBJECT)


def test_modes_other_than_eager_need_a_model_and_a_loss(batch):
    with pytest.raises(ModeError, match="model"):
        measure(lambda: 1.0, "cpu", "compiled", plan=SHORT, subject=SUBJECT)

    class Silent(SmallStep):
        def compute(self):
            super().compute()

    measure(Silent(), "cpu", batch=batch, plan=SHORT, subject=SUBJECT)
    with pytest.raises(ModeError, match="returns its loss"):
        measure(Silent(model=CheatingLayer(1.0)), "cpu", "compiled", batch=batch, plan=SHORT, subject=SUBJECT)


def test_an_optimiser_of_adams_kind_is_capturable_only_while_captured(batch):
    step, counts = SmallStep(optimizer=torch.optim.Adam), {}
    step.copy_in(*batch)
    for _ in range(2):
        step.compute()
    host = {weight: step.optimizer.state[weight]["step"] for weight in step.model.parameters()}
    for turn in (1, 2):
        with capturable(step.optimizer, torch.device("cpu"), counts):
            assert step.optimizer.param_groups[0]["capturable"] is True
            for weight in step.model.parameters():
                count = step.optimizer.state[weight]["step"]
                assert count is counts[weight] and count is not host[weight]
                count += 1
        assert step.optimizer.param_groups[0]["capturable"] is False
        assert all(step.optimizer.state[weight]["step"] is count for weight, count in host.items())
        assert all(count == 2 + turn for count in host.values())
    with capturable(SmallStep().optimizer, torch.device("cpu"), {}), capturable(None, torch.device("cpu"), {}):
        pass


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_gpu_graphs_train_as_eager_does_and_are_no_slower(batch, optimizer):
    step = SmallStep("cuda", dropout=0.5, optimizer=optimizer)
    plan = Plan(blocks=5, samples_per_block=5, pause_s=0.0, energy_window_s=0.0)
    found, refused = measure_all(step, "cuda", ("eager", "graphs"), ("step",), batch=batch, plan=plan, subject=SUBJECT)
    assert not refused
    eager, graphs = found
    assert eager.clock == graphs.clock == "cuda_event" and eager.device_kind == "gpu"
    assert graphs.step_s < eager.step_s  # a net this small is bound by launches
    assert all(not group.get("capturable") for group in step.optimizer.param_groups)


def test_memory_that_runs_out_while_a_mode_is_prepared_is_no_fault_of_the_mode(batch):
    class Large(nn.Linear):
        def compile(self, dynamic):
            raise RuntimeError("CUDA error: out of memory")

    with pytest.raises(OutOfMemoryError, match="batch 16"):
        measure(SmallStep(model=Large(20, 5)), "cpu", "compiled", batch=batch, plan=SHORT, subject=SUBJECT)


@pytest.mark.gpu
@pytest.mark.slow
def test_gpu_compiled_graphs_train_as_eager_does_and_are_no_slower_than_compiled(batch):
    step = SmallStep("cuda", dropout=0.5, optimizer=torch.optim.Adam)
    plan = Plan(blocks=5, samples_per_block=5, pause_s=0.0, energy_window_s=0.0)
    modes = ("eager", "compiled", "compiled_graphs")
    found, refused = measure_all(step, "cuda", modes, ("step",), batch=batch, plan=plan, subject=SUBJECT)
    assert not refused and [one.mode for one in found] == list(modes)
    assert found[2].step_s < found[1].step_s  # a net this small is bound by launches


@pytest.mark.gpu
@pytest.mark.parametrize("late", [False, True], ids=["in every step", "in a capture alone"])
def test_gpu_a_step_that_cannot_be_captured_leaves_the_device_usable_or_says_that_it_does_not(batch, late):
    class Waiting(SmallStep):
        def compute(self):
            loss = super().compute()
            if not late or torch.cuda.is_current_stream_capturing():
                loss.item()
            return loss

    step = Waiting("cuda")
    plan = Plan(blocks=2, samples_per_block=3, pause_s=0.0, energy_window_s=0.0)
    found, ((mode, error),) = measure_all(
        step, "cuda", ("eager", "graphs"), ("step",), batch=batch, plan=plan, subject=SUBJECT
    )
    assert mode == "graphs" and isinstance(error, ModeError)
    assert ("waits for the device" in str(error)) if not late else ("permitted" in str(error))
    assert [one.mode for one in found] == ["eager"]
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert late or not device_fault("cuda")
