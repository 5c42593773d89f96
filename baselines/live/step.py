"""What can be measured: a training step, by the parts that it has."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch

from baselines.errors import LossError, MeasurementError
from baselines.measurement import Subject
from baselines.vocabulary import LIVE_SCOPES, RECORDED_SCOPES, SCOPES

MOST_SKIPPED = 24  # updates that overflow before a step is given up: torch's first scale of 2^16, halved to 2^-8

Loss = torch.Tensor | float | None
"""One number, whose reading waits for the device; None where a step tells none."""


@runtime_checkable
class ComputingStep(Protocol):
    """Trains one step on data that lie on the device."""

    def compute(self) -> Loss: ...


@runtime_checkable
class CopyingStep(ComputingStep, Protocol):
    """Also brings a batch from the host into the same tensors on the device each time."""

    copy_in: Callable[..., None]


@runtime_checkable
class ModelStep(Protocol):
    """Has the model that it trains, so that modes other than eager can be prepared and checked."""

    model: torch.nn.Module


@runtime_checkable
class UpdatingStep(ModelStep, Protocol):
    """Has the optimiser that updates it, whose state is kept with the model's."""

    optimizer: torch.optim.Optimizer


@runtime_checkable
class ScaledStep(Protocol):
    """Has the scaler of its float16 gradients, or None: part of the state, and what tells a skipped update."""

    scaler: torch.amp.GradScaler | None


@runtime_checkable
class DescribedStep(Protocol):
    """Has what a record should say of it, by names as in a Measurement's context."""

    context: Mapping[str, str | float]


@runtime_checkable
class FilledStep(Protocol):
    """Has the tensor that a batch is copied into, whose first axis is the batch."""

    inputs: torch.Tensor


class TrainingStepLike(CopyingStep, UpdatingStep, FilledStep, Protocol):
    """A step that can be measured in every mode and scope, and named without being told."""


Measurable = TrainingStepLike | CopyingStep | ComputingStep | Callable[[], Loss]


@dataclass(frozen=True, eq=False)
class StepParts:
    """What there is of a step: `compute()` trains it, and `copy_in(*batch)` brings a batch to it."""

    compute: Callable[[], Loss]
    copy_in: Callable[..., None] | None = None
    model: torch.nn.Module | None = None
    optimizer: torch.optim.Optimizer | None = None
    scaler: torch.amp.GradScaler | None = None
    context: Mapping[str, str | float] = field(default_factory=dict)
    bare: bool = False  # a callable: it is timed as it is, whatever that covers


def parts_of(step: Measurable) -> StepParts:
    """The StepParts of a step, or of a callable that trains one."""
    bare = not isinstance(step, ComputingStep)
    return StepParts(
        compute=step if bare else step.compute,
        copy_in=step.copy_in if isinstance(step, CopyingStep) else None,
        model=step.model if isinstance(step, ModelStep) else None,
        optimizer=step.optimizer if isinstance(step, UpdatingStep) else None,
        scaler=step.scaler if isinstance(step, ScaledStep) and _scales(step.scaler) else None,
        context=step.context if isinstance(step, DescribedStep) and isinstance(step.context, Mapping) else {},
        bare=bare,
    )


def _scales(scaler):
    return all(hasattr(scaler, name) for name in ("get_scale", "state_dict", "load_state_dict"))


def updated(compute: Callable[[], float | None], scaler: torch.amp.GradScaler | None, count: int) -> list[float | None]:
    """The losses of the next `count` steps that update the weights.

    A step whose float16 gradients overflow updates nothing: it is no step of the training, whose next one starts from
    the same weights at the smaller scale that the scaler then has. Raises LossError where that never ends.
    """
    losses, skipped = [], 0
    while len(losses) < count:
        scale = scaler.get_scale() if scaler else 0.0
        loss = compute()
        if not scaler or scaler.get_scale() >= scale:
            losses.append(loss)
            continue
        skipped += 1
        if skipped > MOST_SKIPPED:
            raise LossError(
                f"{skipped} updates in a row overflow float16, the last at a loss scale of {scale:g}: the step does "
                "not train; lower the learning rate, or use precision=bf16 or fp32"
            )
    return losses


def scopes_of(parts: StepParts, loads: bool) -> tuple[str, ...]:
    """What of a step can be timed; `loads`: whether there are batches to load."""
    if parts.bare:
        return tuple(SCOPES)
    if parts.copy_in is None:
        return ("step",)
    return LIVE_SCOPES if loads else RECORDED_SCOPES


def subject_of(step: Measurable, batch: Iterable = (), precision: str = "fp32") -> Subject:
    """The Subject that can be read off a step: its model's class, or the function's name, and its batch size.

    batch: what the step is to copy in. Raises MeasurementError where no tensor tells the batch size.
    """
    model = parts_of(step).model
    first = next(iter(batch), step.inputs if isinstance(step, FilledStep) else None)
    if not isinstance(first, torch.Tensor) or not first.dim():
        raise MeasurementError(
            "how many samples the step trains on cannot be told from it: give subject=Subject(batch_size=...)"
        )
    named = type(step if model is None else model).__name__
    return Subject(
        model=named if model is not None else getattr(step, "__name__", named),
        batch_size=len(first),
        precision=precision,
    )
