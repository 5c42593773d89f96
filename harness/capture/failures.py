"""What went wrong in a user's code while it was captured, where, and what to do."""

import re
import traceback
from pathlib import Path

import torch

from harness.capture import torch_private
from harness.settings.errors import CaptureError

OWN = Path(__file__).parent
TORCH = Path(torch.__file__).parent
FULL_WORDS = ("out of memory", "allocate memory", "not enough memory", "alloc_failed", "allocation_failed")
"""What CUDA, its libraries and the system say, in lower case, where memory ran out."""
SHAPE_WORDS = ("size mismatch", "shapes", "must match", "expected input", "to have", "invalid for input of size")
"""What torch says where a model gets tensors of sizes that it does not take."""
LAYOUT_WORDS = ("sparse", "compressed tensor", "nested", "mkldnn", "cannot access storage", "opaque", "shape_env")
OPERATOR_WORDS = (  # what torch says where it has no rule for one of its operators
    r"HigherOrderOperator '?(\w+)",
    r"\bHOP (\w+)",
    r"[Bb]atching rule not implemented for (\S+?)[;,.]?(?:\s|$)",
    r"(\w+::\w+)\S* with Meta tensors",
    r"(?:no fake impl|no meta).*?(\w+::\w+)",
    r"derivative for '?(\w+::\w+)'? is not implemented",
    r"Could not run '(\w+::\w+)",
    r"(\w+): computation on \w+ is not implemented",
)
TRACERS = ("torch._dynamo", "torch.fx", "torch._functorch")


def is_own_bug(error: BaseException) -> bool:
    """Whether an exception rose in the bookkeeping of the capture and not in the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.name in ("_see", "_write") and OWN in Path(frame.filename).parents for frame in frames)


def refused(error: BaseException, name: str) -> CaptureError:
    """The CaptureError for an exception that `name` raised."""
    reasons = [error] if error.__cause__ is None else [error, error.__cause__]
    detail = "; ".join(_line(reason) for reason in reasons)
    return CaptureError(f"{name} failed{_where(error)}: {detail.rstrip('.')}. {_advice(error)}")


def trains_nothing(name: str) -> CaptureError:
    """The CaptureError for a step that changes no parameter."""
    return CaptureError(
        f"{name} trains nothing: no parameter got a gradient or an update. Call backward() on the loss, and check that "
        "the model has parameters with requires_grad=True"
    )


def refuse_uncounted(uncounted: dict[str, tuple[int, int]]) -> CaptureError:
    """The CaptureError for ops without a formula, {name: (count, bytes)}."""
    names = ", ".join(f"{name} ({count} times)" for name, (count, _) in sorted(uncounted.items()))
    return CaptureError(
        f"no formula for {names}: add one to the FORMULAS of a file in harness/capture/formulas, such as matmul.py for "
        "products and vector.py for the rest, or capture without strict"
    )


def _line(error):
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _where(error):
    """' at file:line, in function' of the user's innermost frame, and of an installed model's inside it, or nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in frames if not _is_library(Path(frame.filename))]
    if not frames:
        return ""
    own = [frame for frame in frames if "site-packages" not in Path(frame.filename).parts]
    here, inside = own[-1] if own else frames[-1], frames[-1]
    text = f" at {here.filename}:{here.lineno}, in {here.name}"
    return text if inside is here else f"{text} ({inside.filename}:{inside.lineno}, in {inside.name})"


def _is_library(path):
    return OWN in path.parents or TORCH in path.parents or str(path).startswith("<")


def _torchs_operator(error):
    """The operator of torch that torch itself could not transform or trace, or None where the error is no such one."""
    causes = [one for one in (error, error.__cause__, error.__context__) if one is not None]
    text = " ".join(str(one) for one in causes)
    for pattern in OPERATOR_WORDS:
        if found := re.search(pattern, text):
            return found[1]
    frames = [Path(frame.filename) for one in causes for frame in traceback.extract_tb(one.__traceback__)]
    inner = frames[-1] if frames else Path()
    if inner.parent.name == "_higher_order_ops" or any(type(one).__module__.startswith(TRACERS) for one in causes):
        named = [path.stem for path in frames if path.parent.name == "_higher_order_ops" and path.stem != "utils"]
        return named[0] if named else "torch.compile"
    return None


def _advice(error):
    text = f"{error} {error.__cause__}".lower()
    if torch_private.needs_values(error):
        return "It needs values, which fake tensors do not have: capture it with real tensors, harness.capture.capture"
    if "convert all tensors to faketensors" in text:
        return "It uses a tensor that was made before: make model and data inside the function that builds the step"
    if any(word in text for word in LAYOUT_WORDS) and torch_private.fake_mode_is_active():
        return (
            "Fake tensors do not have this layout: capture it with real tensors, harness.capture.capture, or build "
            "dense ones"
        )
    if operator := _torchs_operator(error):
        return (
            f"torch itself has no {operator} for these tensors, or does not transform it here; the step may well run "
            "outside of the capture. Write it without that operator"
            + (
                ", or capture it with real tensors, harness.capture.capture"
                if torch_private.fake_mode_is_active()
                else ""
            )
        )
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(word in text for word in FULL_WORDS)):
        return "It ran out of memory: capture it on fake tensors, harness.capture.capture_model"
    if any(word in text for word in ("cuda", "nvidia", "gpu")):
        return "It asks for a GPU: build the model and the data on the CPU; a trace needs no device"
    if any(word in text for word in SHAPE_WORDS):
        return "The shapes do not go together: give the ones that the model takes, e.g. workload.input_shape=[1,28,28]"
    return "Call it once outside of the capture to see its whole traceback, and mend it there"
