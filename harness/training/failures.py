"""What goes wrong while a model trains: where in its owner's code, and what to set."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from harness.settings.errors import TrainingError
from harness.training.data.loading import described

if TYPE_CHECKING:
    import torch

    from harness.settings.schema import WorkloadConfig

ROOT = Path(__file__).resolve().parents[2]
TYPES = ("dtype", "scalar type", "input type", "same type", "half", "double")
SHAPES = ("size", "shape", "channels", "must match", "dimension", "expected input", "inputs to have")
HELP = "baseline.device=cpu shows it without a GPU in between, and HYDRA_FULL_ERROR=1 its whole traceback"


def failed(error: Exception, workload: WorkloadConfig, model: torch.nn.Module | None) -> TrainingError:
    """The TrainingError for what a model, or torch in its name, raised while it trained or was evaluated."""
    text = described(error).rstrip(".")
    return TrainingError(
        f"{workload.name} failed while it trained{_where(error)}: {text}. {_advice(error, workload, model)}"
    )


def unsuited(scores: object, targets: torch.Tensor, error: Exception) -> TrainingError:
    """The TrainingError for what a model returned, of which no loss with `targets` can be taken."""
    wanted = f"({', '.join(map(str, targets.shape))}, workload.classes)"
    shape = getattr(scores, "shape", None)
    if shape is None:
        found = f"a {type(scores).__name__}"
    elif "out of bounds" in str(error):
        return TrainingError(
            f"the model gives {shape[-1]} scores a target and the data have more classes ({described(error)}): let it "
            f"return one for each of workload.classes, which it gets as num_classes, or choose data that suit"
        )
    else:
        found = f"a tensor of shape {tuple(shape)}, {str(scores.dtype).removeprefix('torch.')}"
    return TrainingError(
        f"the model returns {found} and its targets are {tuple(targets.shape)} ({described(error)}): let it return one "
        f"tensor of scores, float {wanted}"
    )


def _advice(error, workload, model):
    text = str(error).lower()
    types = {str(p.dtype).removeprefix("torch.") for p in model.parameters()} if model is not None else set()
    if types - {"float32"} and any(word in text for word in TYPES):
        return (
            f"Its weights are {', '.join(sorted(types))} and images are float32: return it in float32, model.float(), "
            f"and choose smaller numbers with precision=bf16 or precision=fp16"
        )
    if "device-side assert" in text:
        return "A target or an index lies outside what it is looked up in: baseline.device=cpu tells which"
    if any(word in text for word in SHAPES):
        shape = ",".join(map(str, workload.input_shape))
        return (
            f"A sample is of workload.input_shape=[{shape}], and the last batch of held-out samples may be a smaller "
            f"one: give the shape that the model takes"
        )
    return HELP


def _where(error):
    """' at file:line, in function' of the innermost frame that is neither torch's nor this program's, or nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if _is_own(Path(one.filename))]
    return f" at {own[-1].filename}:{own[-1].lineno}, in {own[-1].name}" if own else ""


def _is_own(path):
    ours = any(ROOT / folder in path.parents for folder in ("harness", "accel_model", "baselines"))
    return not ours and "site-packages" not in path.parts and not str(path).startswith("<")
