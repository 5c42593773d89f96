"""Measuring torch steps: what is run is what is timed, and faults have names."""

import math
import time

import pytest
import torch
from torch import nn

import baselines
from baselines import BaselineError, Plan, device_context, measure, measure_all
from baselines.errors import LossError, OutOfMemoryError
from tests.helpers.measurements import SHORT, SUBJECT, CheatingLayer, SmallStep


def weights(step):
    return [parameter.detach().cpu().clone() for parameter in step.model.parameters()]


def test_eager_measures_both_scopes_of_one_step(batch):
    step = SmallStep()
    found, refused = measure_all(
        step, "cpu", ("eager",), ("step", "step_and_copy"), batch=batch, plan=SHORT, subject=SUBJECT
    )
    assert not refused and [one.scope for one in found] == ["step", "step_and_copy"]
    for one in found:
        assert one.kind == "live" and one.mode == "eager" and one.clock == "perf_counter" and one.device_kind == "cpu"
        assert one.samples_s.shape == (6,) and one.block.tolist() == [0, 0, 0, 1, 1, 1]
        assert one.warmup > 0
        assert math.isnan(one.energy_j) and one.energy_note == "not asked for"
        assert one.context["torch"] == torch.__version__ and one.context["commit"]
    assert 2 < step.copies < step.computes


def test_loading_is_timed_where_batches_are_given(batch):
    def slow_batches():
        while True:
            time.sleep(0.02)
            yield batch

    step = SmallStep()
    found, refused = measure_all(
        step,
        "cpu",
        ("eager",),
        ("step", "step_and_loading"),
        batch=batch,
        batches=slow_batches(),
        plan=SHORT,
        subject=SUBJECT,
    )
    assert not refused and [one.scope for one in found] == ["step", "step_and_loading"]
    assert found[1].samples_s.min() >= 0.02  # sleeping never ends early


def test_a_bare_callable_is_timed_as_it_is():
    calls = []
    one = measure(lambda: calls.append(time.sleep(0.01)), "cpu", scope="step_and_loading", plan=SHORT, subject=SUBJECT)
    assert one.scope == "step_and_loading" and one.steps_per_sample <= 1 and len(calls) >= 10
    assert one.samples_s.min() >= 0.01


def test_measuring_leaves_the_weights_where_two_steps_bring_them(batch):
    measured, stepped = SmallStep(), SmallStep()
    measure(measured, "cpu", batch=batch, plan=SHORT, subject=SUBJECT)
    for _ in range(2):
        stepped.copy_in(*batch)
        stepped.compute()
    assert measured.computes > stepped.computes
    for ours, theirs in zip(weights(measured), weights(stepped), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_settings_of_torch_are_put_back_and_fp32_means_fp32(batch):
    class Watching(SmallStep):
        def compute(self):
            flags.add((torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32))
            return super().compute()

    flags, cudnn, matmul = set(), torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = True
        measure(Watching(), "cpu", batch=batch, plan=SHORT, subject=SUBJECT)
        assert flags == {(False, False)} and matmul.allow_tf32 and cudnn.allow_tf32
    finally:
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = before


def test_what_does_not_fit_beside_the_others_is_measured_alone_and_frees_its_memory(batch):
    class Greedy(SmallStep):
        """Runs out of memory the first time that it is warmed up compiled, as beside another mode's memory."""

        tries = 0

        def compute(self):
            compiled = self.model._compiled_call_impl is not None
            self.tries += compiled
            if compiled and self.tries == 10:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().compute()

    found, refused = measure_all(
        Greedy(model=CheatingLayer(1.0)),
        "cpu",
        ("eager", "compiled"),
        ("step",),
        batch=batch,
        plan=SHORT,
        subject=SUBJECT,
    )
    assert [one.mode for one in found] == ["eager", "compiled"] and not refused
    _, ((_, error),) = measure_all(
        SmallStep(model=CheatingLayer(1.5)), "cpu", ("compiled",), ("step",), batch=batch, plan=SHORT, subject=SUBJECT
    )
    assert error.__traceback__ is error.__context__ is error.__cause__ is None


@pytest.mark.parametrize("loss", [math.nan, math.inf, torch.tensor(math.nan), torch.zeros(3), "low"])
def test_a_loss_that_is_no_finite_number_is_refused(loss):
    with pytest.raises(LossError, match="loss"):
        measure(lambda: loss, "cpu", plan=SHORT, subject=SUBJECT)


def test_a_loss_that_diverges_while_measured_is_refused(batch):
    with pytest.raises(LossError, match="learning rate"):
        measure(SmallStep(lr=1e30), "cpu", batch=batch, plan=SHORT, subject=SUBJECT)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried 1 bytes"),
        MemoryError(),
    ],
)
def test_memory_that_runs_out_is_one_error_and_a_sweep_goes_on(batch, error):
    def exhausting():
        raise error

    measured = []
    for step in (SmallStep(), exhausting, SmallStep()):
        try:
            measured.append(measure(step, "cpu", batch=batch, plan=SHORT, subject=SUBJECT))
        except BaselineError as refusal:
            assert isinstance(refusal, OutOfMemoryError) and "batch 16" in str(refusal)
            measured.append(None)
    assert [one is None for one in measured] == [False, True, False]


def test_other_errors_of_a_step_are_not_hidden():
    def broken():
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        measure(broken, "cpu", plan=SHORT, subject=SUBJECT)


def test_a_scope_that_the_step_does_not_cover_is_refused(batch):
    for scope in ("whole", "step_and_loading", "forward_backward"):
        with pytest.raises(BaselineError, match="scope"):
            measure(SmallStep(), "cpu", scope=scope, batch=batch, plan=SHORT, subject=SUBJECT)

    class Uncopied:
        def compute(self):
            return 0.0

    with pytest.raises(BaselineError, match="step_and_copy"):
        measure(Uncopied(), "cpu", scope="step_and_copy", plan=SHORT, subject=SUBJECT)
    assert (
        measure(lambda: 0.0, "cpu", scope="forward_backward", plan=SHORT, subject=SUBJECT).scope == "forward_backward"
    )


def test_a_step_device_and_mode_are_enough_to_measure(batch):
    one = measure(SmallStep(), "cpu", "eager", plan=SHORT)
    assert (one.model, one.batch_size, one.scope, one.precision, one.mode) == (
        "Sequential",
        16,
        "step",
        "fp32",
        "eager",
    )
    assert measure(SmallStep(), "cpu", "eager", batch=batch, plan=SHORT).scope == "step_and_copy"
    with pytest.raises(BaselineError, match="batch_size"):
        measure(lambda: 1.0, "cpu", "eager", plan=SHORT)


def test_a_live_measurement_can_be_recorded(batch):
    one = measure(SmallStep(), "cpu", batch=batch, plan=SHORT, subject=SUBJECT)
    again = baselines.from_json(baselines.to_json(one), "new.json")
    assert again.step_s == one.step_s and again.context == one.context


@pytest.mark.gpu
def test_gpu_context_and_energy_are_known():
    context = device_context("cuda")
    assert not context["driver"].startswith("unknown") and context["power_limit_w"] > 10
    a = torch.randn(4096, 4096, device="cuda")
    one = measure(lambda: (a @ a) and None, "cuda", scope="step", plan=Plan(blocks=2, pause_s=0.0), subject=SUBJECT)
    assert 1 < one.energy_j / one.step_s < 1.5 * context["power_limit_w"]


@pytest.mark.gpu
def test_gpu_memory_that_runs_out_ends_one_measurement_only(batch):
    def exhausting():
        return torch.empty(2**50, device="cuda").sum()

    with pytest.raises(OutOfMemoryError):
        measure(exhausting, "cuda", plan=SHORT, subject=SUBJECT)
    assert measure(SmallStep("cuda"), "cuda", batch=batch, plan=SHORT, subject=SUBJECT).step_s > 0


@pytest.mark.gpu
@pytest.mark.slow
def test_gpu_two_measurements_agree_within_3_percent(batch):
    net = nn.Sequential(nn.Linear(20, 8192), nn.ReLU(), nn.Linear(8192, 8192), nn.ReLU(), nn.Linear(8192, 5))
    step = SmallStep("cuda", model=net)
    first, second = (measure(step, "cuda", batch=batch, scope="step", subject=SUBJECT).step_s for _ in range(2))
    assert first == pytest.approx(second, rel=0.03)
