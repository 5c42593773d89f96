"""Tensors without storage of their own: counted by what they store, or listed, and never a bare error of torch."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from accel_model.types import Role
from harness.capture import capture, capture_model
from harness.settings.errors import CaptureError

pytestmark = pytest.mark.filterwarnings("ignore:.*beta state.*", "ignore:.*prototype stage.*", "ignore:.*nested.*")

LAYOUTS = {
    "coo": lambda dense: dense.to_sparse_coo(),
    "csr": lambda dense: dense.to_sparse_csr(),
    "csc": lambda dense: dense.to_sparse_csc(),
    "bsr": lambda dense: dense.to_sparse_bsr((2, 2)),
    "bsc": lambda dense: dense.to_sparse_bsc((2, 2)),
}


def half_empty(rows, columns):
    """A matrix whose every other 2 x 2 block is empty."""
    block = (torch.arange(rows)[:, None] // 2 + torch.arange(columns)[None] // 2) % 2
    return (torch.rand(rows, columns) + 1) * block


def step_with(matrix, rows, width):
    weight = nn.Parameter(torch.randn(rows, width))
    return lambda: (matrix @ weight).sum().backward()


@pytest.mark.parametrize("layout", sorted(LAYOUTS.keys() - {"bsc"}))  # which torch does not multiply on the CPU
def test_a_sparse_product_does_a_mac_for_each_stored_element_and_column(layout, uses):
    dense = half_empty(8, 6)
    stored = int((dense != 0).sum())
    matrix, x, weight = LAYOUTS[layout](dense), torch.randn(6, 5), nn.Parameter(torch.ones(5))

    def step():
        with torch.no_grad():
            y = matrix @ x
        (y * weight).sum().backward()

    trace = capture(step)
    assert trace.ops.macs.sum() == stored * 5
    assert uses(trace, 0)["A", "read"] >= 4 * stored
    assert uses(trace, 0)["B", "read"] == 4 * 6 * 5


@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_the_backward_pass_of_a_sparse_product_is_sparse(layout):
    dense = half_empty(8, 6)
    trace = capture(step_with(LAYOUTS[layout](dense), 6, 5))
    stored = int((dense != 0).sum())
    assert trace.macs_by_phase()["wgrad"] + trace.macs_by_phase()["dgrad"] == stored * 5


@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_two_sparse_matrices_meet_where_both_have_elements(layout):
    """The oracle counts pairs in dense masks."""
    a, b = half_empty(8, 6), half_empty(6, 10)
    met = int(((a != 0).double() @ (b != 0).double()).sum())
    x, weight = LAYOUTS[layout](b), nn.Parameter(torch.ones(10, 1))

    def step():
        product = LAYOUTS[layout](a) @ x
        (product @ weight).sum().backward()

    trace = capture(step)
    first = np.flatnonzero(trace.ops.macs)[0]
    assert trace.ops.macs[first] == met


def test_a_product_whose_rows_are_reduced_is_sparse_in_both_passes():
    dense = half_empty(8, 6)
    weight, matrix = nn.Parameter(torch.randn(6, 5)), dense.to_sparse_csr()
    trace = capture(lambda: torch.sparse.mm(matrix, weight, "mean").sum().backward())
    assert trace.uncounted == {}
    macs = trace.macs_by_phase()
    assert macs["forward"] == macs["wgrad"] == int((dense != 0).sum()) * 5


def test_a_batch_of_sparse_matrices():
    dense = torch.stack([half_empty(4, 6), half_empty(4, 6)])
    weight = nn.Parameter(torch.randn(2, 6, 5))
    sparse = dense.to_sparse_coo()
    trace = capture(lambda: torch.bmm(sparse, weight).sum().backward())
    assert trace.macs_by_phase()["forward"] == int((dense != 0).sum()) * 5


def test_a_sparse_parameter_is_a_parameter():
    values = half_empty(8, 6).to_sparse_coo()
    weight, x = nn.Parameter(values), torch.randn(6, 5)
    module = nn.Module()
    module.weight = weight
    trace = capture(lambda: torch.sparse.mm(weight, x).sum().backward(), module)
    stored = values._nnz()
    assert trace.tensors.bytes[trace.tensors.role == Role.PARAMETER].sum() == stored * (4 + 2 * 8)
    assert trace.meta["parameters"] == stored


def test_sparse_gradients_of_an_embedding_change_the_rows_that_were_read(rows):
    module, tokens = nn.Embedding(1000, 8, sparse=True), torch.tensor([3, 5, 7])
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        module(tokens).sum().backward()
        optimizer.step()

    trace = capture(step, module, optimizer)
    update = next(row for row in rows(trace) if row["name"] == "aten::add_")
    assert update["vector_ops"] == 3 * 8


@pytest.mark.parametrize("optimizer", [torch.optim.SparseAdam, torch.optim.Adagrad])
def test_optimisers_of_sparse_gradients_are_traced(optimizer):
    module, tokens = nn.EmbeddingBag(50, 8, sparse=True), torch.tensor([[3, 5, 7]])
    update = optimizer(module.parameters())

    def step():
        update.zero_grad()
        module(tokens).sum().backward()
        update.step()

    assert (capture(step, module, update).ops.phase == 4).any()


def pieces(*lengths, width=6):
    return [torch.randn(length, width) for length in lengths]


def test_a_linear_layer_of_nested_tensors_counts_their_rows():
    layer, x = nn.Linear(6, 5), torch.nested.nested_tensor(pieces(2, 3, 4))
    trace = capture(lambda: torch.nested.to_padded_tensor(layer(x), 0.0).sum().backward(), layer)
    macs = trace.macs_by_phase()
    assert (macs["forward"], macs["wgrad"]) == (9 * 6 * 5, 9 * 6 * 5)
    assert trace.uncounted == {}


def test_nested_products_are_taken_piece_by_piece():
    weight = nn.Parameter(torch.randn(6, 6))
    x = torch.nested.nested_tensor([piece.detach() for piece in pieces(2, 3, 4)])

    def step():
        y = functional.linear(x, weight)
        torch.nested.to_padded_tensor(torch.bmm(y, y.transpose(1, 2)), 0.0).sum().backward()

    trace = capture(step)
    assert trace.macs_by_phase()["forward"] == 9 * 36 + 6 * (4 + 9 + 16)


def test_what_no_formula_knows_is_listed_with_its_bytes():
    weight, x = nn.Parameter(torch.randn(6, 5)), torch.randn(3, 6)

    def step():
        with torch.no_grad():
            x.to_mkldnn().to_dense()
        (x @ weight).sum().backward()

    trace = capture(step)
    assert trace.uncounted["aten::to_mkldnn"] == (1, 2 * 3 * 6 * 4)
    assert trace.macs_by_phase()["forward"] == 3 * 6 * 5
    with pytest.raises(CaptureError, match=r"no formula for.*to_mkldnn"):
        capture(step, strict=True)


class Scaled(torch.Tensor):
    """A wrapper subclass: numbers of one tensor times a factor, a second one; it says what it holds."""

    @staticmethod
    def __new__(cls, data, factor):
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=data.dtype, requires_grad=data.requires_grad)

    def __init__(self, data, factor):
        self.data_, self.factor = data, factor

    def __tensor_flatten__(self):
        return ["data_", "factor"], None

    @staticmethod
    def __tensor_unflatten__(inner, context, size, stride):
        return Scaled(inner["data_"], inner["factor"])

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):
        if op is torch.ops.aten.detach.default:
            return Scaled(args[0].data_.detach(), args[0].factor)
        plain = [a.data_ * a.factor if isinstance(a, Scaled) else a for a in args]
        return op(*plain, **(kwargs or {}))


class Silent(Scaled):
    """A wrapper subclass that does not say what it holds."""

    __tensor_flatten__ = __tensor_unflatten__ = property()


@pytest.mark.parametrize("kind", [Scaled, Silent])
def test_a_wrapper_subclass_is_what_it_holds(kind):
    module = nn.Linear(6, 5, bias=False)
    module.weight = nn.Parameter(Scaled(torch.randn(5, 6), torch.ones(5, 1)))
    x = torch.randn(3, 6, requires_grad=True)
    trace = capture(lambda: functional.linear(x, module.weight).sum().backward(), module)
    assert trace.macs_by_phase()["forward"] == 3 * 6 * 5
    assert trace.tensors.bytes[trace.tensors.role == Role.PARAMETER].sum() == 4 * 35


def test_a_subclass_with_storage_is_a_plain_tensor(step_of):
    class Mine(torch.Tensor):
        pass

    module = nn.Linear(6, 5, bias=False)
    trace = capture(step_of(module, torch.randn(3, 6).as_subclass(Mine)))
    assert trace.macs_by_phase()["forward"] == 3 * 6 * 5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_fake_tensors_cannot_be_leads_to_real_ones(layout):
    with pytest.raises(CaptureError, match="capture it with real tensors"):
        capture_model(lambda: step_with(LAYOUTS[layout](torch.ones(8, 6)), 6, 5))


def test_a_fake_sparse_tensor_of_known_size_is_counted():
    def build():
        matrix = torch.sparse_coo_tensor(torch.zeros(2, 7, dtype=torch.long), torch.ones(7), (8, 6))
        x, weight = torch.randn(6, 5), nn.Parameter(torch.ones(5))

        def step():
            with torch.no_grad():
                y = matrix @ x
            (y * weight).sum().backward()

        return step

    assert capture_model(build).ops.macs.sum() == 7 * 5


def test_what_torch_cannot_do_is_named():
    with pytest.raises(CaptureError, match="torch itself has no addmm"):
        capture(step_with(LAYOUTS["bsr"](half_empty(8, 6)), 6, 5))
