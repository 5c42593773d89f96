"""Elementary operations per parameter element of torch's elementwise optimisers, with the options in force.

Each rule counts what `_single_tensor_*` of torch.optim (2.14) does to the elements of one parameter, in the steady
state: a product, sum, division, root, comparison or selection is one, so `add(alpha)` is 2, `lerp` 3, and `addcmul` and
`addcdiv` 3, or 2 where their value is 1 or -1. What is done once per tensor (bias corrections, learning rates) is not
counted. A multiplication by 1 is none, so dampening of 0 costs nothing.
An optimiser belongs here only where each element's update needs that element of parameter, gradient and state alone.
Adafactor (norms, and an outer product), Muon (products), LBFGS and SparseAdam do not.
"""

from collections.abc import Callable
from inspect import unwrap

import torch

from harness.capture import torch_private
from harness.capture.storages import is_plain

Rule = Callable[[dict], int]


def sgd(group: dict) -> int:
    """p - lr g: 2. Momentum m b + (1 - d) g: 2, or 3 with dampening d; Nesterov's g + m b: 2."""
    momentum = (3 if group["dampening"] else 2) if group["momentum"] else 0
    return 2 + momentum + 2 * bool(group["nesterov"]) + prepared(group)


def adam(group: dict) -> int:
    """First moment, a lerp: 3. Second, b v + (1 - b) g g: 1 + 3. sqrt(v) / c + eps: 3. p - s m / that: 3.

    Amsgrad's maximum: 1.
    """
    return 13 + bool(group["amsgrad"]) + prepared(group)


def nadam(group: dict) -> int:
    """Moments as Adam's: 7. sqrt(v / c) + eps: 3. p less the gradient's and the moment's share, each over that: 6."""
    return 16 + prepared(group)


def radam(group: dict) -> int:
    """Moments as Adam's: 7. m / c: 1. c / (sqrt(v) + eps): 3. Their product with lr and rectification: 3. p - that: 1.

    This is the rectified update; the first steps, where the average is too short for one, do less.
    """
    return 15 + prepared(group)


def adamax(group: dict) -> int:
    """First moment, a lerp: 3. max(b u, |g| + eps): 4. p - s m / u: 3."""
    return 10 + prepared(group)


def adagrad(group: dict) -> int:
    """s + g g: 2. sqrt(s) + eps: 2. p - lr g / that: 3."""
    return 7 + prepared(group)


def adadelta(group: dict) -> int:
    """r v + (1 - r) g g: 4. Two roots of a sum with eps: 4. d, their quotient times g: 2. r a + (1 - r) d d: 4.

    p - lr d: 2.
    """
    return 16 + prepared(group)


def rmsprop(group: dict) -> int:
    """a v + (1 - a) g g: 4. sqrt(v) + eps: 2. p - lr g / that: 3, or by momentum m b + g / that: 3, and p - lr b: 2.

    Centred: the gradient's mean, a lerp: 3; v less its square: 2.
    """
    return 6 + (5 if group["momentum"] > 0 else 3) + 5 * bool(group["centered"]) + prepared(group)


def asgd(group: dict) -> int:
    """p (1 - l e): 1. p - e g: 2. The average a + m (p - a): 3; before step t0 it is the parameter itself."""
    return 6 + prepared(group)


def rprop(group: dict) -> int:
    """sign(g h): 2. Three comparisons that each select a factor: 6. Step times factor, clamped on both sides: 3.

    The gradient where the sign did not turn: 2. p - sign(g) s: 3.
    """
    return 16 + prepared(group)


def prepared(group: dict) -> int:
    """What every rule does to a gradient first: -g, 1, to maximise; weight decay.

    Decay is g + w p, 2; decoupled it is p (1 - lr w), 1.
    """
    decay = 1 if group.get("decoupled_weight_decay") else 2
    return bool(group["maximize"]) + (decay if group.get("weight_decay", 0) else 0)


RULES: dict[type, Rule] = {
    torch.optim.SGD: sgd,
    torch.optim.Adam: adam,
    torch.optim.AdamW: adam,
    torch.optim.NAdam: nadam,
    torch.optim.RAdam: radam,
    torch.optim.Adamax: adamax,
    torch.optim.Adagrad: adagrad,
    torch.optim.Adadelta: adadelta,
    torch.optim.RMSprop: rmsprop,
    torch.optim.ASGD: asgd,
    torch.optim.Rprop: rprop,
}


def rule_of(optimizer: torch.optim.Optimizer) -> Rule | None:
    """The rule by which an optimiser steps, or None where it is to be traced as executed.

    It has one if its class is listed, or derives from one that is and changes nothing of it but how it is made; if
    autograd does not follow its steps; and if no parameter or gradient is sparse, nested or a wrapper of others.
    """
    base = next((kind for kind in type(optimizer).__mro__ if kind in RULES), None)
    if base is None or _changes(type(optimizer), base):
        return None
    if any(group.get("differentiable") for group in optimizer.param_groups):
        return None
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    stored = all(p.grad is None or (_is_stored(p) and _is_stored(p.grad)) for p in parameters)
    return RULES[base] if stored else None


def _is_stored(tensor):
    """Whether a tensor is its own memory: neither sparse nor nested, nor a wrapper of others."""
    return is_plain(tensor) and any(piece is tensor for piece in torch_private.components(tensor))


def _changes(kind, base):
    """Whether a class, or one between it and `base`, has another form of something that `base` has."""
    for between in kind.__mro__[: kind.__mro__.index(base)]:
        for name, value in vars(between).items():
            original = getattr(base, name, None)
            if original is None or name.startswith("__"):
                continue
            if not callable(original) or unwrap(value) is not unwrap(original):
                return True
    return False
