"""The shell that is placed and routed multiplies like numpy, in the cycles of the closed forms and one more."""

import numpy as np
import pytest

from accel_model.array.dataflow import Dataflow
from accel_model.rtl import shell, simulate
from tests.helpers.designs import cycles_of

live = pytest.mark.skipif(not simulate.available(), reason="Icarus Verilog (iverilog, vvp) is not installed")
both = pytest.mark.parametrize("dataflow", [Dataflow.OS, Dataflow.WS], ids=lambda dataflow: dataflow.name.lower())

SHAPES = [(13, 9, 17), (4, 4, 4), (12, 12, 5), (5, 3, 1), (7, 30, 2), (24, 24, 24), (1, 1, 1)]
"""(m, n, k): edges, one value, streams shorter than the array, several folds each way."""
EDGES_AROUND = {Dataflow.OS: 8, Dataflow.WS: 11}
"""Of a product with whole column folds: the command, four edges from an operand memory to the array, the registers
around the multiplier, and one from the array to a result memory, which takes 3 more to add to what is there."""


def closed_form(dataflow, m, n, k, rows, cols):
    return int(cycles_of(dataflow, np.int64((m, n, k)), np.int64((rows, cols))))


def shapes_for(dataflow, rows):
    return [(m, n, k) for m, n, k in SHAPES if dataflow == Dataflow.OS or m >= shell.LEAST_CHUNK or k <= rows]


def bfloat16(rng, shape, spread):
    """uint16 `shape`: the bits of bfloat16 numbers over 2 x `spread` powers of two."""
    values = rng.standard_normal(shape) * 2.0 ** rng.integers(-spread, spread + 1, shape)
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def to_float32(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def float32_sums(a, b, chain):
    """a b with numpy's float32: products and sums one after another, in sums of `chain` that are added then."""
    a, b = to_float32(a), to_float32(b)
    total = None
    for first in range(0, a.shape[1], chain):
        part = None
        for k in range(first, min(first + chain, a.shape[1])):
            product = a[:, k : k + 1] * b[k]
            part = product if part is None else part + product
        total = part if total is None else total + part
    return total


@live
@both
@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (5, 3), (3, 6), (8, 8)])
def test_int8_products_are_numpys_in_the_cycles_of_the_closed_form(dataflow, rows, cols):
    rng = np.random.default_rng([1, rows, cols])
    shapes = shapes_for(dataflow, rows)
    products = [tuple(rng.integers(-128, 128, s).astype(np.int8) for s in ((m, k), (k, n))) for m, n, k in shapes]
    played = shell.play(products, rows, cols, dataflow)
    for (m, n, k), (a, b), found in zip(shapes, products, played, strict=True):
        np.testing.assert_array_equal(found.y, a.astype(np.int32) @ b.astype(np.int32))
        expected = closed_form(dataflow, m, n, k, rows, cols)
        assert found.cycles == expected + 2, (m, n, k)  # the registers around the multiplier
        if n % cols == 0:
            assert found.busy == expected + EDGES_AROUND[dataflow], (m, n, k)
        assert found.busy <= expected + EDGES_AROUND[dataflow] + cols


@live
@both
@pytest.mark.parametrize("spread", [0, 4, 30])
def test_bfloat16_products_are_numpys_float32_bit_for_bit(dataflow, spread):
    """Spreads of the exponents from none (sums cancel) to 30 (most addends vanish)."""
    rng = np.random.default_rng([2, spread])
    shapes = shapes_for(dataflow, 4)
    products = [(bfloat16(rng, (m, k), spread), bfloat16(rng, (k, n), spread)) for m, n, k in shapes]
    played = shell.play(products, 4, 4, dataflow)
    for (m, n, k), (a, b), found in zip(shapes, products, played, strict=True):
        expected = float32_sums(a, b, k if dataflow == Dataflow.OS else 4)
        np.testing.assert_array_equal(found.y.view(np.uint32), expected.view(np.uint32))
        assert found.cycles == closed_form(dataflow, m, n, k, 4, 4) + 2


@live
def test_bfloat16_numbers_too_small_are_zero_and_too_large_are_infinite():
    tiny, huge, one, minus = (np.float32(value) for value in (2.0**-126, 2.0**127, 1.0, -1.0))
    half = np.float32(0.5)
    cases = [
        ([tiny, 0], [half, 0], 0),
        ([huge, 0], [huge, 0], np.inf),
        ([huge, huge], [one, one], np.inf),
        ([huge, huge], [one, minus], 0),
        ([tiny, tiny * np.float32(1.5)], [minus, one], 0),  # their difference is subnormal
        ([np.float32(np.inf), one], [minus, one], -np.inf),
    ]

    def bits(values):
        return (np.array([values], dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)

    played = shell.play([(bits(a), bits(b).T.copy()) for a, b, _ in cases], 4, 4, Dataflow.OS)
    assert [float(one.y[0, 0]) for one in played] == [expected for _, _, expected in cases]


@live
@both
def test_random_shapes_take_the_cycles_of_the_closed_form(dataflow):
    rng = np.random.default_rng(3)
    shapes = np.stack([rng.integers(4, 20, 40), rng.integers(1, 20, 40), rng.integers(1, 20, 40)], axis=1).tolist()
    products = [tuple(rng.integers(-128, 128, s).astype(np.int8) for s in ((m, k), (k, n))) for m, n, k in shapes]
    for (m, n, k), (a, b), found in zip(shapes, products, shell.play(products, 4, 5, dataflow), strict=True):
        np.testing.assert_array_equal(found.y, a.astype(np.int32) @ b.astype(np.int32))
        assert found.cycles == closed_form(dataflow, m, n, k, 4, 5) + 2, (m, n, k)


@live
@pytest.mark.parametrize(
    ("source", "right", "wrong"),
    [
        ("shell", "chunk_ends & ~repeats_end ? chunk_start", "1'b0 ? chunk_start"),
        ("shell", "first_2 ? result_2 : total", "1'b1 ? result_2 : total"),
        ("shell", "{look_0, look_1} = bank ?", "{look_0, look_1} = 1'b0 ?"),
        ("arithmetic", "(|n1[2:0] | n1[4])", "1'b1"),
        ("arithmetic", "|s16[8:0]}", "s16[8]}"),
    ],
)
def test_a_wrong_shell_does_not_go_unseen(source, right, wrong, tmp_path, monkeypatch):
    patched = []
    for path in shell.SHELL_SOURCES:
        text = path.read_text()
        if path.stem == source:
            assert text.count(right) == 1
            text = text.replace(right, wrong)
        patched.append(tmp_path / path.name)
        patched[-1].write_text(text)
    monkeypatch.setattr(shell, "SHELL_SOURCES", tuple(patched))
    rng = np.random.default_rng(4)
    products = [(bfloat16(rng, (12, 24), 4), bfloat16(rng, (24, 12), 4)) for _ in range(2)]
    try:
        played = shell.play(products, 4, 4, Dataflow.WS)
    except simulate.SimulationError:
        return  # results were lost
    assert any((one.y != float32_sums(a, b, 4)).any() for one, (a, b) in zip(played, products, strict=True))


def test_products_that_the_shell_cannot_take_are_named():
    def zeros(m, n, k):
        return np.zeros((m, k), dtype=np.int8), np.zeros((k, n), dtype=np.int8)

    for sizes, dataflow, said in (
        ((4, 4, 600), Dataflow.OS, "memories"),
        ((300, 12, 4), Dataflow.OS, "memories"),
        ((3, 4, 5), Dataflow.WS, "sums of 4 rows"),
        ((4, 4, 4), Dataflow.IS, "os or ws"),
    ):
        with pytest.raises(simulate.SimulationError, match=said):
            shell.play([zeros(*sizes)], 4, 4, dataflow)
    with pytest.raises(simulate.SimulationError, match="bfloat16"):
        shell.play([(np.zeros((4, 4)), np.zeros((4, 4)))], 4, 4, Dataflow.OS)
