"""Whatever a step does is in its trace: frozen and tied parameters, accumulation, second derivatives, transforms."""

import torch
from torch import nn
from torch.nn import functional

from accel_model.types import Kind, Phase, Role
from harness.capture import capture

X = torch.randn(3, 4)


def mlp():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2))


L0, L2, L4 = 3 * 4 * 5, 3 * 5 * 6, 3 * 6 * 2  # MACs of its layers


def test_frozen_layers_pass_gradients_on_but_have_none(step_of):
    model = mlp()
    model[2].requires_grad_(False)
    macs = capture(step_of(model, X)).macs_by_phase()
    assert (macs["dgrad"], macs["wgrad"]) == (L2 + L4, L0 + L4)


def test_frozen_first_layers_need_no_backward_pass(step_of):
    model = mlp()
    model[:3].requires_grad_(False)
    trace = capture(step_of(model, X))
    macs = trace.macs_by_phase()
    assert (macs["dgrad"], macs["wgrad"]) == (0, L4)
    assert (trace.tensors.role == Role.PARAMETER).sum() == 6
    assert (trace.tensors.role == Role.GRADIENT).sum() == 2


def test_tied_weights_are_one_parameter_with_both_gradients(step_of, rows):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, tokens):
            return self.head(self.embedding(tokens))

    trace = capture(step_of(Tied(), torch.arange(6)))
    assert (trace.tensors.role == Role.PARAMETER).sum() == 1
    wgrad = [row["name"] for row in rows(trace) if row["phase"] is Phase.WGRAD]
    assert {"aten::mm", "aten::embedding_dense_backward", "aten::add"} <= set(wgrad)


def test_accumulated_gradients_repeat_the_passes_and_update_once():
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(times):
        optimizer.zero_grad()
        for _ in range(times):
            model(X).mean().backward()
        optimizer.step()

    once, thrice = (capture(lambda n=n: step(n)) for n in (1, 3))
    for phase in ("forward", "dgrad", "wgrad"):
        assert thrice.macs_by_phase()[phase] == 3 * once.macs_by_phase()[phase]
    assert (thrice.ops.kind == Kind.OPTIMIZER).sum() == (once.ops.kind == Kind.OPTIMIZER).sum() == 6
    assert (thrice.tensors.role == Role.GRADIENT).sum() == 6


def test_several_losses_with_a_kept_graph():
    model = mlp()

    def step():
        out = model(X)
        out.mean().backward(retain_graph=True)
        out.pow(2).mean().backward()

    macs = capture(step).macs_by_phase()
    assert (macs["forward"], macs["wgrad"], macs["dgrad"]) == (L0 + L2 + L4, 2 * (L0 + L2 + L4), 2 * (L2 + L4))


def test_second_derivatives():
    """A gradient penalty on one linear layer Y = X Wᵀ with the loss |Y|², whose slope is dX = 2 Y W."""
    weight = nn.Parameter(torch.randn(5, 4))
    x = X.clone().requires_grad_()

    def step():
        slope = torch.autograd.grad(functional.linear(x, weight).pow(2).sum(), x, create_graph=True)[0]
        slope.pow(2).sum().backward(inputs=[weight])

    one = 3 * 4 * 5
    macs = capture(step).macs_by_phase()
    assert macs["forward"] == one
    # first pass: dX. second pass: dW of dX = dY W, and its dY; then dW of Y = X Wᵀ
    assert (macs["dgrad"], macs["wgrad"]) == (2 * one, 2 * one)


def test_a_functional_gradient_is_a_backward_pass():
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    parameters = dict(model.named_parameters())

    def loss(parameters, x):
        return torch.func.functional_call(model, parameters, (x,)).pow(2).mean()

    def step():
        detached = {name: p.detach() for name, p in parameters.items()}
        gradients = torch.func.grad(loss)(detached, X)
        return {name: detached[name] - 0.1 * gradients[name] for name in detached}

    trace = capture(step, model)
    macs = trace.macs_by_phase()
    assert (macs["forward"], macs["dgrad"], macs["wgrad"]) == (3 * 25, 3 * 5, 3 * 25)
    assert (trace.ops.phase == Phase.UPDATE).sum() == 2 * 4
    assert (trace.tensors.role == Role.GRADIENT).sum() == 4


def test_gradients_of_each_sample():
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(parameters, x):
        return torch.func.functional_call(model, parameters, (x,)).pow(2).mean()

    trace = capture(lambda: torch.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, X), model)
    macs = trace.macs_by_phase()
    assert (macs["forward"], macs["dgrad"], macs["wgrad"]) == (3 * 25, 3 * 5, 3 * 25)


def test_a_custom_autograd_function_has_phases():
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            return torch.relu(x @ weight)

        @staticmethod
        def backward(ctx, gradient):
            x, weight = ctx.saved_tensors
            return gradient @ weight.t(), x.t() @ gradient

    weight, x = nn.Parameter(torch.randn(4, 5)), X.clone().requires_grad_()
    macs = capture(lambda: Product.apply(x, weight).sum().backward()).macs_by_phase()
    assert macs["forward"] == macs["dgrad"] == macs["wgrad"] == 3 * 4 * 5


def test_a_product_of_two_weights_has_weight_gradients():
    a, b = nn.Parameter(torch.randn(4, 2)), nn.Parameter(torch.randn(2, 5))
    macs = capture(lambda: (X @ (a @ b)).pow(2).sum().backward()).macs_by_phase()
    assert macs["forward"] == 4 * 2 * 5 + 3 * 4 * 5
    assert (macs["dgrad"], macs["wgrad"]) == (0, 3 * 4 * 5 + 2 * (4 * 2 * 5))


def test_a_closure_is_forward_and_backward_work():
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = model(X).pow(2).mean()
        loss.backward()
        return loss

    trace = capture(lambda: optimizer.step(closure), model)
    macs = trace.macs_by_phase()
    assert macs["forward"] == macs["wgrad"] == 3 * 4 * 2
    assert macs["update"] == 0
    assert (trace.ops.kind == Kind.OPTIMIZER).sum() == 2


def test_clipping_and_scaling_belong_to_the_update(rows):
    model = nn.Linear(4, 2)

    def step():
        model(X).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        model.zero_grad()

    found = rows(capture(step, model))
    last = max(i for i, row in enumerate(found) if row["phase"] is Phase.WGRAD)
    assert {row["phase"] for row in found[last + 1 :]} == {Phase.UPDATE}


def test_autocast_casts_are_copies_and_products_are_bfloat16(step_of):
    model = mlp()
    plain = step_of(model, X)

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            plain()

    trace, reference = capture(step, model), capture(plain)
    products = trace.ops.macs > 0
    assert {int(d) for d in trace.ops.dtype[products]} == {2}  # DType.BF16
    assert trace.meta["precision"] == "bf16"
    assert trace.macs_by_phase() == reference.macs_by_phase()
    assert (trace.ops.kind == Kind.COPY).sum() > (reference.ops.kind == Kind.COPY).sum()
