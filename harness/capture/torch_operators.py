"""torch's operators that run functions, as the plain Python that they stand for, and how the dispatcher is told so.

Of control flow, what runs is the branch that is taken: torch's own autograd of these operators traces every branch and
repeats the forward pass in the backward one, which is how it differentiates a graph, not what the step asks for. Beside
torch_private.py this is the one file that names private attributes of torch; the same test holds both.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch.utils import _pytree


def cond(chosen: object, true: Callable, false: Callable, operands: Sequence = ()) -> object:
    """torch.cond: one branch of two; of samples that vmap runs together and that differ, both."""
    if isinstance(chosen, torch.Tensor) and torch._C._functorch.is_batchedtensor(chosen):
        return _pytree.tree_map(partial(torch.where, chosen), true(*operands), false(*operands))
    return (true if chosen else false)(*operands)


def switch(index: object, branches: Sequence[Callable], operands: Sequence = ()) -> object:
    """torch.switch: one branch of several; an index outside of them takes the nearest."""
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


def while_loop(goes_on: Callable, body: Callable, carried: Sequence, additional: Sequence = (), **_: object) -> tuple:
    """torch.while_loop: a body that is repeated while the condition holds."""
    while goes_on(*carried, *additional):
        carried = leaves_of(body(*carried, *additional))
    return tuple(carried)


def scan(combine: Callable, init: Sequence, xs: Sequence, additional: Sequence = (), **_: object) -> tuple:
    """torch's scan along the first axis: (last carry, stacked outputs)."""
    carry, outs = init, []
    for slices in zip(*(x.unbind(0) for x in xs), strict=True):
        carry, out = combine(*leaves_of(carry), *slices, *additional)
        outs.append(out)
    return carry, stacked(outs)


def mapped(function: Callable, xs: Sequence, additional: Sequence = (), **_: object) -> object:
    """torch's map: the function of each slice, stacked."""
    outs = [function(*slices, *additional) for slices in zip(*(x.unbind(0) for x in xs), strict=True)]
    return stacked(outs)


def leaves_of(nest: object) -> list:
    """The leaves of a nest of lists, tuples, dicts and what else torch takes for a nest."""
    return _pytree.tree_leaves(nest)


def stacked(nests: list) -> object:
    """Nests of one form as one, its tensors stacked; what is no tensor is the first's."""

    def join(*leaves):
        return torch.stack(leaves) if isinstance(leaves[0], torch.Tensor) else leaves[0]

    return _pytree.tree_map(join, *nests)


def associative_scan(combine: Callable, xs: list, additional_inputs: tuple = (), **_: object) -> object:
    """torch's associative scan along the first axis, as a tree of pairs."""
    from torch._higher_order_ops.associative_scan import generic_associative_scan

    forms = []

    def noted(*args):
        out = combine(*args)
        forms.append(_pytree.tree_structure(out))
        return out

    leaves = generic_associative_scan(noted, xs, additional_inputs=additional_inputs)
    return _pytree.tree_unflatten(leaves, forms[0]) if forms else leaves


def flex_attention(*args: object, **kwargs: object) -> tuple:
    """torch's flex_attention, its scores in memory, in ops that autograd follows: (out, log-sum, largest scores)."""
    from torch._higher_order_ops.flex_attention import math_attention

    return math_attention(*args, **kwargs)


PLAIN = {
    "cond": cond,
    "switch": switch,
    "while_loop": while_loop,
    "scan": scan,
    "map_impl": mapped,
    "associative_scan": associative_scan,
    "flex_attention": flex_attention,
}
"""{name of a higher-order operator: what is run in its place}."""


@contextmanager
def composite_runs(name: str, run: Callable) -> Iterator[None]:
    """While this context is open, `run(plain, *args, **kwargs)` is called in place of the composite operator `name`.

    plain(*args, **kwargs) does what torch would. The dispatcher itself calls `run`, so that it matters not how the
    operator's function was imported. Tensors of inference mode have no autograd and come not here.
    """
    op = getattr(torch.ops.aten, name).default
    library = torch.library.Library("aten", "IMPL")

    def kernel(*args, **kwargs):
        return run(op.decompose, *args, **kwargs)

    try:
        for device in ("CPU", "CUDA", "Meta", "XPU", "MPS", "PrivateUse1"):
            library.impl(name, kernel, f"Autograd{device}", allow_override=True)
        yield
    finally:
        library._destroy()


@contextmanager
def operators_run(functions: dict[str, Callable]) -> Iterator[None]:
    """While this context is open, torch's higher-order operators of these names are run by these functions."""
    from torch._ops import HigherOrderOperator

    original = HigherOrderOperator.dispatch

    def dispatch(self, /, key, *args, **kwargs):
        function = functions.get(self.name())
        if function is None:
            return original(self, key, *args, **kwargs)
        return function(*args, **kwargs)

    HigherOrderOperator.dispatch = dispatch
    try:
        yield
    finally:
        HigherOrderOperator.dispatch = original


@contextmanager
def flex_attention_on_any_device() -> Iterator[None]:
    """While this context is open, flex_attention takes tensors that need gradients on the CPU too.

    A trace needs no device, and torch refuses them for want of a kernel, which nothing here runs.
    """
    module = sys.modules.get("torch.nn.attention.flex_attention")
    check = getattr(module, "_validate_device", None)
    if check is None:
        yield
        return
    module._validate_device = lambda *tensors: None
    try:
        yield
    finally:
        module._validate_device = check
