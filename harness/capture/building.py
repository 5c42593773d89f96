"""Building a model whose parameters need no values."""

from contextlib import contextmanager

from harness.capture import torch_private


@contextmanager
def initialisation_does_nothing():
    """While this context is open, the functions of torch.nn.init leave their tensor as it is and return it."""
    functions = torch_private.initialisers()
    init = torch_private.initialisation_module()
    try:
        for name in functions:
            setattr(init, name, _unchanged)
        yield
    finally:
        for name, function in functions.items():
            setattr(init, name, function)


def _unchanged(tensor, *args, **kwargs):
    return tensor
