"""Ops whose fake kernels return another layout or format than the real ones; each is seen on torch 2.14.

Tests that compare fake traces with real ones hold these, and show when torch mends them.
"""

from collections.abc import Callable

import torch

from harness.capture import torch_private


def contiguous(arguments: tuple, out: torch.Tensor) -> torch.Tensor:
    """Real loss gradients are allocated contiguous, fake ones like the input."""
    return out if out.is_contiguous() else out.contiguous()


def norm(arguments: tuple, outputs: tuple) -> tuple:
    """Real statistics have the format of the parameters or running statistics, fake ones the data's."""
    out, *statistics = outputs
    like = next((a for a in arguments[1:] if isinstance(a, torch.Tensor)), None)
    return outputs if like is None else (out, *(s.to(like.dtype) for s in statistics))


def group_norm_backward(arguments: tuple, outputs: tuple) -> tuple:
    """The real gradient of the data has the data's format, the fake one the parameters'."""
    d_input, *others = outputs
    return outputs if d_input is None else (d_input.to(arguments[1].dtype), *others)


CORRECTIONS = {
    "aten::mse_loss_backward": contiguous,
    "aten::smooth_l1_loss_backward": contiguous,
    "aten::huber_loss_backward": contiguous,
    "aten::native_batch_norm": norm,
    "aten::native_layer_norm": norm,
    "aten::native_group_norm": norm,
    "aten::native_group_norm_backward": group_norm_backward,
}


def corrected(op: Callable, arguments: tuple, outputs: object) -> object:
    """What the real kernel of `op` would have returned where `outputs`, of a fake one, are not like it."""
    correct = CORRECTIONS.get(torch_private.schema_of(op).name)
    if correct is None:
        return outputs
    return correct(arguments, outputs)
