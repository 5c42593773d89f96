"""Which optimisers are one row per parameter, what that row costs, and that nothing else of a step is lost in it."""

import itertools

import pytest
import torch
from torch import nn

from accel_model.types import Kind, Phase
from harness.capture import capture, capture_model, every_op
from harness.capture.update_rules import RULES, rule_of

N, K = 6, 10  # a weight's rows and columns
ELEMENTS = 1 << 14  # more than the scalars that a step computes beside

OPTIONS = {  # optimiser: its options that change the rule
    torch.optim.SGD: {
        "momentum": [0.0, 0.9],
        "weight_decay": [0.0, 0.1],
        "dampening": [0.0, 0.5],
        "maximize": [False, True],
    },
    torch.optim.Adam: {"weight_decay": [0.0, 0.1], "amsgrad": [False, True], "maximize": [False, True]},
    torch.optim.AdamW: {"weight_decay": [0.0, 0.1], "amsgrad": [False, True], "maximize": [False, True]},
    torch.optim.NAdam: {"weight_decay": [0.0, 0.1], "decoupled_weight_decay": [False, True], "maximize": [False, True]},
    torch.optim.RAdam: {"weight_decay": [0.0, 0.1], "decoupled_weight_decay": [False, True], "maximize": [False, True]},
    torch.optim.Adamax: {"weight_decay": [0.0, 0.1], "maximize": [False, True]},
    torch.optim.Adagrad: {"weight_decay": [0.0, 0.1], "lr_decay": [0.0, 0.1], "maximize": [False, True]},
    torch.optim.Adadelta: {"weight_decay": [0.0, 0.1], "maximize": [False, True]},
    torch.optim.RMSprop: {
        "weight_decay": [0.0, 0.1],
        "momentum": [0.0, 0.9],
        "centered": [False, True],
        "maximize": [False, True],
    },
    torch.optim.ASGD: {"weight_decay": [0.0, 0.1], "t0": [0.0], "maximize": [False, True]},
    torch.optim.Rprop: {"maximize": [False, True]},
}
EXTRA = [(torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": w}) for w in (0.0, 0.1)]
CASES = EXTRA + [
    (kind, dict(zip(options, values, strict=True)))
    for kind, options in OPTIONS.items()
    for values in itertools.product(*options.values())
]
FREE = {
    "copy_",
    "clone",
    "detach",
    "lift_fresh",
    "_to_copy",
    "zeros_like",
    "view_as_real",
    "alias",
    "_local_scalar_dense",
}
COSTS = {  # what torch does to one element in each op; what is not here is one operation
    "lerp_": 3,
    "clamp_": 2,
    "index_put_": 1,
}


def executed(op, args, kwargs):
    """Elementary operations per element that an op of an optimiser's own code does, each op by its definition."""
    name = op.overloadpacket.__name__
    if name in FREE:
        return 0
    if name in ("add", "add_", "sub", "sub_"):
        return 1 if abs(kwargs.get("alpha", 1)) == 1 else 2
    if name.startswith(("addcmul", "addcdiv")):
        return 2 if abs(kwargs.get("value", 1)) == 1 else 3
    return COSTS.get(name, 1)


@pytest.mark.parametrize(
    "kind, options", CASES, ids=lambda value: str(value) if isinstance(value, dict) else value.__name__
)
def test_a_rule_counts_what_torch_s_own_code_does(kind, options):
    """Counted op by op in the steady state, from what the one-tensor form of the optimiser executes."""
    parameter = nn.Parameter(torch.rand(ELEMENTS))
    optimizer = kind([parameter], lr=0.01, foreach=False, **options)
    for _ in range(8):  # RAdam's average is long enough from here on
        parameter.grad = torch.rand(ELEMENTS) - 0.5
        optimizer.step()
    counted = [0]

    def count(op, args, kwargs):
        out = op(*args, **kwargs)
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        if max((t.numel() for t in tensors), default=0) == ELEMENTS:
            counted[0] += executed(op, args, kwargs)
        return out

    with every_op(count):
        optimizer.step()
    rounded = 1 if kind is torch.optim.RAdam else 0  # torch divides by the root as a reciprocal and a product
    assert rule_of(optimizer)(optimizer.param_groups[0]) == counted[0] - rounded


def test_the_list_holds_no_optimiser_whose_update_needs_more_than_its_element():
    listed = {kind.__name__ for kind in RULES}
    every = {name for name in torch.optim.__all__ if isinstance(getattr(torch.optim, name), type)}
    assert every - listed == {"Adafactor", "LBFGS", "Muon", "Optimizer", "SparseAdam"}


def trained(make):
    """A build of a step of one linear layer with the optimiser that `make(parameters)` gives."""

    def build():
        model, x = nn.Linear(K, N, bias=False), torch.randn(8, K)
        optimizer = make(model.parameters())

        def step():
            def closure():
                optimizer.zero_grad()
                loss = model(x).mean()
                loss.backward()
                return loss

            optimizer.step(closure)

        step.model, step.optimizer = model, optimizer
        return step

    return build


class Orthogonal(torch.optim.SGD):
    """A user's own: orthogonalises by one product before its parent's step."""

    def step(self, closure=None):
        loss = super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.sub_((parameter @ parameter.t()) @ parameter)
        return loss


class Shampoo(torch.optim.Optimizer):
    """Preconditions each side of a gradient, by products."""

    def __init__(self, parameters):
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure()
        for parameter in self.param_groups[0]["params"]:
            grad = parameter.grad
            parameter -= (grad @ grad.t()) @ grad @ (grad.t() @ grad)
        return loss


class Gathered(torch.optim.SGD):
    """Changes gradients where its parent collects them."""

    def _init_group(self, group, params, grads, momenta):
        sparse = super()._init_group(group, params, grads, momenta)
        grads[:] = [grad @ (grad.t() @ grad) for grad in grads]
        return sparse


class Named(torch.optim.AdamW):
    """Another name and other defaults: the same rule."""

    def __init__(self, parameters):
        super().__init__(parameters, lr=0.1, weight_decay=0.5)


EXECUTED = {  # name: (optimiser, MACs of its update of an N x K weight, N <= K)
    "Muon": (lambda p: torch.optim.Muon(p, lr=0.01), 5 * (2 * N * N * K + N**3)),
    "Muon with fewer iterations": (lambda p: torch.optim.Muon(p, lr=0.01, ns_steps=2), 2 * (2 * N * N * K + N**3)),
    "overridden step": (lambda p: Orthogonal(p, lr=0.01), 2 * N * N * K),
    "own": (Shampoo, N * N * K + N * N * K + K * N * K + N * K * K),
    "overridden part": (lambda p: Gathered(p, lr=0.01), 2 * N * K * K),
}


@pytest.mark.parametrize("name", EXECUTED)
@pytest.mark.parametrize("fake", [False, True])
def test_an_optimiser_that_is_not_on_the_list_is_traced_as_executed(name, fake):
    make, macs = EXECUTED[name]
    trace = capture_model(trained(make)) if fake else capture(trained(make)())
    found = trace.macs_by_phase()
    assert (found["update"], found["forward"], found["wgrad"]) == (macs, 8 * K * N, 8 * K * N)
    assert not (trace.ops.kind == Kind.OPTIMIZER).any()
    assert trace.uncounted == {}


def test_adafactor_s_outer_product_is_counted():
    found = capture(trained(lambda p: torch.optim.Adafactor(p))()).macs_by_phase()
    assert found["update"] == N * K


def test_a_subclass_that_only_has_other_defaults_keeps_the_rule():
    trace = capture(trained(Named)())
    assert (trace.ops.kind == Kind.OPTIMIZER).sum() == 1
    assert trace.ops.vector_ops[trace.ops.kind == Kind.OPTIMIZER].tolist() == [14 * N * K]


def test_groups_have_their_own_options():
    def make(parameters):
        (weight,) = parameters
        other = nn.Parameter(torch.zeros(5))
        other.grad = torch.ones(5)
        groups = [{"params": [weight], "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {"params": [other]}]
        optimizer = torch.optim.SGD(groups, lr=0.1)
        optimizer.zero_grad = lambda set_to_none=True: setattr(weight, "grad", None)
        return optimizer

    trace = capture(trained(make)())
    updates = trace.ops.kind == Kind.OPTIMIZER
    assert trace.ops.vector_ops[updates].tolist() == [8 * N * K, 2 * 5]


def test_steps_that_autograd_follows_are_traced_as_executed_and_once(rows):
    weight = nn.Parameter(torch.rand(5))

    def step():
        learned = weight * 2.0
        optimizer = torch.optim.SGD([learned], lr=0.1, differentiable=True)
        learned.grad = torch.rand(5)
        optimizer.step()
        learned.sum().backward()

    trace = capture(step, warmup=0)
    assert not (trace.ops.kind == Kind.OPTIMIZER).any()
    assert [row["name"] for row in rows(trace)].count("aten::add_") == 1


def test_a_closure_s_work_without_gradients_is_not_lost():
    teacher, model, x = nn.Linear(K, N), nn.Linear(K, N), torch.randn(8, K)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad()
        with torch.no_grad():
            target = teacher(x)
        loss = (model(x) - target).pow(2).mean()
        loss.backward()
        return loss

    for step in (lambda: optimizer.step(closure), lambda: optimizer.step(closure=closure)):
        found = capture(step, nn.ModuleList([model, teacher])).macs_by_phase()
        assert (found["forward"], found["update"]) == (2 * 8 * K * N, 0)


def test_hooks_that_a_user_gave_an_optimiser_are_traced(rows):
    model, x, average = nn.Linear(K, N, bias=False), torch.randn(8, K), torch.zeros(N, K)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def centre(optimizer, args, kwargs):
        with torch.no_grad():
            model.weight.grad.copy_(model.weight.grad @ model.weight.grad.t() @ model.weight.grad)

    def follow(optimizer, args, kwargs):
        average.lerp_(model.weight.detach(), 0.1)

    optimizer.register_step_pre_hook(centre)
    optimizer.register_step_post_hook(follow)

    def step():
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()

    trace = capture(step)
    assert trace.macs_by_phase()["update"] == 2 * N * N * K
    names = [row["name"] for row in rows(trace) if row["phase"] is Phase.UPDATE]
    assert names.index("SGD") < names.index("aten::lerp_")
    hooks = [optimizer.register_step_pre_hook(print), optimizer.register_step_post_hook(print)]
    for hook, own in zip(hooks, (2, 2), strict=True):
        assert len(hook.hooks_dict_ref()) == own  # the capture left none of its own


def test_a_step_that_fails_leaves_the_optimiser_as_it_was():
    model = nn.Linear(K, N)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def fail():
        raise ValueError("no loss")

    with pytest.raises(Exception, match="no loss"):
        capture(lambda: optimizer.step(fail), model, warmup=0)
    hook = optimizer.register_step_pre_hook(print)
    assert len(hook.hooks_dict_ref()) == 1
