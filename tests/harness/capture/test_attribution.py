"""Every op carries the module and the phase that it belongs to, in the backward pass too."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from accel_model.types import Kind, Phase
from harness.capture import capture

F, R, D, W = Phase.FORWARD, Phase.RECOMPUTE, Phase.DGRAD, Phase.WGRAD


@pytest.fixture
def products(rows):
    """products(trace): {layer: [phases of its products, sorted]}."""

    def found(trace):
        table = {}
        for row in rows(trace):
            if row["macs"]:
                table.setdefault(row["layer"], []).append(row["phase"])
        return {layer: sorted(phases) for layer, phases in table.items()}

    return found


class Branches(nn.Module):
    """Two branches from one stem that meet again; the stem's activation is used three times."""

    def __init__(self):
        super().__init__()
        self.stem, self.left, self.right = nn.Linear(4, 4), nn.Linear(4, 6), nn.Sequential(nn.Linear(4, 6), nn.Tanh())

    def forward(self, x):
        h = self.stem(x)
        return self.left(h) * self.right(h) + h.sum()


def test_branches(step_of, products):
    found = products(capture(step_of(Branches(), torch.randn(3, 4))))
    assert found == {"stem": [F, W], "left": [F, D, W], "right.0": [F, D, W]}


def test_vector_work_of_the_backward_pass_has_its_module(step_of, rows):
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.LayerNorm(6), nn.GELU())
    found = rows(capture(step_of(model, torch.randn(3, 4))))
    assert [row["layer"] for row in found if row["name"] == "aten::tanh_backward"] == ["1"]
    assert {row["layer"] for row in found if row["name"] == "aten::native_layer_norm_backward"} == {"3"}
    assert [row["layer"] for row in found if row["name"] == "aten::gelu_backward"] == ["4"]
    assert [row["layer"] for row in found if row["phase"] is Phase.UPDATE] == ["0", "0", "2", "2", "3", "3"]


def test_a_shared_module_has_one_path_and_all_its_calls(step_of, products):
    shared = nn.Linear(4, 4)
    found = products(capture(step_of(nn.Sequential(shared, nn.ReLU(), shared), torch.randn(3, 4))))
    assert found == {"0": [F, F, D, W, W]}


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("of_module", [False, True])
def test_checkpointed_blocks_are_recomputed_where_they_ran(reentrant, of_module, step_of, products):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.block, self.last = (
                nn.Linear(4, 8),
                nn.Sequential(nn.Linear(8, 8), nn.ReLU()),
                nn.Linear(8, 2),
            )

        def forward(self, x):
            block = self.block if of_module else lambda y: self.block(y)
            return self.last(checkpoint(block, self.first(x), use_reentrant=reentrant))

    found = products(capture(step_of(Model(), torch.randn(3, 4))))
    assert found == {"first": [F, W], "block.0": [F, R, D, W], "last": [F, D, W]}


def test_a_function_that_is_recomputed_is_told_from_the_backward_pass(products):
    weight, x = nn.Parameter(torch.randn(4, 4)), torch.randn(3, 4, requires_grad=True)

    def step():
        checkpoint(lambda y: torch.relu(y @ weight), x * 2, use_reentrant=False).sum().backward()

    assert products(capture(step)) == {"": [F, R, D, W]}


def test_a_call_is_two_rows_with_one_number(step_of, rows):
    found = rows(capture(step_of(nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8, requires_grad=True))))
    backward = [row for row in found if row["name"] == "aten::convolution_backward"]
    assert [row["phase"] for row in backward] == [D, W, W]  # data, weight, bias
    assert len({row["call"] for row in backward}) == 1
    assert len({row["call"] for row in found if row["phase"] is F}) == len([r for r in found if r["phase"] is F])


def test_norms_are_a_reduce_row_and_an_elementwise_row(step_of, rows):
    for norm in (nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm([4, 5, 5])):
        found = rows(capture(step_of(norm, torch.randn(2, 4, 5, 5, requires_grad=True))))
        for phases in ([F, F], [W, D]):
            two = [row for row in found if "norm" in row["name"] and row["phase"] in phases]
            assert [row["phase"] for row in two] == phases
            assert [row["kind"] for row in two] == [Kind.REDUCE, Kind.ELEMENTWISE]


def test_without_a_model_the_first_module_called_is_it():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    x = torch.randn(3, 4)
    trace = capture(lambda: nn.functional.mse_loss(model(x), x).backward())
    assert trace.meta["model"] == "Sequential"
    assert {"", "0", "1"} <= set(trace.layers)


def test_a_second_model_has_a_prefix(products):
    generator, critic = nn.Sequential(nn.Linear(4, 4)), nn.Bilinear(4, 4, 1)
    x = torch.randn(3, 4)

    def step():
        made = generator(x)
        critic(made, made).sum().backward()

    assert set(products(capture(step))) == {"0", "Bilinear"}


def test_a_compiled_model_is_traced_eager(step_of, products):
    model = torch.compile(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)))
    trace = capture(step_of(model, torch.randn(3, 4)))
    assert products(trace) == {"0": [F, W], "2": [F, D, W]}
    assert trace.meta["compiled"]


def test_hooks_and_patches_are_gone_after_a_capture(step_of):
    modules = nn.modules.module
    before = (
        len(modules._global_forward_pre_hooks),
        len(modules._global_forward_hooks),
        torch.autograd._engine_run_backward,
        nn.functional.scaled_dot_product_attention,
    )
    with pytest.raises(Exception, match="not today"):
        capture(step_of(nn.Linear(2, 2), torch.randn(1, 2), loss=_refuse))
    assert before == (
        len(modules._global_forward_pre_hooks),
        len(modules._global_forward_hooks),
        torch.autograd._engine_run_backward,
        nn.functional.scaled_dot_product_attention,
    )


def _refuse(out):
    raise ValueError("not today")
