"""Attention is seen however it was imported; of control flow, the branch that ran is captured."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.functional import scaled_dot_product_attention as imported

from accel_model.types import Kind, Phase
from harness.capture import capture, capture_model
from harness.settings.errors import CaptureError

BEFORE = functional.scaled_dot_product_attention
WAYS = {
    "attribute": lambda *args, **kwargs: functional.scaled_dot_product_attention(*args, **kwargs),
    "import": imported,
    "reference": BEFORE,
    "partial": partial(BEFORE),
    "operator": torch.ops.aten.scaled_dot_product_attention,
}


def attend(way, **settings):
    """A build of a step: attention of two heads over products with a parameter, with dropout."""

    def build():
        weight, x = nn.Parameter(torch.randn(8, 8)), torch.randn(2, 2, 5, 8)

        def step():
            y = x @ weight
            WAYS[way](y, y, y, **settings).sum().backward()

        return step

    return build


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dropout_p", [0.0, 0.1])
def test_attention_is_seen_however_it_was_imported(way, dropout_p, assert_same):
    ways = (way, "attribute")
    real = [capture(attend(one, dropout_p=dropout_p)()) for one in ways]
    fake = [capture_model(attend(one, dropout_p=dropout_p)) for one in ways]
    for found, expected in (real, fake):
        assert_same(found, expected)
        forward = (found.ops.kind == Kind.ATTENTION) & (found.ops.phase == Phase.FORWARD)
        assert found.ops.macs[forward].sum() == 2 * 4 * 5 * 5 * 8


def test_a_capture_leaves_the_attention_of_torch_as_it_was():
    q = torch.randn(1, 1, 3, 4, requires_grad=True)
    before = BEFORE(q, q, q)
    capture(attend("import")())
    assert functional.scaled_dot_product_attention is BEFORE
    torch.testing.assert_close(BEFORE(q, q, q), before)


def test_flex_attention_is_attention():
    from torch.nn.attention.flex_attention import flex_attention

    weight, x = nn.Parameter(torch.randn(16, 16)), torch.randn(1, 2, 128, 16)

    def step():
        y = x @ weight
        flex_attention(y, y, y, score_mod=lambda score, b, h, i, j: score + (i - j)).sum().backward()

    trace = capture(step)
    forward = (trace.ops.kind == Kind.ATTENTION) & (trace.ops.phase == Phase.FORWARD)
    assert trace.ops.macs[forward].sum() == 2 * 2 * 128 * 128 * 16


class Branches(nn.Module):
    """A linear layer for each of two branches, of different widths inside."""

    def __init__(self):
        super().__init__()
        self.small = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 3))
        self.large = nn.Sequential(nn.Linear(4, 20), nn.Linear(20, 3))

    def forward(self, x, chosen):
        return torch.cond(chosen, self.small, self.large, (x,))


@pytest.mark.parametrize("chosen", [True, False])
def test_of_a_condition_the_branch_that_ran_is_captured(chosen):
    model, x, pred = Branches(), torch.randn(5, 4), torch.tensor(chosen)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        model(x, pred).sum().backward()
        optimizer.step()

    width = 2 if chosen else 20
    macs = capture(step, model, optimizer).macs_by_phase()
    assert macs["forward"] == macs["wgrad"] == 5 * width * 7
    assert macs["dgrad"] == 5 * width * 3


def test_of_a_condition_that_differs_among_samples_both_branches_run():
    weight, x = nn.Parameter(torch.eye(4)), torch.randn(5, 4)

    def chosen(sample):
        return torch.cond(sample.sum() > 0, lambda y: y @ weight, lambda y: 2 * (y @ weight), (sample,))

    assert capture(lambda: torch.vmap(chosen)(x).sum().backward()).macs_by_phase()["forward"] == 2 * 5 * 16


def test_a_loop_is_captured_as_often_as_it_ran():
    from torch._higher_order_ops import while_loop

    weight, x = nn.Parameter(torch.eye(4)), torch.randn(3, 4)

    def step():
        _, out = while_loop(lambda i, y: i < 5, lambda i, y: (i + 1, y @ weight), (torch.tensor(0), x))
        out.sum().backward()

    macs = capture(step).macs_by_phase()
    assert macs["forward"] == 5 * 3 * 4 * 4
    assert macs["wgrad"] == 5 * 3 * 4 * 4


def test_a_scan_is_captured_slice_by_slice():
    from torch._higher_order_ops import scan

    weight, xs = nn.Parameter(torch.eye(4)), torch.randn(6, 3, 4)

    def step():
        carry, out = scan(lambda c, x: (c @ weight + x, c.clone()), torch.zeros(3, 4), xs)
        assert out.shape == (6, 3, 4)
        (carry.sum() + out.sum()).backward()

    macs = capture(step).macs_by_phase()
    assert macs["forward"] == 6 * 3 * 4 * 4


def test_a_scan_gives_what_a_loop_gives():
    from torch._higher_order_ops import scan

    weight, xs, seen = nn.Parameter(torch.eye(4)), torch.randn(6, 3, 4), []

    def step():
        carry, out = scan(lambda c, x: (c + x, {"both": (c * 2, x)}), torch.zeros(3, 4), xs, reverse=True)
        seen.append((carry.detach(), out["both"][0].detach()))
        (carry @ weight).sum().backward()

    capture(step)
    torch.testing.assert_close(seen[-1][0], xs.sum(0))
    torch.testing.assert_close(seen[-1][1][0], 2 * xs[1:].sum(0))


def test_a_map_is_captured_slice_by_slice():
    from torch._higher_order_ops import map as torch_map

    weight, xs = nn.Parameter(torch.eye(4)), torch.randn(6, 3, 4)
    macs = capture(lambda: torch_map(lambda x: x @ weight, xs).sum().backward()).macs_by_phase()
    assert macs["forward"] == macs["wgrad"] == 6 * 3 * 4 * 4


@pytest.mark.parametrize("mode", ["generic", "pointwise"])
def test_an_associative_scan_is_captured_as_its_tree(mode):
    from torch._higher_order_ops import associative_scan

    weight, xs, seen = nn.Parameter(torch.eye(4)), torch.randn(8, 4), []

    def step():
        out = associative_scan(lambda a, b: a + b, xs @ weight, 0, combine_mode=mode)
        seen.append(out.detach())
        out.sum().backward()

    trace = capture(step)
    assert trace.macs_by_phase()["wgrad"] == 8 * 4 * 4
    torch.testing.assert_close(seen[-1], xs.cumsum(0))


def test_a_condition_on_fake_values_leads_to_real_tensors():
    def build():
        model, x = Branches(), torch.randn(5, 4)
        return lambda: model(x, x.sum() > 0).sum().backward()

    with pytest.raises(CaptureError, match="capture it with real tensors"):
        capture_model(build)


def test_where_torch_has_no_rule_the_operator_is_named_and_the_user_not_blamed():
    @torch.library.custom_op("halfstep_tests::unknown", mutates_args=())
    def unknown(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    with pytest.raises(CaptureError) as caught:
        capture_model(lambda: partial(lambda weight: unknown(weight.detach()).sum().backward(), torch.ones(3)))
    text = str(caught.value)
    assert "halfstep_tests::unknown" in text
    assert "torch itself" in text
    assert "mend it there" not in text
