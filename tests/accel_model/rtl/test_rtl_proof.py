"""The Verilog array computes what numpy computes, in exactly the cycles of the closed forms, in every mode."""

import numpy as np
import pytest

from accel_model.array.dataflow import Dataflow
from accel_model.array.record import Overlap
from accel_model.rtl import simulate
from accel_model.rtl.prove import MODES, measure, mode_name, random_shapes, read_table, source_hash
from tests.helpers.designs import cycles_of

live = pytest.mark.skipif(not simulate.available(), reason="Icarus Verilog (iverilog, vvp) is not installed")


def closed_form(mode, rows, cols, shapes):
    """Cycles int64 (shapes,) of int64 (shapes, 5) of groups, m, n, k, cores."""
    dataflow, overlap, trim = mode
    groups, m, n, k, cores = np.asarray(shapes, dtype=np.int64).T
    return cycles_of(dataflow, (m, n, k, groups), (rows, cols, cores), overlap, trim)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode_name(*mode))
def test_closed_form_equals_every_proven_row(mode):
    sizes, cycles, _ = read_table()
    shapes = np.stack([sizes[name] for name in ("groups", "m", "n", "k", "cores")], axis=1)
    np.testing.assert_array_equal(closed_form(mode, sizes["rows"], sizes["cols"], shapes), cycles[mode])


def test_proven_table_holds_every_kind_of_shape():
    sizes, cycles, _ = read_table()
    rows, cols, groups, m, n, k, cores = (sizes[x] for x in ("rows", "cols", "groups", "m", "n", "k", "cores"))
    kinds = {
        "fewer rows than the array": (m < rows) & (k < rows),
        "fewer columns than the array": (n < cols) & (m < cols),
        "k = 1": k == 1,
        "one row": (rows == 1) & (cols > 1),
        "one column": (cols == 1) & (rows > 1),
        "whole folds": (m % rows == 0) & (n % cols == 0) & (m > rows) & (n > cols),
        "edge folds": (m % rows > 0) & (n % cols > 0) & (m > rows) & (n > cols),
        "a stream shorter than the drain": (k < rows) & (m > rows),
        "groups": groups > 1,
        "cores": cores > 1,
    }
    assert len(rows) >= 400
    assert {kind: int(found.sum()) for kind, found in kinds.items() if found.sum() < 5} == {}
    trimmed, padded = (cycles[Dataflow.OS, Overlap.PIPELINED, trim] for trim in (True, False))
    assert (trimmed <= padded).all() and (trimmed < padded).mean() > 0.25


def test_proven_table_belongs_to_this_verilog():
    assert read_table()[2] == source_hash(), "the Verilog changed: run python -m accel_model.rtl.prove"


@live
@pytest.mark.parametrize(
    ("rows", "cols", "count"),
    [(1, 1, 20), (1, 4, 40), (5, 1, 40), (2, 3, 60), (3, 5, 50), (4, 4, 50), (7, 2, 30), (8, 8, 10)],
)
def test_array_takes_the_cycles_of_the_closed_form(rows, cols, count):
    rng = np.random.default_rng([1, rows, cols])
    shapes = random_shapes(rng, rows, cols, count)
    cycles = measure(rng, rows, cols, shapes)
    expected = np.stack([closed_form(mode, rows, cols, shapes) for mode in MODES], axis=1)
    for j, mode in enumerate(MODES):
        np.testing.assert_array_equal(cycles[:, j], expected[:, j], err_msg=mode_name(*mode))


@live
def test_proven_rows_are_found_again():
    sizes, cycles, _ = read_table()
    here = np.flatnonzero((sizes["rows"] == 3) & (sizes["cols"] == 4))[:8]
    shapes = np.stack([sizes[name][here] for name in ("groups", "m", "n", "k", "cores")], axis=1)
    found = measure(np.random.default_rng(0), 3, 4, shapes)
    np.testing.assert_array_equal(found, np.stack([cycles[mode][here] for mode in MODES], axis=1))


@live
@pytest.mark.parametrize(("rows", "cols"), [(2, 3), (4, 4)])
def test_numbers_survive_operands_that_come_with_pauses(rows, cols):
    rng = np.random.default_rng(4)
    shapes = random_shapes(rng, rows, cols, 12)
    paused = measure(rng, rows, cols, shapes, gaps=True)  # raises where a number is wrong
    assert (paused >= measure(rng, rows, cols, shapes)).all()


@live
@pytest.mark.parametrize("stages", [1, 2])
def test_a_register_around_the_multiplier_costs_one_cycle_per_fold_that_waits(stages):
    rng = np.random.default_rng(5)
    shapes = random_shapes(rng, 3, 4, 20)
    shapes[:, 4] = 1  # one core
    groups, m, n, k, _ = shapes.T
    cycles = measure(rng, 3, 4, shapes, product_stages=stages)
    for j, mode in enumerate(MODES):
        dataflow, overlap, _ = mode
        height, width = {Dataflow.OS: (m, n), Dataflow.WS: (k, n), Dataflow.IS: (k, m)}[dataflow]
        folds = groups * -(-height // 3) * -(-width // 4)
        waits = stages * (1 if overlap == Overlap.PIPELINED else folds)
        np.testing.assert_array_equal(cycles[:, j], closed_form(mode, 3, 4, shapes) + waits, err_msg=mode_name(*mode))


@live
@pytest.mark.parametrize(
    ("mode", "event", "instead"),
    [
        (
            (Dataflow.OS, Overlap.PIPELINED, True),
            "overlap == BUFFERED ? done : ended",
            "overlap == BUFFERED ? done : 1",
        ),
        ((Dataflow.OS, Overlap.BUFFERED, False), "(overlap == PIPELINED ? ~x_last : x_within)", "1'b1"),
        ((Dataflow.WS, Overlap.PIPELINED, True), "(x_within | (loaded &", "(x_within | (y_within &"),
        ((Dataflow.WS, Overlap.PIPELINED, False), "~shadow_taken | start;", "1'b1;"),
    ],
)
def test_an_array_that_waits_for_less_loses_results(mode, event, instead, tmp_path, monkeypatch):
    """The waits of the sequencer are needed, and a wrong result does not go unseen."""
    patched = []
    for source in simulate.SOURCES:
        text = source.read_text()
        if source.name == "sequencer.v":
            assert text.count(event) == 1
            text = text.replace(event, instead)
        patched.append(tmp_path / source.name)
        patched[-1].write_text(text)
    monkeypatch.setattr(simulate, "SOURCES", tuple(patched))
    with pytest.raises(simulate.SimulationError):
        measure(np.random.default_rng(6), 4, 3, np.array([[1, 12, 6, 12, 1], [1, 9, 7, 2, 1], [1, 2, 9, 9, 1]]), [mode])


def test_one_fold_and_one_pe_count_as_defined():
    """One PE, one product: os samples and adds, then writes the result; ws takes the weight, then adds and writes."""
    for dataflow in (Dataflow.OS, Dataflow.WS):
        for overlap in Overlap:
            one = np.ones(1, dtype=np.int64)
            assert cycles_of(dataflow, (one,) * 3, (one,) * 2, overlap) == 2


def test_mixed_products_and_a_missing_simulator_are_named(monkeypatch):
    one = np.ones((1, 1, 1), dtype=np.int8)
    both = [simulate.Product(one, one, dataflow, Overlap.NONE, False) for dataflow in (Dataflow.OS, Dataflow.WS)]
    with pytest.raises(simulate.SimulationError, match="all os, or all ws and is"):
        simulate.simulate(both, 2, 2)
    monkeypatch.setattr(simulate.shutil, "which", lambda _: None)
    with pytest.raises(simulate.SimulationError, match="not installed"):
        simulate.simulate(both[:1], 2, 2)
