"""Timing of torch devices: the only file of this package that imports torch."""

import contextlib
import logging
import math
import time
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise

import numpy as np
import torch

from baselines.errors import BaselineError, DeviceError, LossError, MeasurementError, ModeError, OutOfMemoryError
from baselines.live.agreement import check, reference
from baselines.live.energy import NvmlCounter, RaplCounter, energy_per_step
from baselines.live.machine import machine_context
from baselines.live.nvml import gpu_state
from baselines.live.remarks import remarks
from baselines.live.sampling import Plan, Warm, take, warm_up
from baselines.measurement import SCOPES, from_samples

CHECKED_STEPS = 3
CAPTURE_WARMUP = 3  # steps on a side stream before a capture, as in torch's notes on CUDA graphs
TF32_CAPABILITY = (8, 0)  # Ampere

_log = logging.getLogger(__name__)


def best_device(wanted="auto"):
    """The torch device to use, "cuda", "mps" or "cpu" (an index may follow, as in "cuda:1").

    wanted: "auto" takes the best one present; any other name is checked and returned.
    Raises DeviceError, which says why a device that was asked for cannot be used.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            if not (fault := _cuda_fault(0)):
                return "cuda"
            _log.warning("going on without the GPU: %s", fault)
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except (RuntimeError, TypeError):
        raise DeviceError(f"no device is called {wanted!r}: write baseline.device=auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and (fault := _cuda_fault(device.index or 0)):
        raise DeviceError(
            f"baseline.device is {wanted!r}, but {fault}; write baseline.device=cpu to go on without a GPU"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("baseline.device is 'mps', but torch finds no Apple GPU here: write baseline.device=cpu")
    if device.type == "meta":
        raise DeviceError("baseline.device is 'meta', which computes nothing: write baseline.device=cpu")
    return str(wanted)


def _cuda_fault(index):
    """Why CUDA device `index` cannot be used, or "" where it can."""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"this torch ({torch.__version__}) is built without CUDA: install a CUDA build of torch"
    if not torch.cuda.is_available():
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            return f"CUDA does not start ({str(error).splitlines()[0]}): check that nvidia-smi lists a GPU"
        return "CUDA finds no GPU: check that nvidia-smi lists one and that CUDA_VISIBLE_DEVICES does not hide it"
    if index >= torch.cuda.device_count():
        return f"there are only {torch.cuda.device_count()} GPUs here, numbered from 0"
    major, minor = torch.cuda.get_device_capability(index)
    built = [int(arch[3:].rstrip("af")) for arch in torch.cuda.get_arch_list() if arch.startswith("sm_")]
    if built and major * 10 + minor < min(built):
        return (
            f"{torch.cuda.get_device_name(index)} has compute capability {major}.{minor} and this torch "
            f"({torch.__version__}) needs {min(built) / 10:.1f} or newer: install an older torch built for it"
        )
    try:
        torch.zeros(1, device=f"cuda:{index}").cpu()
    except RuntimeError as error:
        return (
            f"{torch.cuda.get_device_name(index)} refuses its first use ({_first_line(error)}): look in nvidia-smi for "
            f"a process that holds it alone or fills its memory"
        )
    return ""


def device_context(device):
    """What is known of a torch device and of what runs on it, as a dict of texts and numbers with units in the names.

    Always there: device, device_kind, clock, torch, and what `machine_context` tells; on NVIDIA GPUs also driver,
    clocks, power limit, temperature and the number of other processes, as far as NVML answers.
    """
    device = torch.device(device)
    context = machine_context() | {"torch": str(torch.__version__), "clock": "perf_counter"} | _torch_settings()
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return context | {
            "device": properties.name,
            "device_kind": "gpu",
            "clock": "cuda_event",
            "compute_capability": f"{properties.major}.{properties.minor}",
            "memory_bytes": properties.total_memory,
            "cuda": str(torch.version.cuda or torch.version.hip),
            "cudnn": torch.backends.cudnn.version() or 0,
            **gpu_state(_uuid(device)),
        }
    if device.type == "cpu":
        return context | {"device": context["cpu"], "device_kind": "cpu", "threads": torch.get_num_threads()}
    return context | {"device": f"{device.type} of {context['cpu']}", "device_kind": "gpu"}


class StepTimer:
    """Seconds of every step that runs inside `with timer:`, with CUDA events on GPUs and perf_counter elsewhere.

    On a GPU nothing is synchronised inside the loop: the time from one step's start event to its end event on the
    device's current stream, so a device that waits for the host's launches is seen waiting.
    """

    def __init__(self, device):
        self._device = torch.device(device)
        self._starts, self._ends = [], []

    def __enter__(self):
        self._starts.append(_mark(self._device))
        return self

    def __exit__(self, failure, *_):
        if failure:
            self._starts.pop()
        else:
            self._ends.append(_mark(self._device))

    def samples_s(self):
        """float64 (steps,), seconds of each step so far; waits for the device once."""
        synchronize(self._device)
        pairs = zip(self._starts, self._ends, strict=True)
        return np.array([_seconds(start, end) for start, end in pairs], np.float64)


def measure(
    step,
    device,
    mode="eager",
    *,
    workload="",
    model=None,
    batch_size=None,
    precision="fp32",
    scope=None,
    batch=(),
    batches=None,
    variant="",
    dataset="",
    input_shape="",
    notes="",
    plan=None,
):
    """The live Measurement of a training step in one mode and scope; `measure_all` tells what the arguments mean.

    Where they are not given, the model's name and the batch size are read off `step` and `batch`, and the scope is
    "step" for a step that could copy a batch in and was given none. Raises BaselineError where that cannot be told, and
    where the mode cannot be measured.
    """
    if scope is None:
        copies_nothing = hasattr(step, "compute") and not (hasattr(step, "copy_in") and len(batch))
        scope = "step" if copies_nothing else "step_and_copy"
    found, refused = measure_all(
        step,
        device,
        (mode,),
        (scope,),
        workload=workload,
        model=model or _name(step),
        batch_size=_batch_size(step, batch) if batch_size is None else batch_size,
        precision=precision,
        batch=batch,
        batches=batches,
        variant=variant,
        dataset=dataset,
        input_shape=input_shape,
        notes=notes,
        plan=plan,
    )
    if refused:
        raise refused[0][1]
    return found[0]


def measure_all(
    step,
    device,
    modes=("eager",),
    scopes=("step_and_copy",),
    *,
    workload,
    model,
    batch_size,
    precision,
    batch=(),
    batches=None,
    variant="",
    dataset="",
    input_shape="",
    notes="",
    plan=None,
):
    """(Measurements, refusals) of a training step in every mode and scope, their blocks interleaved.

    step: a callable that trains one step and returns its loss (or None), or an object with `compute()`, which does so
    on data that lie on the device, and `copy_in(*batch)`, which brings a batch into the same tensors there each time.
    Of such an object "step" times compute(), "step_and_copy" both in turn; a bare callable is timed as it is, and
    `scope` says what it covers. Modes other than eager need `step.model` and, where the step updates it,
    `step.optimizer`: "graphs" captures compute() in a CUDA graph, "compiled" compiles the model, and the mode's losses
    must agree with eager's from the same state before it is timed.
    The step trains in earnest; weights and optimiser state go back to where they were before each block and at the end.
    batch: what copy_in takes; tensors are pinned for a GPU. batches: an iterator of such batches without an end, as a
    data loader makes them; with it "step_and_loading" times fetching the next batch, copying it and compute().
    precision: what the step computes in; "fp32" turns TF32 off and "tf32" turns it on while measuring.
    plan: a sampling Plan. Returns a list of Measurements and a list of (mode, BaselineError) of modes left out; raises
    BaselineError where not even the first eager steps run, or a name is none.
    """
    device = torch.device(best_device(str(device)))
    allowed = _scopes(step, batches)
    for scope in scopes:
        if scope not in allowed:
            raise MeasurementError(
                f"scope is {scope!r} and this step can be timed in {', '.join(allowed)}: name one of them"
            )
    with _settings(device, precision):
        job = _start(step, device, batch, batches, batch_size, precision, plan or Plan())
        try:
            runs, refused = _interleaved(job, modes, scopes)
            short = [mode for mode, error in refused if isinstance(error, OutOfMemoryError)]
            if len(modes) > 1:  # what does not fit beside the others may fit alone
                refused = [(mode, error) for mode, error in refused if mode not in short]
                for mode in short:
                    alone, why = _interleaved(job, (mode,), scopes)
                    runs, refused = runs + alone, refused + why
        finally:
            job.state.restore()
    found = [
        from_samples(
            one.samples_s,
            block=one.block,
            context=one.context,
            workload=workload,
            model=model,
            batch_size=batch_size,
            precision=precision,
            mode=one.mode,
            scope=one.scope,
            variant=variant,
            dataset=dataset,
            input_shape=input_shape,
            warmup=one.warm.steps,
            steps_per_sample=one.steps_per_sample,
            energy_j=one.energy_j,
            energy_note=one.energy_note,
            notes="; ".join(filter(None, (notes, *_unstable(one.warm), *remarks(one.context)))),
        )
        for one in runs
    ]
    return found, refused


@dataclass(frozen=True, eq=False)
class _Job:
    """What is measured, how, and the state it starts from."""

    step: object
    device: torch.device
    batch: tuple
    batches: object  # iterator of batches, or None
    batch_size: int
    precision: str
    plan: Plan
    state: "_State"


@dataclass(frozen=True, eq=False)
class _Run:
    """What was seen of a step in one mode and scope."""

    mode: str
    scope: str
    warm: Warm
    samples_s: np.ndarray
    block: np.ndarray
    steps_per_sample: int
    energy_j: float
    energy_note: str
    context: dict


def _name(step):
    """What to call the model of a step: its class, or the function's name."""
    model = getattr(step, "model", None)
    return type(model).__name__ if model is not None else getattr(step, "__name__", type(step).__name__)


def _batch_size(step, batch):
    """The samples of a step, as its first tensor tells; raises MeasurementError where there is none."""
    first = next(iter(batch), getattr(step, "inputs", None))
    if not isinstance(first, torch.Tensor) or not first.dim():
        raise MeasurementError("how many samples the step trains on cannot be told from it: give batch_size=...")
    return len(first)


def _scopes(step, batches):
    """What of a step can be timed; a bare callable is timed as it is, and may cover anything."""
    if not hasattr(step, "compute"):
        return SCOPES
    if not hasattr(step, "copy_in"):
        return ("step",)
    return ("step", "step_and_copy", *(["step_and_loading"] if batches is not None else []))


def _start(step, device, batch, batches, batch_size, precision, plan):
    """The _Job of a step after the two steps that create its gradients and optimiser state; raises BaselineError."""
    with _explained(device, batch_size):
        batch = tuple(_pinned(one, device) for one in batch)
        for _ in range(2):
            _before(step, batch, None, "step_and_copy" if batch else "step")()
            loss = _compute(step)()
        _loss_value(loss)
        return _Job(step, device, batch, batches, batch_size, precision, plan, _State(step))


def _interleaved(job, modes, scopes):
    """(_Runs, refusals) of every mode and scope, block by block in turn."""
    timers, warms, refused = [], [], []
    if job.device.type == "cuda":
        torch.cuda.empty_cache()
    for mode in modes:
        try:
            with _explained(job.device, job.batch_size):
                prepared = _prepared(job, mode)
                new = [_Timer(job, prepared, scope) for scope in scopes]
                warms += [warm_up(timer, job.plan) for timer in new]
            timers += new
        except BaselineError as error:
            refused.append((mode, _freed(error)))
    try:
        with _explained(job.device, job.batch_size):
            samples = take(timers, warms, job.plan)
            context = device_context(job.device)
            energies = [_energy(job, timer, warm.step_s) for timer, warm in zip(timers, warms, strict=True)]
    except BaselineError as error:
        error = _freed(error)
        return [], refused + [(mode, error) for mode in dict.fromkeys(timer.mode.name for timer in timers)]
    return [
        _Run(timer.mode.name, timer.scope, warm, *sampled, *energy, context)
        for timer, warm, sampled, energy in zip(timers, warms, samples, energies, strict=True)
    ], refused


def _freed(error):
    """`error` without the frames it came through, which would keep a mode's memory alive."""
    _log.debug("not measured", exc_info=error)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


@dataclass(frozen=True)
class _Mode:
    """One way to run a step: `compute()` returns the loss; it is called inside `active()`."""

    name: str
    compute: callable
    active: callable = contextlib.nullcontext


class _State:
    """The tensors of a step's model and optimiser, kept on the host so that they take no room on the device."""

    def __init__(self, step):
        model, optimizer = getattr(step, "model", None), getattr(step, "optimizer", None)
        states = optimizer.state.values() if optimizer else ()
        tensors = chain(
            *((model.parameters(), model.buffers()) if model else ()),
            (value for state in states for value in state.values() if isinstance(value, torch.Tensor)),
        )
        self._saved = [(tensor, tensor.detach().to("cpu", copy=True)) for tensor in tensors]

    @torch.no_grad()
    def restore(self):
        """Write the kept values back into the same tensors."""
        for tensor, saved in self._saved:
            tensor.copy_(saved)


class _Timer:
    """Times a step in one mode and scope, as `warm_up` and `take` want it."""

    def __init__(self, job, mode, scope):
        self.mode, self.scope, self._device = mode, scope, job.device
        self._before, self.restart = _before(job.step, job.batch, job.batches, scope), job.state.restore

    def __call__(self, samples, steps):
        """float64 (samples,), seconds per step; each sample is `steps` steps back to back, and nothing lies between."""
        with self.mode.active():
            marks, loss = [_mark(self._device)], None
            for _ in range(samples):
                for _ in range(steps):
                    self._before()
                    loss = self.mode.compute()
                marks.append(_mark(self._device))
            synchronize(self._device)
            _loss_value(loss)
        return np.array([_seconds(start, end) / steps for start, end in pairwise(marks)])


def _prepared(job, mode):
    """The _Mode called `mode`, its losses checked against eager's; raises ModeError or LossError."""
    eager = _Mode("eager", _compute(job.step))
    if mode == "eager":
        return eager
    if mode not in ("graphs", "compiled"):
        raise ModeError(f"no mode is called {mode!r}: use eager, graphs or compiled")
    if getattr(job.step, "model", None) is None:
        raise ModeError(f"mode {mode} needs a step with a `model`, so that its loss can be checked from the same state")
    expected = reference(partial(_losses, job, eager), job.precision)  # before a capture takes its share of memory
    try:
        prepared = {"graphs": _captured, "compiled": _compiled}[mode](job.step, job.device)
        _losses(job, prepared, seed=0)
    except (BaselineError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the compiler and the capture raise of every kind
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise ModeError(f"the step cannot run in mode {mode}: {reason}") from error
    check(mode, partial(_losses, job, prepared), expected, job.precision)
    return prepared


def _compiled(step, device):
    """The step with its model compiled, for this batch size alone, while the mode is active."""
    torch.compiler.reset()  # or, after some models of one class, torch would quietly run the next ones eagerly
    before = step.model._compiled_call_impl
    step.model.compile(dynamic=False)
    compiled, step.model._compiled_call_impl = step.model._compiled_call_impl, before

    @contextlib.contextmanager
    def active():
        step.model._compiled_call_impl = compiled
        try:
            yield
        finally:
            step.model._compiled_call_impl = before

    return _Mode("compiled", _compute(step), active)


def _captured(step, device):
    """The step's compute() captured in a CUDA graph."""
    if device.type != "cuda":
        raise ModeError(f"CUDA graphs need a CUDA device and this is {device}: use mode eager or compiled")
    compute, active = _compute(step), partial(_capturable, getattr(step, "optimizer", None), device, {})
    graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
    with torch.cuda.device(device), active():
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(CAPTURE_WARMUP):
                compute()
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(graph):
            loss = compute()

    def replay():
        graph.replay()
        return loss

    return _Mode("graphs", replay, active)


@contextlib.contextmanager
def _capturable(optimizer, device, counts):
    """Let an optimiser of Adam's kind be captured: its step counts lie on the device, in the tensors of `counts`."""
    groups = [group for group in optimizer.param_groups if group.get("capturable") is False] if optimizer else []
    weights = [weight for group in groups for weight in group["params"] if "step" in optimizer.state.get(weight, {})]
    host = {weight: optimizer.state[weight]["step"] for weight in weights}
    for weight in weights:
        counts.setdefault(weight, torch.zeros_like(host[weight], device=device)).copy_(host[weight])
        optimizer.state[weight]["step"] = counts[weight]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for weight in weights:
            host[weight].copy_(counts[weight])
            optimizer.state[weight]["step"] = host[weight]
        for group in groups:
            group["capturable"] = False


def _compute(step):
    """What trains one step on data that lie on the device."""
    return getattr(step, "compute", step)


def _before(step, batch, batches, scope):
    """What is run before each compute() within `scope`: the loading of a batch, the copy of it, or nothing."""
    if scope == "step" or not (hasattr(step, "copy_in") and hasattr(step, "compute")):
        return lambda: None
    if scope == "step_and_loading":
        return lambda: step.copy_in(*next(batches))
    return partial(step.copy_in, *batch)


def _losses(job, mode, seed):
    """float64 (CHECKED_STEPS,), the losses from the kept state and this seed."""
    job.state.restore()
    devices = [job.device] if job.device.type == "cuda" else []
    with torch.random.fork_rng(devices), mode.active():
        torch.manual_seed(seed)
        losses = [_loss_value(mode.compute()) for _ in range(CHECKED_STEPS)]
    if None in losses:
        raise ModeError("modes other than eager need a step that returns its loss, so that it can be checked")
    return np.array(losses)


def _loss_value(loss):
    """The loss as a float, None where the step returns none; raises LossError where it is not finite."""
    if loss is None:
        return None
    try:
        value = float(loss)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "CUDA" in str(error):
            raise
        raise LossError(f"a step must return its loss, one number, and returned a {type(loss).__name__}") from None
    if not math.isfinite(value):
        raise LossError(f"the loss is {value}: the step does not train; lower the learning rate or check the data")
    return value


@contextlib.contextmanager
def _explained(device, batch_size):
    """Turn torch's ways of saying that memory ran out into OutOfMemoryError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        short = ("can't allocate memory", "not enough memory", "out of memory")
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in short):
            raise
        reason = _first_line(error)
    else:
        return
    if device.type == "cuda":
        torch.cuda.empty_cache()
    raise OutOfMemoryError(
        f"a step at batch {batch_size} does not fit the memory of {device} ({reason}): give a smaller one"
    )


@contextlib.contextmanager
def _settings(device, precision):
    """What a careful owner sets while `precision` is measured: TF32 as named, the fastest convolutions searched for."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    if precision == "tf32" and not (
        device.type == "cuda" and torch.cuda.get_device_capability(device) >= TF32_CAPABILITY
    ):
        raise ModeError(f"{device} has no TF32: it needs a GPU of compute capability 8.0 or newer; use precision=fp32")
    before = cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    try:
        cudnn.benchmark = True
        if precision in ("fp32", "tf32"):
            cudnn.allow_tf32 = matmul.allow_tf32 = precision == "tf32"
        yield
    finally:
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = before


def _torch_settings():
    """The settings that decide how fast and how exactly torch computes; those it will not tell are left out.

    torch refuses to read the older settings of TF32 once the newer ones were written.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    found = {"convolutions_searched": cudnn.benchmark}
    for name, backend in (("tf32_matmul", matmul), ("tf32_convolution", cudnn)):
        with contextlib.suppress(RuntimeError):
            found[name] = backend.allow_tf32
    return found


def _unstable(warm):
    return [] if warm.stable else ["not stable when the warm-up ended"]


def energy_counter(device):
    """The counter of the energy that a torch device uses, or None where none is known."""
    device = torch.device(device)
    return {"cuda": lambda: NvmlCounter(_uuid(device)), "cpu": RaplCounter}.get(device.type, lambda: None)()


def _energy(job, timer, step_s):
    """(joules per step, note) of the device while `timer`'s step repeats."""
    timer.restart()
    run = partial(timer, 1)
    return energy_per_step(energy_counter(job.device), run, step_s, job.plan.energy_window_s)


def _uuid(device):
    """The UUID under which NVML knows a CUDA device."""
    return f"GPU-{getattr(torch.cuda.get_device_properties(device), 'uuid', '')}"


def _pinned(one, device):
    """`one`, in page-locked memory where it is a host tensor bound for a GPU."""
    pins = device.type == "cuda" and isinstance(one, torch.Tensor) and one.device.type == "cpu"
    return one.pin_memory() if pins else one


def _first_line(error):
    return (str(error).strip().splitlines() or ["no reason given"])[0][:300]


def _mark(device):
    """A point in time on `device`: an event on its current stream for CUDA, seconds elsewhere."""
    if device.type == "cuda":
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(device))
        return event
    synchronize(device)
    return time.perf_counter()


def _seconds(start, end):
    """Seconds between two marks that lie in the past."""
    return end - start if isinstance(end, float) else start.elapsed_time(end) / 1e3  # events count milliseconds


def synchronize(device):
    """Wait until `device` has done all that was queued on it; the CPU has no queue."""
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize()
