"""Where torch makes fake tensors otherwise than real ones, or not at all; each is seen on torch 2.14.

Tests that compare fake traces with real ones hold these, and show when torch mends them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.nn import parameter

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


@contextmanager
def lazy_parameters_are_fake() -> Iterator[None]:
    """While this context is open, parameters and buffers of lazy modules are made as fake tensors.

    Their own way, a subclass of a plain tensor around the data, refuses a fake one.
    """
    (fake,) = torch_private.fake_tensor_types()

    def materialize(self, shape, device=None, dtype=None):
        dtype = self.dtype if dtype is None else dtype
        self.__class__ = fake
        self.data = torch.empty(shape, dtype=dtype)

    def make(kind, mark):
        lazy = type(kind)("FakeLazy", (fake, kind), {"materialize": materialize})

        def new(cls, requires_grad=mark == "_is_param", device=None, dtype=None, persistent=True):
            made = torch.empty(0, device=device, dtype=dtype).requires_grad_(requires_grad)
            made.__class__, made.persistent = lazy, persistent
            setattr(made, mark, True)
            return made

        return new

    kinds = {parameter.UninitializedParameter: "_is_param", parameter.UninitializedBuffer: "_is_buffer"}
    originals = {kind: kind.__new__ for kind in kinds}
    try:
        for kind, mark in kinds.items():
            kind.__new__ = make(kind, mark)
        yield
    finally:
        for kind, original in originals.items():
            kind.__new__ = original
