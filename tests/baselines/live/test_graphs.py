"""A capture that fails says why, and leaves the process usable: torch's own torch.cuda.graph on a device made up."""

from contextlib import suppress

import pytest
import torch

from baselines import measure_all, memory_is_full
from baselines.errors import LossError, ModeError, OutOfMemoryError
from baselines.live.device import device_fault, free_cached
from baselines.live.graphs import CAPTURE_WARMUP, captured, root_cause
from baselines.live.modes import capturable
from tests.helpers.measurements import SHORT, SUBJECT, CheatingLayer, SmallStep
from tests.helpers.stub_cuda import FORBIDDEN, INVALIDATED, StubCuda, measuring_on_it

CUDA = torch.device("cuda")


class CapturedStep(SmallStep):
    """A SmallStep that writes its loss into one tensor, as a graph does, and does `during(step)` in every compute()."""

    def __init__(self, cuda, during=lambda step: None, **given):
        super().__init__(**given)
        self.cuda, self.during, self.loss = cuda, during, torch.zeros(())

    def compute(self):
        self.during(self)
        loss = super().compute()
        self.cuda.launch()
        return self.loss.copy_(loss)


@pytest.fixture
def cuda(monkeypatch):
    """A function that makes a StubCuda, and the step that is measured on it."""

    def make(during=lambda step: None, old=False, **given):
        device = StubCuda(old)
        step = CapturedStep(device, during, **given)
        device.put_in_place(monkeypatch, step.compute)
        measuring_on_it(monkeypatch)
        return device, step

    return make


def once_capturing(act):
    """Do `act(step)` while a capture is under way."""
    return lambda step: act(step) if step.cuda.capturing else None


def raises(error):
    def act(step):
        raise error

    return act


def invalidates(step):
    step.cuda.refused_in_a_capture()


def invalidates_and_goes_on(step):
    with suppress(RuntimeError):
        step.cuda.refused_in_a_capture()


def invalidates_and_says_otherwise(step):
    try:
        step.cuda.refused_in_a_capture()
    except RuntimeError:
        step.cuda.launch()  # raises that something failed before, in the context of what did


def test_a_step_is_captured_after_its_warm_up_and_forbids_nothing_to_other_threads(cuda):
    device, step = cuda()
    graph, loss = captured(step.compute, CUDA)
    assert step.computes == CAPTURE_WARMUP + 1 and device.error_modes == ["thread_local"]
    assert device.current is device.default and device.sync_mode == 0 and loss is step.loss
    graph.replay()
    assert step.computes == CAPTURE_WARMUP + 2


def ran_out(step):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


FAILURES = {
    "an error of the step's own": (once_capturing(raises(ValueError("shapes differ"))), ValueError, "shapes differ"),
    "a call that a capture forbids": (once_capturing(invalidates), RuntimeError, "operation not permitted"),
    "the same, told by a later call": (
        once_capturing(invalidates_and_says_otherwise),
        RuntimeError,
        "operation not permitted",
    ),
    "the same, told by nobody": (once_capturing(invalidates_and_goes_on), ModeError, "was caught before"),
    "an interrupt": (once_capturing(raises(KeyboardInterrupt())), KeyboardInterrupt, None),
    "a full memory": (once_capturing(ran_out), torch.OutOfMemoryError, "Tried to allocate"),
}


@pytest.mark.parametrize("old", [False, True], ids=["torch 2.14", "torch 2.11"])
@pytest.mark.parametrize(("during", "kind", "words"), FAILURES.values(), ids=FAILURES)
def test_what_made_a_capture_fail_is_raised_and_the_stream_is_put_back(cuda, during, kind, words, old):
    device, step = cuda(during, old)
    with pytest.raises(kind, match=words) as caught:
        captured(step.compute, CUDA)
    assert "previous error" not in str(caught.value) or kind is ModeError
    assert device.current is device.default and device.sync_mode == 0
    free_cached(CUDA)  # raises nothing, whatever the allocator says
    assert bool(device_fault(CUDA)) == device.stuck
    step.during = lambda step: None
    if not device.stuck:
        captured(step.compute, CUDA)


@pytest.mark.parametrize(("place", "words"), [("begin", "out of memory"), ("end", "previous error during capture")])
def test_a_capture_that_does_not_begin_or_end_puts_the_stream_back_too(cuda, place, words):
    device, step = cuda()
    device.fails_at = place
    with pytest.raises((RuntimeError, ModeError), match=words) as caught:
        captured(step.compute, CUDA)
    assert memory_is_full(caught.value) == (place == "begin")
    assert device.current is device.default
    device.fails_at = ""
    captured(step.compute, CUDA)


def test_a_step_that_waits_for_the_device_is_refused_before_a_capture_begins(cuda):
    device, step = cuda(lambda step: step.cuda.wait())
    device.sync_mode = 1
    with pytest.raises(ModeError, match=r"waits for the device .*\.item\(\)"):
        captured(step.compute, CUDA)
    assert device.error_modes == [] and device.sync_mode == 1 and device.current is device.default


def test_the_root_cause_is_the_first_that_is_no_consequence():
    first, later = RuntimeError(FORBIDDEN), RuntimeError(INVALIDATED)
    later.__context__ = first
    assert root_cause(later) is first and root_cause(first) is first
    alone = RuntimeError(INVALIDATED)
    assert root_cause(alone) is alone
    alone.__cause__ = alone  # a circle ends
    assert root_cause(alone) is alone
    memory = torch.OutOfMemoryError("CUDA out of memory")
    alone.__cause__ = memory
    assert root_cause(alone) is memory


@pytest.mark.parametrize("old", [False, True], ids=["torch 2.14", "torch 2.11"])
def test_eager_is_measured_where_a_graph_cannot_be_captured_and_the_reason_is_the_first(cuda, batch, old):
    _, step = cuda(once_capturing(invalidates_and_says_otherwise), old)
    found, refused = measure_all(step, "cuda", ("eager", "graphs"), ("step",), batch=batch, plan=SHORT, subject=SUBJECT)
    assert [one.mode for one in found] == ["eager"]
    ((mode, error),) = refused
    assert mode == "graphs" and isinstance(error, ModeError)
    assert "operation not permitted when stream is capturing" in str(error)


def test_a_memory_that_runs_out_in_a_capture_is_a_full_memory(cuda, batch):
    _, step = cuda(once_capturing(ran_out), old=True)
    found, ((mode, error),) = measure_all(
        step, "cuda", ("eager", "graphs"), ("step",), batch=batch, plan=SHORT, subject=SUBJECT
    )
    assert [one.mode for one in found] == ["eager"] and mode == "graphs" and isinstance(error, OutOfMemoryError)


def test_a_device_lost_to_a_capture_is_the_reason_for_what_fails_after_it(cuda, batch):
    def draws_afterwards(step):
        if step.cuda.capturing:
            step.cuda.lost = True
            step.cuda.refused_in_a_capture()
        if getattr(step.cuda, "lost", False):
            raise RuntimeError("Offset increment outside graph capture encountered unexpectedly.")

    _, step = cuda(draws_afterwards, old=True)
    found, refused = measure_all(step, "cuda", ("eager", "graphs"), ("step",), batch=batch, plan=SHORT, subject=SUBJECT)
    reasons = {mode: str(error) for mode, error in refused}
    assert not found and "operation not permitted" in reasons["graphs"]
    assert "of no more use to this process since mode graphs failed" in reasons["eager"]


def test_every_mode_is_timed_on_one_device(cuda, batch):
    device, step = cuda(model=CheatingLayer(1.0))
    modes = ("eager", "graphs", "compiled", "compiled_graphs")
    found, refused = measure_all(step, "cuda", modes, ("step",), batch=batch, plan=SHORT, subject=SUBJECT)
    assert not refused and [one.mode for one in found] == list(modes)
    assert device.replays > 20 and step.model.compiled_calls > 10
    assert step.model._compiled_call_impl is None


def test_compiled_graphs_captures_the_compiled_model(cuda, batch):
    seen = []
    during = once_capturing(lambda step: seen.append(step.model._compiled_call_impl is not None))
    device, step = cuda(during, model=CheatingLayer(1.0))
    for mode in ("graphs", "compiled_graphs"):
        measure_all(step, "cuda", (mode,), ("step",), batch=batch, plan=SHORT, subject=SUBJECT)
    assert seen == [False, True] and step.model._compiled_call_impl is None and device.current is device.default


def test_compiled_graphs_that_train_differently_are_not_timed(cuda, batch):
    device, step = cuda(model=CheatingLayer(1.0))
    device.step = lambda: step.compute().mul_(1.5)
    _, ((mode, error),) = measure_all(
        step, "cuda", ("compiled_graphs",), ("step",), batch=batch, plan=SHORT, subject=SUBJECT
    )
    assert mode == "compiled_graphs" and isinstance(error, LossError) and "differently" in str(error)


def test_a_failure_while_an_optimiser_is_capturable_is_not_hidden_by_the_copy_back(batch):
    step = SmallStep(optimizer=torch.optim.Adam)
    step.copy_in(*batch)
    step.compute()

    class Refusing(torch.Tensor):
        """A count on a device that refuses to be read."""

        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            raise AssertionError("read back")

    weights = list(step.model.parameters())
    host = {weight: step.optimizer.state[weight]["step"] for weight in weights}
    counts = {}
    with pytest.raises(ZeroDivisionError), capturable(step.optimizer, torch.device("cpu"), counts):
        for weight in weights:
            counts[weight] = counts[weight].as_subclass(Refusing)
        1 / 0  # noqa: B018
    assert all(step.optimizer.state[weight]["step"] is host[weight] for weight in weights)
    assert step.optimizer.param_groups[0]["capturable"] is False
