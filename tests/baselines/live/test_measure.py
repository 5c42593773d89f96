"""Measuring torch steps: what is run is what is timed, each mode trains as eager does, and faults have names."""

import math
import shutil
import time

import numpy as np
import pytest
import torch
from torch import nn

import baselines
from baselines import BaselineError, Plan, StepTimer, best_device, device_context, measure, measure_all
from baselines.errors import DeviceError, LossError, ModeError, OutOfMemoryError
from baselines.live.measure import _capturable

SHORT = Plan(blocks=2, samples_per_block=3, sample_s=2e-3, warmup_limit_s=0.2, pause_s=0.0, energy_window_s=0.0)
NAMED = {"workload": "mnist_mlp", "model": "a small net", "batch_size": 16, "precision": "fp32"}


class Step:
    """A real training step on random data; counts what is called."""

    def __init__(self, device="cpu", dropout=0.0, lr=1e-2, optimizer=torch.optim.SGD, model=None):
        torch.manual_seed(0)
        net = model or nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Dropout(dropout), nn.Linear(30, 5))
        self.model = net.to(device)
        self.optimizer = optimizer(self.model.parameters(), lr=lr)
        self.inputs = torch.zeros(16, 20, device=device)
        self.targets = torch.zeros(16, dtype=torch.long, device=device)
        self.copies = self.computes = 0

    def copy_in(self, inputs, targets):
        self.copies += 1
        self.inputs.copy_(inputs, non_blocking=True)
        self.targets.copy_(targets, non_blocking=True)

    def compute(self):
        self.computes += 1
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(self.model(self.inputs), self.targets)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads that spin for each other make small steps slow on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(16, 20, generator=generator), torch.randint(5, (16,), generator=generator)


def weights(step):
    return [parameter.detach().cpu().clone() for parameter in step.model.parameters()]


def test_a_step_timer_times_every_step_that_ends_and_no_other():
    timer = StepTimer("cpu")
    assert timer.samples_s().shape == (0,)
    for i in range(6):
        with timer:
            time.sleep(0.002 * (i + 1))
    with pytest.raises(ZeroDivisionError), timer:
        1 / 0  # noqa: B018
    samples_s = timer.samples_s()
    assert samples_s.shape == (6,) and samples_s.dtype == np.float64
    assert (samples_s >= 0.002 * np.arange(1, 7)).all()  # sleeping never ends early


def test_eager_measures_both_scopes_of_one_step(batch):
    step = Step()
    found, refused = measure_all(step, "cpu", ("eager",), ("step", "step_and_copy"), batch=batch, plan=SHORT, **NAMED)
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

    step = Step()
    found, refused = measure_all(
        step, "cpu", ("eager",), ("step", "step_and_loading"), batch=batch, batches=slow_batches(), plan=SHORT, **NAMED
    )
    assert not refused and [one.scope for one in found] == ["step", "step_and_loading"]
    assert found[1].samples_s.min() >= 0.02  # sleeping never ends early


def test_a_bare_callable_is_timed_as_it_is():
    calls = []
    one = measure(lambda: calls.append(time.sleep(0.01)), "cpu", scope="step_and_loading", plan=SHORT, **NAMED)
    assert one.scope == "step_and_loading" and one.steps_per_sample <= 1 and len(calls) >= 10
    assert one.samples_s.min() >= 0.01


def test_measuring_leaves_the_weights_where_two_steps_bring_them(batch):
    measured, stepped = Step(), Step()
    measure(measured, "cpu", batch=batch, plan=SHORT, **NAMED)
    for _ in range(2):
        stepped.copy_in(*batch)
        stepped.compute()
    assert measured.computes > stepped.computes
    for ours, theirs in zip(weights(measured), weights(stepped), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_settings_of_torch_are_put_back_and_fp32_means_fp32(batch):
    class Watching(Step):
        def compute(self):
            flags.add((torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32))
            return super().compute()

    flags, cudnn, matmul = set(), torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = True
        measure(Watching(), "cpu", batch=batch, plan=SHORT, **NAMED)
        assert flags == {(False, False)} and matmul.allow_tf32 and cudnn.allow_tf32
    finally:
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = before


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_compiled_runs_the_compiled_model_only_while_it_is_its_turn(batch, dropout):
    step = Step(dropout=dropout, optimizer=torch.optim.Adam)
    found, refused = measure_all(step, "cpu", ("eager", "compiled"), ("step",), batch=batch, plan=SHORT, **NAMED)
    assert not refused and [one.mode for one in found] == ["eager", "compiled"]
    assert step.model._compiled_call_impl is None


class Cheat(nn.Linear):
    """A layer that computes something else when it is compiled."""

    def __init__(self, factor):
        super().__init__(20, 5)
        self.factor, self.compiled_calls = factor, 0

    def compile(self, dynamic):
        self._compiled_call_impl = self.other

    def other(self, inputs):
        self.compiled_calls += 1
        return self.factor * self.forward(inputs)


def test_a_mode_that_trains_differently_is_not_timed_and_the_others_are(batch):
    found, refused = measure_all(
        Step(model=Cheat(1.5)), "cpu", ("compiled", "eager"), ("step",), batch=batch, plan=SHORT, **NAMED
    )
    assert [one.mode for one in found] == ["eager"]
    ((mode, error),) = refused
    assert mode == "compiled" and isinstance(error, LossError) and "differently" in str(error)


def test_a_mode_that_trains_alike_is_timed(batch):
    step = Step(model=Cheat(1.0))
    found, refused = measure_all(step, "cpu", ("eager", "compiled"), ("step",), batch=batch, plan=SHORT, **NAMED)
    assert not refused and len(found) == 2 and step.model.compiled_calls > 10


def test_what_does_not_fit_beside_the_others_is_measured_alone_and_frees_its_memory(batch):
    class Greedy(Step):
        """Runs out of memory the first time that it is warmed up compiled, as beside another mode's memory."""

        tries = 0

        def compute(self):
            compiled = self.model._compiled_call_impl is not None
            self.tries += compiled
            if compiled and self.tries == 10:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().compute()

    found, refused = measure_all(
        Greedy(model=Cheat(1.0)), "cpu", ("eager", "compiled"), ("step",), batch=batch, plan=SHORT, **NAMED
    )
    assert [one.mode for one in found] == ["eager", "compiled"] and not refused
    _, ((_, error),) = measure_all(
        Step(model=Cheat(1.5)), "cpu", ("compiled",), ("step",), batch=batch, plan=SHORT, **NAMED
    )
    assert error.__traceback__ is error.__context__ is error.__cause__ is None


@pytest.mark.parametrize(
    ("mode", "match"), [("graphs", "CUDA graphs need a CUDA device"), ("fast", "no mode is called 'fast'")]
)
def test_a_mode_that_cannot_be_had_is_refused(batch, mode, match):
    with pytest.raises(ModeError, match=match):
        measure(Step(), "cpu", mode, batch=batch, plan=SHORT, **NAMED)


def test_a_compiler_that_fails_is_a_mode_error(batch):
    class Broken(nn.Linear):
        def compile(self, dynamic):
            raise OSError("no compiler here\nand more lines")

    with pytest.raises(ModeError, match=r"cannot run in mode compiled: OSError: no compiler here$"):
        measure(Step(model=Broken(20, 5)), "cpu", "compiled", batch=batch, plan=SHORT, **NAMED)


def test_modes_other_than_eager_need_a_model_and_a_loss(batch):
    with pytest.raises(ModeError, match="model"):
        measure(lambda: 1.0, "cpu", "compiled", plan=SHORT, **NAMED)

    class Silent(Step):
        def compute(self):
            super().compute()

    measure(Silent(), "cpu", batch=batch, plan=SHORT, **NAMED)
    with pytest.raises(ModeError, match="returns its loss"):
        measure(Silent(model=Cheat(1.0)), "cpu", "compiled", batch=batch, plan=SHORT, **NAMED)


@pytest.mark.parametrize("loss", [math.nan, math.inf, torch.tensor(math.nan), torch.zeros(3), "low"])
def test_a_loss_that_is_no_finite_number_is_refused(loss):
    with pytest.raises(LossError, match="loss"):
        measure(lambda: loss, "cpu", plan=SHORT, **NAMED)


def test_a_loss_that_diverges_while_measured_is_refused(batch):
    with pytest.raises(LossError, match="learning rate"):
        measure(Step(lr=1e30), "cpu", batch=batch, plan=SHORT, **NAMED)


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
    for step in (Step(), exhausting, Step()):
        try:
            measured.append(measure(step, "cpu", batch=batch, plan=SHORT, **NAMED))
        except BaselineError as refusal:
            assert isinstance(refusal, OutOfMemoryError) and "batch 16" in str(refusal)
            measured.append(None)
    assert [one is None for one in measured] == [False, True, False]


def test_other_errors_of_a_step_are_not_hidden():
    def broken():
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        measure(broken, "cpu", plan=SHORT, **NAMED)


def test_a_scope_that_the_step_does_not_cover_is_refused(batch):
    for scope in ("whole", "step_and_loading", "forward_backward"):
        with pytest.raises(BaselineError, match="scope"):
            measure(Step(), "cpu", scope=scope, batch=batch, plan=SHORT, **NAMED)

    class Uncopied:
        def compute(self):
            return 0.0

    with pytest.raises(BaselineError, match="step_and_copy"):
        measure(Uncopied(), "cpu", scope="step_and_copy", plan=SHORT, **NAMED)
    assert measure(lambda: 0.0, "cpu", scope="forward_backward", plan=SHORT, **NAMED).scope == "forward_backward"


def test_an_optimiser_of_adams_kind_is_capturable_only_while_captured(batch):
    step, counts = Step(optimizer=torch.optim.Adam), {}
    step.copy_in(*batch)
    for _ in range(2):
        step.compute()
    host = {weight: step.optimizer.state[weight]["step"] for weight in step.model.parameters()}
    for turn in (1, 2):
        with _capturable(step.optimizer, torch.device("cpu"), counts):
            assert step.optimizer.param_groups[0]["capturable"] is True
            for weight in step.model.parameters():
                count = step.optimizer.state[weight]["step"]
                assert count is counts[weight] and count is not host[weight]
                count += 1
        assert step.optimizer.param_groups[0]["capturable"] is False
        assert all(step.optimizer.state[weight]["step"] is count for weight, count in host.items())
        assert all(count == 2 + turn for count in host.values())
    with _capturable(Step().optimizer, torch.device("cpu"), {}), _capturable(None, torch.device("cpu"), {}):
        pass


def test_context_tells_the_device_and_what_ran():
    context = device_context("cpu")
    assert {"device", "device_kind", "clock", "torch", "python", "time_utc", "commit", "threads"} <= set(context)
    assert context["device_kind"] == "cpu" and context["device"].strip()
    assert all(isinstance(value, (str, int, float)) for value in context.values())


def test_a_device_that_is_not_there_is_refused_with_the_reason():
    assert best_device("cpu") == "cpu" and best_device() in ("cpu", "cuda", "mps")
    for wrong in ("gpu", "cuda:x", "meta", ""):
        with pytest.raises(DeviceError, match=r"baseline\.device"):
            best_device(wrong)
    absent = "cuda:99" if torch.cuda.is_available() else "cuda"
    with pytest.raises(DeviceError, match=r"GPU|CUDA"):
        best_device(absent)


def old_driver():
    raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nPlease update it.")


def busy(*_, **__):
    raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nmore lines")


@pytest.mark.parametrize(
    ("patches", "match"),
    [
        ({"version.cuda": None, "version.hip": None}, "built without CUDA"),
        ({"cuda.is_available": lambda: False, "cuda.init": lambda: None}, "CUDA finds no GPU"),
        (
            {"cuda.is_available": lambda: False, "cuda.init": old_driver},
            r"does not start \(The .* driver .* too old",
        ),
        ({"cuda.is_available": lambda: True, "cuda.device_count": lambda: 0}, "only 0 GPUs"),
        (
            {
                "cuda.is_available": lambda: True,
                "cuda.device_count": lambda: 1,
                "cuda.get_device_capability": lambda index: (9, 0),
                "cuda.get_device_name": lambda index: "H200",
                "cuda.get_arch_list": lambda: ["sm_90"],
                "zeros": busy,
            },
            r"H200 refuses its first use \(CUDA error: all .* busy or unavailable\)",
        ),
        (
            {
                "cuda.is_available": lambda: True,
                "cuda.device_count": lambda: 1,
                "cuda.get_device_capability": lambda index: (6, 1),
                "cuda.get_device_name": lambda index: "GTX 1080",
                "cuda.get_arch_list": lambda: ["sm_75", "sm_90a", "sm_120", "compute_120"],
            },
            r"GTX 1080 has compute capability 6\.1 .* needs 7\.5",
        ),
    ],
)
def test_the_reason_that_cuda_cannot_be_used_is_told(monkeypatch, patches, match):
    for name, value in ({"version.cuda": "13.0", "version.hip": None} | patches).items():
        monkeypatch.setattr(f"torch.{name}", value)
    with pytest.raises(DeviceError, match=match):
        best_device("cuda")
    assert best_device("auto") in ("cpu", "mps")


def test_a_step_device_and_mode_are_enough_to_measure(batch):
    one = measure(Step(), "cpu", "eager", plan=SHORT)
    assert (one.model, one.batch_size, one.scope, one.precision, one.mode) == (
        "Sequential",
        16,
        "step",
        "fp32",
        "eager",
    )
    assert measure(Step(), "cpu", "eager", batch=batch, plan=SHORT).scope == "step_and_copy"
    with pytest.raises(BaselineError, match="batch_size"):
        measure(lambda: 1.0, "cpu", "eager", plan=SHORT)


def test_a_live_measurement_can_be_recorded(batch):
    one = measure(Step(), "cpu", batch=batch, plan=SHORT, **NAMED)
    again = baselines.from_json(baselines.to_json(one), "new.json")
    assert again.step_s == one.step_s and again.context == one.context


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_gpu_graphs_train_as_eager_does_and_are_no_slower(batch, optimizer):
    step = Step("cuda", dropout=0.5, optimizer=optimizer)
    plan = Plan(blocks=5, samples_per_block=5, pause_s=0.0, energy_window_s=0.0)
    found, refused = measure_all(step, "cuda", ("eager", "graphs"), ("step",), batch=batch, plan=plan, **NAMED)
    assert not refused
    eager, graphs = found
    assert eager.clock == graphs.clock == "cuda_event" and eager.device_kind == "gpu"
    assert graphs.step_s < eager.step_s  # a net this small is bound by launches
    assert all(not group.get("capturable") for group in step.optimizer.param_groups)


@pytest.mark.gpu
def test_gpu_events_agree_with_the_wall_clock(batch):
    step, timer = Step("cuda"), StepTimer("cuda")
    step.copy_in(*batch)
    for _ in range(10):
        step.compute()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(200):
        with timer:
            step.compute()
    total_s = timer.samples_s().sum()
    assert 0.5 * (time.perf_counter() - started) < total_s <= 1.02 * (time.perf_counter() - started)


@pytest.mark.gpu
def test_gpu_context_and_energy_are_known():
    context = device_context("cuda")
    assert not context["driver"].startswith("unknown") and context["power_limit_w"] > 10
    a = torch.randn(4096, 4096, device="cuda")
    one = measure(lambda: (a @ a) and None, "cuda", scope="step", plan=Plan(blocks=2, pause_s=0.0), **NAMED)
    assert 1 < one.energy_j / one.step_s < 1.5 * context["power_limit_w"]


@pytest.mark.gpu
def test_gpu_memory_that_runs_out_ends_one_measurement_only(batch):
    def exhausting():
        return torch.empty(2**50, device="cuda").sum()

    with pytest.raises(OutOfMemoryError):
        measure(exhausting, "cuda", plan=SHORT, **NAMED)
    assert measure(Step("cuda"), "cuda", batch=batch, plan=SHORT, **NAMED).step_s > 0


@pytest.mark.gpu
@pytest.mark.slow
def test_gpu_two_measurements_agree_within_3_percent(batch):
    net = nn.Sequential(nn.Linear(20, 8192), nn.ReLU(), nn.Linear(8192, 8192), nn.ReLU(), nn.Linear(8192, 5))
    step = Step("cuda", model=net)
    first, second = (measure(step, "cuda", batch=batch, scope="step", **NAMED).step_s for _ in range(2))
    assert first == pytest.approx(second, rel=0.03)
