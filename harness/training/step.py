"""One training step of a workload: what is trained, measured and captured alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from inspect import signature
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

import baselines
from harness.capture import defaults_restored
from harness.settings.errors import ConfigError, HalfstepError, NoRoomError
from harness.settings.schema import OptimizerName
from harness.training.failures import unsuited
from harness.training.target import load_target

if TYPE_CHECKING:
    import torch

    from harness.settings.schema import OptimizerConfig, PrecisionConfig, WorkloadConfig

SINGLE = "give it the float32 numbers that precision= speaks of (model.float(), no torch.set_default_dtype)"
FIRST_SCALE = 1024.0  # of a float16 loss; torch's 65536 overflows at first and skips updates; it doubles in 2000 steps
CHANNELS_LAST, CONTIGUOUS = "channels_last", "contiguous"
LAYOUT_WARMUP = 2  # steps in a memory layout before those that are timed: the fastest convolutions are searched for
LAYOUT_STEPS, LAYOUT_S = 5, 1.0  # timed, fewer where they take longer


class TrainingStep:
    """Forward, backward and update of one batch that lies in `inputs` and `targets` on the device.

    `copy_in(inputs, targets)` moves a batch from the host into these tensors, `compute()` does the rest and returns the
    loss (float, ()), and calling the step is `compute()` alone. `context` is what a record says of it: how its tensors
    lie in memory, where there was a choice.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        precision: PrecisionConfig,
        context: Mapping[str, str | float] | None = None,
    ):
        import torch

        self.context = dict(context or {})
        self.model, self.optimizer = model, optimizer
        self.inputs, self.targets = inputs, targets
        self.device = inputs.device
        self.autocast = getattr(torch, precision.autocast) if precision.autocast else None
        scales = self.autocast is torch.float16 and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(self.device.type, init_scale=FIRST_SCALE) if scales else None

    def copy_in(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Bring a batch from the host into the step's own tensors, without waiting for the device."""
        self.inputs.copy_(inputs, non_blocking=True)
        self.targets.copy_(targets, non_blocking=True)

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(scores, loss) of the batch in place; the loss is float (), of fp32."""
        import torch
        from torch.nn import functional

        with torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            scores = self.model(self.inputs)
            if getattr(scores, "dtype", None) is torch.float64:
                raise ConfigError(f"the model computes its scores in float64: {SINGLE}")
            try:
                # one score vector a target, whether a sample has one target (an image) or many (a text)
                return scores, functional.cross_entropy(scores.flatten(0, -2).float(), self.targets.flatten())
            except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
                if baselines.memory_is_full(error) or "CUDA" in str(error):
                    raise
                raise unsuited(scores, self.targets, error) from None

    def compute(self) -> torch.Tensor:
        """Forward, backward and update; returns the loss, float (), detached."""
        self.optimizer.zero_grad(set_to_none=True)
        _, loss = self.forward()
        if self.scaler:
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            loss.backward()
            self.optimizer.step()
        return loss.detach()

    __call__ = compute


def build_step(
    workload: WorkloadConfig,
    precision: PrecisionConfig,
    batch_size: int,
    device: str = "cpu",
    layout: str | None = None,
) -> TrainingStep:
    """The TrainingStep of a workload with an empty batch in place.

    As a careful owner would, on CUDA the update is one fused kernel, and convolutions work in the memory layout in
    which a step is faster at this precision and batch, channels_last or contiguous; layout: the one to take untimed.
    Raises ConfigError where the model cannot be built, and NoRoomError where the device has no room for it.
    """
    import torch

    try:
        model = build_model(workload).train()  # on the CPU, so that a seed gives the same weights on every device
        check_numbers(model, workload, precision)
        if torch.device(device).type != "cpu":
            model.to(device)
        inputs, targets = empty_batch(workload, batch_size, device)
        context = {}
        if inputs.device.type == "cuda" and inputs.dim() == 4:
            seconds = _seconds_of_steps(model, targets, workload, precision)
            inputs, context = faster_layout(model, inputs, seconds, layout)
        optimizer = build_optimizer(workload.optimizer, model)
    except Exception as error:
        if isinstance(error, HalfstepError) or not baselines.memory_is_full(error):
            raise
        raise NoRoomError(
            f"{workload.name} at batch {batch_size} does not fit {device}: give a smaller batch_size"
        ) from None
    return TrainingStep(model, optimizer, inputs, targets, precision, context)


def build_model(workload: WorkloadConfig) -> torch.nn.Module:
    """The module that the function workload.target returns.

    The function gets workload.arguments, and `num_classes` where it takes it. Raises CaptureError where it cannot be
    imported, and ConfigError where it refuses its arguments or returns no module.
    """
    import torch

    where = f"workload.target={workload.target}"
    build = load_target(workload.target)
    arguments = dict(workload.arguments)
    if _takes(build, "num_classes"):
        arguments.setdefault("num_classes", workload.classes)
    try:
        signature(build).bind(**arguments)
    except TypeError as error:
        raise ConfigError(f"{where} refuses its arguments ({error}): see workload.arguments") from None
    with defaults_restored():
        model = build(**arguments)
    if not isinstance(model, torch.nn.Module):
        raise ConfigError(f"{where} returned a {type(model).__name__}: return the model, a torch.nn.Module")
    return model


def check_numbers(model: torch.nn.Module, workload: WorkloadConfig, precision: PrecisionConfig) -> None:
    """Raise ConfigError for a model whose parameters are not in the format that `precision` says they are."""
    import torch

    said = {torch.float32, torch.complex64} | ({getattr(torch, precision.autocast)} if precision.autocast else set())
    for name, parameter in model.named_parameters():
        if (parameter.is_floating_point() or parameter.is_complex()) and parameter.dtype not in said:
            raise ConfigError(
                f"workload.target={workload.target} builds {name} in {str(parameter.dtype).removeprefix('torch.')}, "
                f"whose figures are none of precision={precision.name}: {SINGLE}"
            )


def _takes(function, name):
    parameters = signature(function).parameters
    return name in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def channels_last(model: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """`inputs` laid out as batch, height, width, channels, and `model` in place, where the model convolves and runs so.

    A model that does not (a `view` of such a tensor is refused) keeps its layout, and `inputs` come back as they are.
    """
    import torch

    if not any(isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d) for module in model.modules()):
        return inputs
    laid_out = inputs.contiguous(memory_format=torch.channels_last)
    model.to(memory_format=torch.channels_last).eval()  # normalisation of a single sample is refused in training
    try:
        with torch.no_grad():
            model(laid_out[:1])
        return laid_out
    except RuntimeError as error:
        if baselines.memory_is_full(error):
            raise
        model.to(memory_format=torch.contiguous_format)
        return inputs
    finally:
        model.train()


def faster_layout(
    model: torch.nn.Module, inputs: torch.Tensor, seconds: Callable[[torch.Tensor], float], layout: str | None = None
) -> tuple[torch.Tensor, dict[str, str | float]]:
    """(`inputs`, what to say of it) in the layout, channels_last or contiguous, in which `model`, put in it, is faster.

    seconds: function (inputs) that times a step of `model` as it lies. layout: the one to take untimed. In fp32 the
    contiguous one can be the faster. Nothing is said of a model that takes only one.
    """
    import torch

    formats = {CHANNELS_LAST: torch.channels_last, CONTIGUOUS: torch.contiguous_format}
    lying = {CHANNELS_LAST: channels_last(model, inputs), CONTIGUOUS: inputs}
    if lying[CHANNELS_LAST] is inputs:
        return inputs, {}
    step_s = {}
    if layout not in formats:
        for name in (CHANNELS_LAST, CONTIGUOUS, CHANNELS_LAST):  # the first time warms the device up for the others
            model.to(memory_format=formats[name])
            step_s[name] = _seconds_or_never(seconds, lying[name])
        layout = min(step_s, key=lambda name: (step_s[name], name == CHANNELS_LAST))
    model.to(memory_format=formats[layout])
    told = {f"{name}_step_s": value for name, value in step_s.items() if np.isfinite(value)}
    return lying[layout], {"memory_format": layout} | told


def _seconds_or_never(seconds, inputs):
    """What `seconds` finds; infinity where the model does not train in the layout of `inputs`."""
    try:
        return seconds(inputs)
    except RuntimeError as error:
        if baselines.memory_is_full(error):
            raise
        return float("inf")


def _seconds_of_steps(model, targets, workload, precision):
    """A function (inputs) that gives the seconds of a step on random data; changes no model and no random numbers."""
    import torch

    def seconds(inputs):
        tensors = dict(chain(model.named_parameters(), model.named_buffers()))
        kept = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
        devices = [inputs.device] if inputs.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices), baselines.matrix_settings(precision.tf32):
                optimizer = build_optimizer(workload.optimizer, model)
                step = TrainingStep(model, optimizer, inputs.normal_(), targets, precision)
                return _median_s(step)
        finally:
            model.zero_grad(set_to_none=True)
            inputs.zero_()
            with torch.no_grad():
                for name, tensor in tensors.items():
                    tensor.copy_(kept[name])

    return seconds


def _median_s(step):
    """Median seconds of a few steps, after those that warm it up."""
    for _ in range(LAYOUT_WARMUP):
        float(step.compute())  # a loss that is read has waited for the device
    timer, started = baselines.StepTimer(step.device), time.monotonic()
    for _ in range(LAYOUT_STEPS):
        with timer:
            loss = step.compute()
        float(loss)
        if time.monotonic() - started > LAYOUT_S:
            break
    return float(np.median(timer.samples_s()))


def build_optimizer(config: OptimizerConfig, model: torch.nn.Module) -> torch.optim.Optimizer:
    """torch's own optimiser of that name over the parameters of `model` that are trained; fused on CUDA."""
    import torch

    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ConfigError("the model has no parameter to train")
    common = {"lr": config.lr, "weight_decay": config.weight_decay}
    if all(p.device.type == "cuda" for p in trained):
        common["fused"] = True
    if config.name is OptimizerName.sgd:
        return torch.optim.SGD(trained, momentum=config.momentum, **common)
    kind = torch.optim.Adam if config.name is OptimizerName.adam else torch.optim.AdamW
    return kind(trained, **common)


def is_text(workload: WorkloadConfig) -> bool:
    """Whether the samples are sequences of tokens (one axis) rather than images."""
    return len(workload.input_shape) == 1


def empty_batch(workload: WorkloadConfig, batch_size: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of the workload's shapes, on `device`: images with a class each, or tokens with the next ones.

    Images are float32 (batch_size, *input_shape) with targets int64 (batch_size,); tokens and their targets are both
    int64 (batch_size, *input_shape).
    """
    import torch

    shape = (batch_size, *workload.input_shape)
    if is_text(workload):
        return torch.zeros(shape, dtype=torch.long, device=device), torch.zeros(shape, dtype=torch.long, device=device)
    return torch.zeros(shape, device=device), torch.zeros(batch_size, dtype=torch.long, device=device)
