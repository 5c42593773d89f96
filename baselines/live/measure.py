"""Measuring a training step on a torch device, in several modes and scopes whose samples are interleaved."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch

from baselines.errors import BaselineError, DeviceError, MeasurementError, OutOfMemoryError
from baselines.live.at_work import Watch
from baselines.live.clock import mark, seconds, synchronize
from baselines.live.device import (
    best_device,
    check_precision,
    device_context,
    device_fault,
    energy_counter,
    free_cached,
    matrix_settings,
    memory_explained,
    rounds_to_tf32,
)
from baselines.live.energy import energy_per_step
from baselines.live.machine import remarks
from baselines.live.modes import KeptState, StepMode, forget_compiled, loss_value, prepared
from baselines.live.sampling import WARM_GPU_AFTER_S, Plan, Warm, take, warm_up
from baselines.live.step import Measurable, StepParts, parts_of, scopes_of, subject_of, updated
from baselines.measurement import Measurement, Subject, Timing, from_samples
from baselines.vocabulary import JUDGED_SCOPE

DEFAULT_PLAN = Plan()
WATCHED_S = 0.5  # of steps beside which a GPU's state is read

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LiveJob:
    """What is measured, how, and the state it starts from."""

    step: StepParts
    device: torch.device
    subject: Subject
    batch: tuple
    batches: Iterator | None
    plan: Plan
    state: KeptState


@dataclass(frozen=True, eq=False)
class LiveRun:
    """What was seen of a step in one mode and scope."""

    mode: str
    scope: str
    warm: Warm
    samples_s: np.ndarray  # float64 (samples,)
    block: np.ndarray  # int64 (samples,)
    steps_per_sample: int
    energy_j: float
    energy_note: str
    context: dict


def measure(
    step: Measurable,
    device: torch.device | str,
    mode: str = "eager",
    *,
    subject: Subject | None = None,
    scope: str | None = None,
    batch: Sequence = (),
    batches: Iterator | None = None,
    plan: Plan = DEFAULT_PLAN,
) -> Measurement:
    """The live Measurement of a training step in one mode and scope; `measure_all` tells what the arguments mean.

    Where they are not given, the subject is read off `step` and `batch` (see `subject_of`), and the scope is "step" for
    a step that could copy a batch in and was given none. Raises BaselineError where that cannot be told, and where the
    mode cannot be measured.
    """
    if scope is None:
        parts = parts_of(step)
        copies_nothing = not parts.bare and (parts.copy_in is None or not len(batch))
        scope = "step" if copies_nothing else JUDGED_SCOPE
    subject = subject_of(step, batch) if subject is None else subject
    found, refused = measure_all(
        step, device, (mode,), (scope,), subject=subject, batch=batch, batches=batches, plan=plan
    )
    if refused:
        raise refused[0][1]
    return found[0]


def measure_all(
    step: Measurable,
    device: torch.device | str,
    modes: Sequence[str] = ("eager",),
    scopes: Sequence[str] = (JUDGED_SCOPE,),
    *,
    subject: Subject,
    batch: Sequence = (),
    batches: Iterator | None = None,
    plan: Plan = DEFAULT_PLAN,
) -> tuple[list[Measurement], list[tuple[str, BaselineError]]]:
    """(Measurements, refusals) of a training step in every mode and scope, their blocks interleaved.

    step: a TrainingStepLike, or less: a callable that trains one step and returns its loss (or None), or an object with
    `compute()`, which does so on data that lie on the device, and `copy_in(*batch)`, which brings a batch into the same
    tensors there each time.
    Of such an object "step" times compute(), "step_and_copy" both in turn; a bare callable is timed as it is, and
    `scope` says what it covers. Modes other than eager need `step.model` and, where the step updates it,
    `step.optimizer`: "graphs" captures compute() in a CUDA graph, "compiled" compiles the model, "compiled_graphs" does
    both, and the mode's losses must agree with eager's from the same state before it is timed.
    The step trains in earnest; weights and optimiser state go back to where they were before each block and at the end.
    subject: what is trained; its precision is what the step computes in: TF32 is on at "tf32" and off at any other.
    batch: what copy_in takes; tensors are pinned for a GPU. batches: an iterator of such batches without an end, as a
    data loader makes them; with it "step_and_loading" times fetching the next batch, copying it and compute().
    Returns a list of Measurements and a list of (mode, BaselineError) of modes left out; raises BaselineError where not
    even the first eager steps run, or a name is none.
    """
    device, parts = torch.device(best_device(str(device))), parts_of(step)
    allowed = scopes_of(parts, loads=batches is not None)
    for scope in scopes:
        if scope not in allowed:
            raise MeasurementError(
                f"scope is {scope!r} and this step can be timed in {', '.join(allowed)}: name one of them"
            )
    check_precision(device, subject.precision)
    with matrix_settings(rounds_to_tf32(device, subject.precision)):
        job = _start(parts, device, subject, batch, batches, plan)
        try:
            runs, refused = _all_runs(job, modes, scopes)
        finally:
            job.state.restore()
    return [_measurement(job.subject, one) for one in runs], refused


def _all_runs(job, modes, scopes):
    """(LiveRuns, refusals) of every mode and scope; what does not fit beside the others may fit alone."""
    runs, refused = _interleaved(job, modes, scopes)
    short = [mode for mode, error in refused if isinstance(error, OutOfMemoryError)]
    if len(modes) > 1:
        refused = [(mode, error) for mode, error in refused if mode not in short]
        for mode in short:
            alone, why = _interleaved(job, (mode,), scopes)
            runs, refused = runs + alone, refused + why
    return runs, refused


def _measurement(subject, one):
    """The Measurement of a LiveRun, with what a reader must know of it in its notes."""
    unstable = [] if one.warm.stable else ["not stable when the warm-up ended"]
    return from_samples(
        one.samples_s,
        subject,
        one.context,
        Timing(mode=one.mode, scope=one.scope, warmup=one.warm.steps, steps_per_sample=one.steps_per_sample),
        block=one.block,
        energy_j=one.energy_j,
        energy_note=one.energy_note,
        notes="; ".join([*unstable, *remarks(one.context)]),
    )


def _start(step, device, subject, batch, batches, plan):
    """The LiveJob of a step after the two steps that create its gradients and optimiser state; raises BaselineError."""
    with memory_explained(device, subject.batch_size):
        batch = tuple(_pinned(one, device) for one in batch)
        before = _before(step, batch, None, JUDGED_SCOPE if batch else "step")

        def compute():
            before()
            return step.compute()

        loss_value(updated(compute, step.scaler, 2)[-1])
        return LiveJob(step, device, subject, batch, batches, plan, KeptState(step))


def _interleaved(job, modes, scopes):
    """(LiveRuns, refusals) of every mode and scope, block by block in turn."""
    timers, warms, refused = [], [], []
    least_s = WARM_GPU_AFTER_S if job.device.type == "cuda" else 0.0
    free_cached(job.device)
    forget_compiled(modes)
    for mode in modes:
        try:
            with memory_explained(job.device, job.subject.batch_size):
                runnable = prepared(mode, job.step, job.state, job.device, job.subject.precision)
                new = [ModeTimer(job, runnable, scope) for scope in scopes]
                warms += [warm_up(timer, job.plan, least_s) for timer in new]
            timers += new
        except BaselineError as error:
            refused.append((mode, _freed(error)))
    try:
        with memory_explained(job.device, job.subject.batch_size):
            samples = take(timers, warms, job.plan)
            context = device_context(job.device) | dict(job.step.context)
            seen = [_seen_at_work(job, timer, warm.step_s) for timer, warm in zip(timers, warms, strict=True)]
            energies = [_energy(job, timer, warm.step_s) for timer, warm in zip(timers, warms, strict=True)]
    except Exception as error:
        error = _freed(_since(error, refused, job.device))
        return [], refused + [(mode, error) for mode in dict.fromkeys(timer.mode.name for timer in timers)]
    return [
        LiveRun(timer.mode.name, timer.scope, warm, *sampled, *energy, context | state)
        for timer, warm, sampled, energy, state in zip(timers, warms, samples, energies, seen, strict=True)
    ], refused


def _since(error, refused, device):
    """What is told of an error while modes were measured: raises it where it is its own, a fault of the step.

    Where a mode that failed before has cost this process its device, that is the reason, and not what fails then.
    """
    if isinstance(error, BaselineError):
        return error
    if refused and (fault := device_fault(device)):
        return DeviceError(f"{device} is of no more use to this process since mode {refused[-1][0]} failed ({fault})")
    raise error


def _freed(error):
    """`error` without the frames it came through, which would keep a mode's memory alive."""
    _log.debug("not measured", exc_info=error)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


class ModeTimer:
    """Times a step in one mode and scope, as `warm_up` and `take` want it."""

    def __init__(self, job: LiveJob, mode: StepMode, scope: str):
        self.mode, self.scope, self._device = mode, scope, job.device
        self._before, self.restart = _before(job.step, job.batch, job.batches, scope), job.state.restore

    def __call__(self, samples: int, steps: int) -> np.ndarray:
        """float64 (samples,), seconds per step; each sample is `steps` steps back to back, and nothing lies between."""
        with self.mode.active():
            marks, loss = [mark(self._device)], None
            for _ in range(samples):
                for _ in range(steps):
                    self._before()
                    loss = self.mode.compute()
                marks.append(mark(self._device))
            synchronize(self._device)
            loss_value(loss)
        return np.array([seconds(start, end) / steps for start, end in pairwise(marks)])


def _before(step, batch, batches, scope) -> Callable[[], None]:
    """What is run before each compute() within `scope`: the loading of a batch, the copy of it, or nothing."""
    if scope == "step" or step.copy_in is None:
        return lambda: None
    if scope == "step_and_loading":
        return lambda: step.copy_in(*next(batches))
    return partial(step.copy_in, *batch)


def _seen_at_work(job, timer, step_s):
    """The state of a GPU while `timer`'s step repeats; nothing elsewhere."""
    watch = Watch(job.device)
    if job.device.type == "cuda":
        timer.restart()
        with watch.beside():
            timer(1, max(1, math.ceil(WATCHED_S / step_s)))
    return watch.seen()


def _energy(job, timer, step_s):
    """(joules per step, note) of the device while `timer`'s step repeats."""
    timer.restart()
    run = partial(timer, 1)
    return energy_per_step(energy_counter(job.device), run, step_s, job.plan.energy_window_s)


def _pinned(one, device):
    """`one`, in page-locked memory where it is a host tensor bound for a GPU."""
    pins = device.type == "cuda" and isinstance(one, torch.Tensor) and one.device.type == "cpu"
    return one.pin_memory() if pins else one
