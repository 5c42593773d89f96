"""Tensors, their roles and lifetimes, and the bytes that each op touches."""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from accel_model.types import Kind, Operand, Phase, Role
from harness.capture import capture, capture_model


@pytest.fixture
def bytes_of():
    """bytes_of(trace, name): {(role, "read" or "write"): bytes} of the first op called `name`."""

    def found(trace, name):
        op = next(i for i in range(len(trace)) if trace.names[trace.ops.name[i]] == f"aten::{name}")
        table = {}
        for i in np.flatnonzero(trace.uses.op == op):
            role = Role(trace.tensors.role[trace.uses.tensor[i]])
            key = (role, "write" if trace.uses.write[i] else "read")
            table[key] = table.get(key, 0) + int(trace.uses.bytes[i])
        return table

    return found


def training(act, size=(4, 8)):
    """A step whose forward is `act(x)` for an activation x of `size`, made by a product with a parameter."""
    weight, x = nn.Parameter(torch.randn(size[1], size[1])), torch.randn(size)
    return lambda: act(x @ weight).sum().backward()


A = Role.ACTIVATION
TOUCHES = {  # op: (what is done to a 4 x 8 activation, what it reads and writes of activations)
    "relu": (torch.relu, 128, 128),
    "relu_": (torch.relu_, 128, 128),
    "mul_": (lambda x: x.mul_(2), 128, 128),
    "mul": (lambda x: x * x, 128, 128),
    "mul ": (lambda x: x * x.detach(), 128, 128),  # one storage, read once
    "add": (lambda x: x[:2] + x[2:], 128, 64),
    "sum": (lambda x: x.sum(0), 128, 32),
    "clone": (lambda x: x.t().clone(), 128, 128),
    "cat": (lambda x: torch.cat([x, x[:1]]), 128, 160),  # the second piece lies in the first
    "stack": (lambda x: torch.stack([x[0], x[3]]), 64, 64),
    "index_select": (lambda x: x.index_select(0, torch.tensor([1, 2])), 64, 64),
    "exp": (lambda x: x[1:3, ::2].exp(), 32, 32),
    "cos": (lambda x: x[0].expand(5, 8).cos(), 32, 160),
    "zero_": (lambda x: x * x.detach().clone().zero_(), 0, 128),
    "copy_": (lambda x: x * torch.empty(4, 8).copy_(x.detach()), 128, 128),
    "fill_": (lambda x: x * torch.empty(4, 8).fill_(1), 0, 128),
    "zeros_like": (lambda x: x + torch.zeros_like(x), 0, 128),
    "_softmax": (lambda x: x.softmax(1), 128, 128),
    "log": (lambda x: x * torch.log(x.detach(), out=torch.empty(4, 8)), 128, 128),
}


@pytest.mark.parametrize("name", TOUCHES)
def test_an_op_touches_the_distinct_elements_that_it_needs(name, bytes_of):
    act, reads, writes = TOUCHES[name]
    found = bytes_of(capture(training(act)), name.strip())
    assert (found.get((A, "read"), 0), found.get((A, "write"), 0)) == (reads, writes)


def test_an_embedding_reads_the_rows_that_are_asked_for(step_of, bytes_of):
    module, tokens = nn.Embedding(1000, 8), torch.randint(1000, (3, 4))
    trace = capture(step_of(module, tokens))
    assert bytes_of(trace, "embedding") == {
        (Role.PARAMETER, "read"): 12 * 8 * 4,
        (Role.INPUT, "read"): 12 * 8,
        (Role.ACTIVATION, "write"): 12 * 8 * 4,
    }
    assert bytes_of(trace, "embedding_dense_backward")[Role.GRADIENT, "write"] == 1000 * 8 * 4


def test_views_are_no_ops(step_of, rows):
    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 6)

        def forward(self, x):
            y = self.linear(x).view(3, 2, 3).transpose(0, 1)[:, 1:].unsqueeze(0).expand(1, 2, 2, 3)
            return torch.chunk(y.squeeze(0).permute(2, 0, 1), 3)[0].detach().requires_grad_() + y[0, :, :, 0]

    found = rows(capture(step_of(Views(), torch.randn(3, 4))))
    assert [row["name"] for row in found if row["phase"] is Phase.FORWARD][:2] == ["aten::addmm", "aten::add"]


def test_a_convolution_touches_the_tensors_and_not_their_columns(step_of, uses):
    x, module = torch.randn(2, 3, 9, 9), nn.Conv2d(3, 5, 3, bias=False)
    trace = capture(step_of(module, x))
    assert uses(trace, 0) == {
        ("A", "read"): 4 * x.numel(),
        ("B", "read"): 4 * module.weight.numel(),
        ("C", "write"): 4 * 2 * 5 * 7 * 7,
    }


@pytest.mark.parametrize(
    "make, factor",
    [
        (lambda p: torch.optim.SGD(p, lr=0.1), 3),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), 5),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, foreach=True), 5),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True), 5),
        (lambda p: torch.optim.Adam(p), 7),
        (lambda p: torch.optim.AdamW(p, foreach=False), 7),
        (lambda p: torch.optim.AdamW(p, fused=True), 7),
        (lambda p: torch.optim.Adam(p, amsgrad=True), 9),
        (lambda p: torch.optim.RMSprop(p), 5),
    ],
)
def test_an_optimiser_is_one_row_per_parameter(make, factor, step_of):
    """Parameter and each state read and written once, the gradient read once, however the optimiser is written."""
    model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6))
    trace = capture(step_of(model, torch.randn(3, 4), optimizer=make))
    updates = np.flatnonzero(trace.ops.phase == Phase.UPDATE)
    assert len(updates) == 4
    assert set(trace.ops.kind[updates]) == {Kind.OPTIMIZER}
    sizes = sorted(4 * p.numel() * factor for p in model.parameters())
    assert sorted(trace.uses.bytes[trace.uses.op == op].sum() for op in updates) == sizes


def test_an_optimiser_of_ones_own_is_traced_as_executed(step_of, rows):
    class Signs(torch.optim.Optimizer):
        def __init__(self, parameters):
            super().__init__(parameters, {})

        @torch.no_grad()
        def step(self):
            for parameter in self.param_groups[0]["params"]:
                state = self.state[parameter]
                if not state:
                    state["mean"] = torch.zeros_like(parameter)
                mean = state["mean"].lerp_(parameter.grad, 0.1)
                parameter.sub_(mean.sign())

    trace = capture(step_of(nn.Linear(4, 5, bias=False), torch.randn(3, 4), optimizer=Signs))
    names = [row["name"] for row in rows(trace) if row["phase"] is Phase.UPDATE]
    assert names == ["aten::lerp_", "aten::sign", "aten::sub_"]
    assert (trace.tensors.role == Role.OPTIMIZER_STATE).sum() == 1


def test_roles(step_of):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    x = torch.randn(2, 3, 8, 8)
    trace = capture(step_of(model, x, optimizer=lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)))

    def bytes_in(role):
        return int(trace.tensors.bytes[trace.tensors.role == role].sum())

    parameters = sum(4 * p.numel() for p in model.parameters())
    assert bytes_in(Role.PARAMETER) == bytes_in(Role.GRADIENT) == parameters
    assert bytes_in(Role.BUFFER) == sum(b.numel() * b.element_size() for b in model.buffers())
    assert bytes_in(Role.INPUT) == 4 * x.numel()
    assert bytes_in(Role.OPTIMIZER_STATE) >= parameters


def test_uses_lie_within_the_life_of_their_tensor(step_of):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    trace = capture(step_of(model, torch.randn(2, 3, 8, 8), optimizer=torch.optim.Adam))
    tensors, op = trace.tensors, trace.uses.op
    assert (tensors.born[trace.uses.tensor] <= op).all()
    assert (tensors.freed[trace.uses.tensor] > op).all()
    made = np.isin(tensors.role, [Role.ACTIVATION, Role.GRADIENT, Role.TEMPORARY])
    for tensor in np.flatnonzero(made):
        first = np.flatnonzero(trace.uses.tensor == tensor)[0]
        assert trace.uses.write[first]
        assert trace.ops.call[trace.uses.op[first]] == trace.ops.call[tensors.born[tensor]]
    lasting = np.isin(tensors.role, [Role.PARAMETER, Role.BUFFER, Role.OPTIMIZER_STATE])
    assert (tensors.born[lasting] == 0).all()
    assert (tensors.freed[lasting] == len(trace)).all()


def test_peak_memory_of_a_chain_by_hand():
    """Without gradients, of a chain of ops two activations are alive at once; saved ones stay until they are used."""
    layers, size = 6, 1000
    weight = nn.Parameter(torch.ones(size))
    trace = capture(lambda: _chain(weight, layers).sum().backward())
    saved = layers * 4 * size  # one input of each exp is its saved output
    peak = trace.live_bytes().max()
    assert saved <= peak <= saved + 4 * 4 * size


def _chain(x, layers):
    for _ in range(layers):
        x = x.exp()
    return x


def test_checkpointing_lowers_the_peak(step_of):
    class Deep(nn.Module):
        def __init__(self, checkpointed):
            super().__init__()
            self.blocks = nn.ModuleList(nn.Sequential(*[nn.Linear(64, 64), nn.Tanh()] * 4) for _ in range(4))
            self.checkpointed = checkpointed

        def forward(self, x):
            for block in self.blocks:
                x = torch.utils.checkpoint.checkpoint(block, x, use_reentrant=False) if self.checkpointed else block(x)
            return x

    peaks = [capture(step_of(Deep(c), torch.randn(512, 64))).live_bytes().max() for c in (False, True)]
    assert peaks[1] < 0.7 * peaks[0]


def test_a_capture_does_not_keep_tensors_alive():
    """At every op, as many activations are alive in a captured step as in a bare one."""

    def alive(watch):
        found, seen = [], []

        class Count(nn.Module):
            def forward(self, x):
                seen.append(weakref.ref(x.untyped_storage()))
                found.append(sum(reference() is not None for reference in seen))
                return x

        layers = [layer for _ in range(8) for layer in (nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), Count())]
        model, x = nn.Sequential(*layers), torch.randn(1, 3, 8, 8)

        def step():
            with torch.no_grad():
                model(x)
            model(x).sum().backward()

        watch(step)
        gc.collect()
        return found, sum(reference() is not None for reference in seen)

    bare = alive(lambda step: step())
    watched = alive(lambda step: capture(step, warmup=0))
    assert watched == bare


def test_fake_capture_takes_no_memory_for_tensors():
    def build():
        model, x = nn.Linear(100_000, 100_000), torch.zeros(1000, 100_000)
        optimizer = torch.optim.Adam(model.parameters())

        def step():
            optimizer.zero_grad()
            model(x).sum().backward()
            optimizer.step()

        return step

    trace = capture_model(build)
    assert trace.live_bytes().max() > 16 * 100_000**2
    assert trace.macs_by_phase()["forward"] == 1000 * 100_000**2


def test_the_rows_of_a_norm_share_its_bytes(step_of, uses, rows):
    """The reduce row reads gradient and input and writes parameter gradients; the elementwise one writes the rest."""
    trace = capture(step_of(nn.BatchNorm2d(4), torch.randn(2, 4, 5, 5, requires_grad=True)))
    reduce, apply = (i for i, row in enumerate(rows(trace)) if row["name"] == "aten::native_batch_norm_backward")
    image = 4 * 2 * 4 * 25
    assert uses(trace, reduce)["OTHER", "read"] == 2 * image + 2 * 16
    assert uses(trace, reduce)["OTHER", "write"] == 2 * 16
    assert uses(trace, apply)["OTHER", "write"] == image


def test_bare_operands_are_marked_only_on_products(step_of):
    trace = capture(step_of(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), torch.randn(3, 4)))
    marked = np.unique(trace.uses.op[trace.uses.operand != Operand.OTHER])
    assert (trace.ops.macs[marked] > 0).all()


def test_nll_reads_one_score_per_target(bytes_of):
    weight, x = nn.Parameter(torch.randn(8, 10)), torch.randn(4, 8)
    target = torch.zeros(4, dtype=torch.long)
    trace = capture(lambda: functional.cross_entropy(x @ weight, target).backward())
    assert bytes_of(trace, "nll_loss_forward")[A, "read"] == 4 * 4
