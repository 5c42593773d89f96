"""Which module and which phase an op belongs to, in forward, recompute and backward."""

import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import get_ident

import torch

from accel_model.types import Phase
from harness.capture import torch_operators, torch_private
from harness.capture.storages import Origin, Stored


@dataclass
class Made:
    """What the op that made an autograd node was: its layer, whether it took weights and data, whether it is attention.

    `growing`: more ops of the same node may come.
    """

    layer: int
    weight: bool
    data: bool
    attention: bool
    growing: bool = True


@dataclass(frozen=True)
class OpPlace:
    """Where an op runs: `made` is the Made of the backward node that runs it, or None."""

    layer: int
    phase: Phase | None  # None: outside modules and backward, to be told from the operands
    backward: bool = False
    made: Made | None = None
    attention: bool = False


class Attribution:
    """Follows module calls, autograd nodes and optimiser steps of one training step."""

    def __init__(self, adopt: Callable, seed: Callable):
        """adopt(module): for each new outermost module; seed(tensor): for the gradients a backward starts with."""
        self.layers = [""]
        self.attention = 0  # depth of scaled-dot-product attention calls
        self.updating = 0  # depth of optimiser steps
        self._adopt, self._seed = adopt, seed
        self._index = {"": 0}
        self._paths = {}  # id of a module -> layer
        self._owners = {}  # id of a parameter -> layer
        self._stack = []
        self._made = {}  # (thread, sequence number) -> Made; each thread numbers its nodes
        self._before = -1  # the newest node from before the step
        self._engine = []  # (create_graph, depth of the stack, thread that asked) of each running backward pass

    def name_modules(self, model: torch.nn.Module, prefix: str) -> None:
        """Give every module under `model` its path; the first path of a shared module counts."""
        for path, module in model.named_modules():
            path = ".".join(p for p in (prefix, *path.split(".")) if p and p != "_orig_mod")
            layer = self._layer(path)
            self._paths.setdefault(id(module), layer)
            for parameter in module.parameters(recurse=False):
                self._owners.setdefault(id(parameter), layer)

    def layer_of_parameter(self, parameter: torch.Tensor) -> int:
        """The number in `layers` of the module that owns a parameter, or 0, the model itself."""
        return self._owners.get(id(parameter), 0)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow modules and backward passes while this context is open."""
        modules = torch.nn.modules.module
        with ExitStack() as stack:
            stack.callback(modules.register_module_forward_pre_hook(self._enter).remove)
            stack.callback(modules.register_module_forward_hook(self._leave, always_call=True).remove)
            stack.enter_context(torch_private.on_backward(self._enter_backward, self._leave_backward))
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", ".*there are global hooks on modules.*")  # of compiled ones, traced eager
            self._before = torch_private.sequence_number()
            yield

    def place(self) -> OpPlace:
        """The OpPlace of the op that runs now."""
        node = torch_private.backward_node() if self._engine else None
        attention = self.attention > 0
        if node is None:
            if self.updating and not torch.is_grad_enabled():
                return OpPlace(self._top(), Phase.UPDATE)
            forward = self._stack or self._in_custom_function()
            return OpPlace(self._top(), Phase.FORWARD if forward else None, attention=attention)
        if torch_private.accumulates(node):
            leaf = node.variable
            trained = id(leaf) in self._owners or isinstance(leaf, torch.nn.Parameter)
            phase = Phase.WGRAD if trained else Phase.DGRAD
            return OpPlace(self.layer_of_parameter(leaf), phase, backward=True)
        create_graph, depth, thread = self._engine[-1]
        made = self._made.get((thread, torch_private.node_sequence_number(node)))
        layer = made.layer if made else 0
        if len(self._stack) > depth:
            return OpPlace(self._top(), Phase.RECOMPUTE, attention=attention)
        if torch.is_grad_enabled() and not create_graph:
            return OpPlace(layer, Phase.RECOMPUTE, attention=attention)
        return OpPlace(layer, None, True, made, made is not None and made.attention)

    def note(self, layer: int, origins: Collection[Origin], works: bool) -> None:
        """Remember for the backward pass what the op that just ran was; works: it did more than make a view.

        The first op that works counts for a node. A custom autograd function's node counts all of its ops: they run
        with gradients off.
        """
        number = get_ident(), torch_private.sequence_number()
        made = self._made.get(number)
        weight, data = Origin.WEIGHT in origins, Origin.DATA in origins
        if made is None:
            made = self._made[number] = Made(layer, weight, data, bool(self.attention))
        elif made.growing:
            made.weight |= weight
            made.data |= data
        made.growing &= not (works and torch.is_grad_enabled())

    def _in_custom_function(self):
        """Whether a custom autograd function runs its forward: gradients are off, and a new node is there."""
        number = torch_private.sequence_number()
        made = self._made.get((get_ident(), number))
        return not torch.is_grad_enabled() and (made.growing if made else number > self._before)

    def _top(self):
        return self._stack[-1] if self._stack else 0

    def _layer(self, path):
        if path not in self._index:
            self._index[path] = len(self.layers)
            self.layers.append(path)
        return self._index[path]

    def _enter(self, module, inputs):
        if id(module) not in self._paths and not self._stack:
            self._adopt(module)
        self._stack.append(self._paths.get(id(module), self._top()))

    def _leave(self, module, inputs, output):
        if self._stack:
            self._stack.pop()

    def _enter_backward(self, create_graph, gradients):
        for gradient in gradients:
            if gradient is not None:
                self._seed(gradient)
        self._engine.append((create_graph, len(self._stack), get_ident()))

    def _leave_backward(self):
        self._engine.pop()


@contextmanager
def attention_calls(attribution: Attribution, fused: bool) -> Iterator[None]:
    """While this context is open, `attribution.attention` counts the attention calls that run.

    fused: leave dropout of the scores out, for which the CPU has no fused form.
    """

    def attention(plain, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, **settings):
        with _counted(attribution):
            return plain(query, key, value, attn_mask, 0.0 if fused else dropout_p, is_causal, **settings)

    def flex(*args, **kwargs):
        with _counted(attribution):
            return torch_operators.flex_attention(*args, **kwargs)

    with (
        torch_operators.composite_runs("scaled_dot_product_attention", attention),
        torch_operators.operators_run({"flex_attention": flex}),
    ):
        yield


@contextmanager
def _counted(attribution):
    attribution.attention += 1
    try:
        yield
    finally:
        attribution.attention -= 1


@contextmanager
def ordinary_modules() -> Iterator[None]:
    """While this context is open, attention and encoder modules take no fused path that exists without gradients."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def gradient_phase(made: Made | None, inputs: Collection[Stored], is_product: bool) -> Phase | None:
    """WGRAD or DGRAD of an op in the backward node that `made` describes, where the formula does not know.

    inputs: Stored of its operands. A node of weights alone passes weight gradients on; one of data alone has none. In
    one of both, what multiplies by a weight is the data's gradient and what multiplies by data is the weight's.
    """
    if made is None or (made.weight and made.data):
        if any(stored.of_weight for stored in inputs):
            return Phase.WGRAD
        if made is None or any(stored.origin is Origin.WEIGHT for stored in inputs):
            return Phase.DGRAD
        if is_product or any(not stored.gradient for stored in inputs):
            return Phase.WGRAD
        return None
    return Phase.WGRAD if made.weight else Phase.DGRAD
