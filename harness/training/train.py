"""The training loop: real training whose every step is timed, so that the measured step is the step that trained."""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import baselines
from baselines import Measurement, Subject, Timing
from harness.settings.errors import HalfstepError, NoRoomError, TrainingError
from harness.training.data.loading import loading_error
from harness.training.data.samples import Samples, batches
from harness.training.data.sources import load
from harness.training.failures import failed
from harness.training.step import TrainingStep, build_step

if TYPE_CHECKING:
    import torch

    from harness.settings.schema import PrecisionConfig, RunConfig

LOOK_EVERY = 20  # steps between two looks at the loss, each of which waits for the device
EVALUATION_SHARE = 0.25  # of the training budget that the held-out samples may take at most
MEASURED_SHARE = 0.5  # of the steps at least, however short their warm-up then is


@dataclass(frozen=True, eq=False)
class Training:
    """What training did: the measured steps, and whether it learned."""

    measurement: Measurement
    losses: np.ndarray  # float64 (steps,)
    accuracy: float  # held-out, 0 to 1; NaN where the data are synthetic
    evaluated: int  # held-out samples that accuracy was taken over
    epochs: float  # passes over the training samples
    steps_per_epoch: int
    steps_s: float  # sum of all its steps
    wall_s: float  # the whole loop, with the loading of data
    samples: Samples
    stopped_by: str  # what ended it: epochs, steps or budget
    parameters: int  # trained weights


def train(
    config: RunConfig, device: str, on_step: Callable[[int, float, float], None] = lambda done, total, loss: None
) -> Training:
    """Train the workload of `config` (RunConfig) on a torch device as config.train says.

    on_step: called after every step with steps done, steps planned and the last loss looked at (NaN before the first).
    Raises DataError for samples that are missing or damaged, TrainingError where the loss diverges, memory runs out or
    the model does not fit the data, and BaselineError for a precision that a GPU has no arithmetic for.
    """
    import torch

    workload, settings = config.workload, config.train
    if torch.device(device).type == "cuda":
        baselines.check_precision(device, config.precision.name)
    samples = load(config.data, workload, config.batch_size, config.seed)
    loader = batches(samples.train, config.batch_size, config.data, config.seed, True, device)
    planned, stopped_by = plan(config, len(loader))
    with seeded(config.seed), matrix_precision(config.precision), contextlib.ExitStack() as stack:
        models = []
        stack.enter_context(explained(config, device, models))
        step = build_step(workload, config.precision, config.batch_size, device)
        models.append(step.model)
        energy_so_far = baselines.meter(baselines.energy_counter(device))
        timer, losses, seen, started = baselines.StepTimer(device), [], math.nan, time.perf_counter()
        watch = baselines.Watch(device)
        for inputs, targets in forever(loader):
            with timer:
                step.copy_in(inputs, targets)
                losses.append(step.compute())
            if len(losses) > settings.warmup:
                watch.look()  # between two steps: the device has the one to do that was queued
            if len(losses) % LOOK_EVERY == 0 or len(losses) == planned:
                seen = _finite(losses, workload)
            on_step(len(losses), planned, seen)
            if len(losses) >= planned:
                break
            if time.perf_counter() - started > settings.budget_s and len(losses) > settings.warmup:
                stopped_by = "budget"
                break
        taken_s = timer.samples_s()
        wall_s, (energy_j, energy_note) = time.perf_counter() - started, energy_so_far(len(losses))
        context = step.context | watch.context()
        _finite(losses, workload)
        accuracy, evaluated = evaluate(step, samples, config, device)
    warmup, notes = warm_from(taken_s, settings.warmup, device), baselines.remarks(context)
    if torch.device(device).type == "cuda" and (warm_s := float(taken_s[:warmup].sum())) < baselines.WARM_GPU_AFTER_S:
        notes.append(f"the device had {warm_s:.2g} s of steps to warm up")
    return Training(
        measurement=baselines.from_samples(
            taken_s[warmup:],
            Subject(
                workload=workload.name,
                model=workload.target,
                dataset=samples.name,
                input_shape="x".join(map(str, workload.input_shape)),
                batch_size=config.batch_size,
                precision=config.precision.name,
            ),
            context,
            Timing(warmup=warmup),
            energy_j=energy_j,
            energy_note=energy_note,
            notes="; ".join(notes),
        ),
        losses=torch.stack(losses).double().cpu().numpy(),
        accuracy=accuracy,
        evaluated=evaluated,
        epochs=len(losses) / len(loader),
        steps_per_epoch=len(loader),
        steps_s=float(taken_s.sum()),
        wall_s=wall_s,
        samples=samples,
        stopped_by=stopped_by,
        parameters=sum(p.numel() for p in step.model.parameters() if p.requires_grad),
    )


def plan(config: RunConfig, steps_per_epoch: int) -> tuple[int, str]:
    """(steps that training takes unless its budget ends first, what ends it: epochs or steps).

    A workload that asks for a number of timed steps gets them after the warm-up, however few samples there are.
    """
    settings = config.train
    if settings.steps and config.workload.timed_steps:
        return settings.steps + settings.warmup, "steps"
    whole = settings.epochs * steps_per_epoch
    return (settings.steps, "steps") if settings.steps and settings.steps <= whole else (whole, "epochs")


def warm_from(taken_s: np.ndarray, warmup: int, device: str) -> int:
    """How many of the steps that took `taken_s`, float64 (steps,), were its warm-up: `warmup`, and on a GPU more.

    There all steps that began within the time in which its clocks settle, but for MEASURED_SHARE of the steps.
    """
    import torch

    warmup = min(warmup, len(taken_s) - 1)
    if torch.device(device).type != "cuda":
        return warmup
    settled = int(np.searchsorted(np.cumsum(taken_s), baselines.WARM_GPU_AFTER_S)) + 1
    return max(warmup, min(settled, int((1 - MEASURED_SHARE) * len(taken_s))))


def evaluate(step: TrainingStep, samples: Samples, config: RunConfig, device: str) -> tuple[float, int]:
    """Share of held-out targets that the model ranks first, and how many samples that is over.

    Returns (NaN, 0) for synthetic data. Stops after EVALUATION_SHARE of the training budget.
    """
    import torch

    if not samples.real:
        return math.nan, 0
    step.model.eval()
    right = targets_seen = seen = 0
    started = time.perf_counter()
    for inputs, targets in batches(samples.held_out, config.batch_size, config.data, config.seed, False, device):
        step.inputs, step.targets = inputs.to(device), targets.to(device)
        with torch.no_grad():
            scores, _ = step.forward()
        right += int((scores.flatten(0, -2).argmax(-1) == step.targets.flatten()).sum())
        targets_seen += step.targets.numel()
        seen += len(inputs)
        if time.perf_counter() - started > EVALUATION_SHARE * config.train.budget_s:
            break
    step.model.train()
    return right / max(targets_seen, 1), seen


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of torch that start from `seed`, and go on where they were afterwards."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def matrix_precision(precision: PrecisionConfig) -> contextlib.AbstractContextManager:
    """Let a GPU round fp32 matrix operands to TF32 only where `precision` (PrecisionConfig) says so.

    And, as its owner would, search for the fastest convolutions: the shapes of a step do not change.
    """
    return baselines.matrix_settings(precision.tf32)


@contextlib.contextmanager
def explained(config: RunConfig, device: str, models: Sequence[torch.nn.Module] = ()) -> Iterator[None]:
    """Turn what goes wrong while a model is built, trained and evaluated into a DataError or a TrainingError.

    models: the one that is trained, once it is built.
    """
    try:
        yield
    except Exception as error:  # a user's model may raise anything
        if told := loading_error(error):
            raise told from None
        if isinstance(error, HalfstepError | baselines.BaselineError):
            raise
        if baselines.memory_is_full(error):
            raise NoRoomError(
                f"{config.workload.name} at batch {config.batch_size} does not fit the memory of {device}: "
                f"give a smaller one, e.g. batch_size={max(config.batch_size // 2, 1)}"
            ) from None
        raise failed(error, config.workload, next(iter(models), None)) from error


def check_memory(needed_bytes: int, config: RunConfig, device: str) -> None:
    """Raise TrainingError where a step that holds `needed_bytes` at its peak does not fit what `device` has free."""
    import torch

    device = torch.device(device)
    if fault := baselines.device_fault(device):
        raise TrainingError(
            f"{device} is of no more use to this process ({fault}), since something failed on it before: "
            f"run the same command again"
        )
    if device.type == "cuda":
        gc.collect()  # what an earlier run of this process left to torch is free too
        torch.cuda.empty_cache()
        free_bytes = torch.cuda.mem_get_info(device)[0]
    else:
        import psutil

        free_bytes = psutil.virtual_memory().available
    if needed_bytes > free_bytes:
        raise TrainingError(
            f"a step of {config.workload.name} at batch {config.batch_size} holds {needed_bytes / 1e9:.1f} GB and "
            f"{device} has {free_bytes / 1e9:.1f} GB free: give a smaller batch_size, or compare without training "
            f"here, baseline=published"
        )


def forever(loader: Iterable) -> Iterator:
    """Batches of one pass over the samples after the other."""
    while True:
        yield from loader


def _finite(losses, workload):
    """The last of `losses`, waiting for the device; raises TrainingError where it is not finite."""
    loss = float(losses[-1])
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss of {workload.name} is {loss} after {len(losses)} steps: give a smaller workload.optimizer.lr "
            f"than {workload.optimizer.lr}"
        )
    return loss
