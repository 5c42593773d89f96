"""Design tables: combinations, the seed's completions, and one clear error for each bad value."""

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from accel_model.chips.convolutions import Convolution, from_convolutions
from accel_model.errors import DesignError, TraceError
from accel_model.types import Phase

SEED = Design.completions("seed")


def test_grid_gives_all_combinations_last_varying_fastest():
    design = Design.grid(rows=[2, 4], dataflow=["os", "ws", "best"])
    assert len(design) == 6
    assert design.rows.tolist() == [2, 2, 2, 4, 4, 4]
    assert [row["dataflow"] for row in design.to_rows()] == ["os", "ws", "best"] * 2


def test_paired_arrays_vary_together():
    design = Design.grid(array=[(32, 32, 1), (16, 16, 4)], trim=[False, True])
    assert list(zip(design.rows, design.cols, design.cores, strict=True)) == [(32, 32, 1)] * 2 + [(16, 16, 4)] * 2
    assert (design.pes == 1024).all()


def test_seed_is_what_is_stated_and_nothing_else():
    for design in (Design.load("seed"), SEED):
        assert (design.pes == 1024).all()
        assert (design.clock_hz == 2.5e9).all() and (design.dram_bytes_per_s == 256e9).all()
        assert (design.mac_rate == 1).all()
        np.testing.assert_allclose(design.macs_per_s, 2.56e12)


def test_completions_hold_every_stated_value_in_every_combination():
    arrays = set(zip(SEED.rows.tolist(), SEED.cols.tolist(), SEED.cores.tolist(), strict=True))
    assert arrays == {(2**i, 2 ** (10 - i), 1) for i in range(11)} | {(16, 16, 4), (8, 8, 16)}
    open_fields = ["dataflow", "overlap", "trim", "buffer_bytes", "dram_efficiency", "vector_lanes", "fusion"]
    open_fields += ["launch_s", "host_bytes_per_s"]
    counts = [len(arrays)] + [len(np.unique(getattr(SEED, name))) for name in open_fields]
    assert len(SEED) == np.prod(counts) and len(SEED) > 1000
    table = np.stack([getattr(SEED, name) for name in ("rows", "cols", *open_fields)], axis=1)
    assert len(np.unique(table, axis=0)) == len(SEED)
    assert SEED.buffer_bytes.min() == 2**18 and SEED.buffer_bytes.max() == 2**26


def test_a_mapping_is_the_same_as_its_file(tmp_path):
    mapping = {
        "rows": 8,
        "cols": {"value": 4, "values": [4, 16], "source": "here"},
        "dataflow": "ws",
        "clock_hz": "1e9",
    }
    path = tmp_path / "mine.yaml"
    path.write_text("rows: 8\ncols: {value: 4, values: [4, 16], source: here}\ndataflow: ws\nclock_hz: 1e9\n")
    for design in (Design.load(path), Design.from_mapping(mapping, "mine")):
        assert (design.rows[0], design.cols[0], design.clock_hz[0], str(design.name[0])) == (8, 4, 1e9, "mine")
    assert Design.completions(mapping).cols.tolist() == [4, 16]
    assert Design.completions(str(path)).cols.tolist() == [4, 16]


def test_rows_are_picked_and_stacked():
    design = Design.grid(rows=[1, 2, 3, 4])
    assert design[2].rows.tolist() == [3]
    assert design[1:3].rows.tolist() == [2, 3]
    assert design[[3, 0]].rows.tolist() == [4, 1]
    assert design[design.rows > 2].rows.tolist() == [3, 4]
    assert Design.stack([design[3], design[0]]).rows.tolist() == [4, 1]


BAD = [
    ({"rows": 0}, "rows", "above 0"),
    ({"rows": -3}, "rows", "above 0"),
    ({"cols": 2.5}, "cols", "whole number"),
    ({"rows": float("nan")}, "rows", "whole number"),
    ({"clock_hz": float("inf")}, "clock_hz", "finite"),
    ({"clock_hz": "fast"}, "clock_hz", "finite"),
    ({"clock_hz": None}, "clock_hz", "finite"),
    ({"rows": True}, "rows", "whole number"),
    ({"rows": 2**40, "cols": 2**40}, "rows x cols", "2^31"),
    ({"rows": 10**30}, "rows", "whole number"),
    ({"buffer_bytes": 0}, "buffer_bytes", "above 0"),
    ({"dram_efficiency": 1.5}, "dram_efficiency", "at most 1"),
    ({"dataflow": "sideways"}, "dataflow", "os, ws, is"),
    ({"trim": "maybe"}, "trim", "true or false"),
    ({"colour": "blue"}, "colour", "use one of"),
    ({"macs": 1024, "rows": 16, "cols": 16}, "macs", "rows * cols * cores"),
    ({"macs": -1}, "macs", "above 0"),
    ({"array": [8, 8]}, "array", "three whole numbers"),
    ({"array": [8, 8, 1], "rows": 8}, "array", "one of them"),
    ({"mac_rate": {"fp32": 1}}, "mac_rate", "each of"),
    ({"buffer_bytes": {"low": 1, "value": 1}}, "buffer_bytes", "both"),
    ({"buffer_bytes": {"values": [], "value": 1}}, "buffer_bytes", "list"),
    ({"buffer_bytes": {"low": 1, "high": 2}}, "buffer_bytes", "nominal"),
    ({"rows": {"value": 1, "colour": 2}}, "rows", "unknown part"),
    ([1, 2], "mapping", "rows: 32"),
    (None, "mapping", "rows: 32"),
]


@pytest.mark.parametrize(("mapping", "key", "fix"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_value_is_named_with_its_file_and_a_fix(mapping, key, fix):
    with pytest.raises(DesignError) as error:
        Design.from_mapping(mapping, "mine")
        Design.completions(mapping, "mine")
    text = str(error.value)
    assert "mine" in text and key in text and fix in text


@pytest.mark.parametrize("text", ["rows: [", "!!python/object/apply:os.system ['true']", "\x00", "a: &a [*a]", "- 1"])
def test_a_damaged_file_is_an_error_of_ours(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(DesignError, match=r"bad\.yaml"):
        Design.load(path)


def test_a_missing_design_is_named_with_those_there_are(tmp_path):
    with pytest.raises(DesignError, match="seed"):
        Design.load("nothing_of_that_name")
    with pytest.raises(DesignError, match="there is no design"):
        Design.load(tmp_path / "no.yaml")


def test_what_a_design_cannot_run_is_said():
    gemm = Trace.from_gemms(4096, 4096, 4096)
    with pytest.raises(DesignError, match="buffer_bytes 100 is less than one tile"):
        replay(gemm, Design.grid(buffer_bytes=100))
    with pytest.raises(DesignError, match=r"over 2\^53 cycles"):
        replay(Trace.from_gemms(1, 2**47, 1), Design.grid(rows=64, cols=1, overlap="none", trim=False))
    with pytest.raises(TraceError, match="no ops"):
        replay(Trace.from_gemms(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int)), Design.grid())


def test_power_above_the_limit_and_memory_that_does_not_fit_are_flagged():
    trace = Trace.from_gemms(512, 512, 512)
    report = replay(trace, Design.grid(watts_limit=[1e-3, 1e3], dram_capacity_bytes=[1e3, 1e9]))
    assert report.over_watts_limit.tolist() == [True, True, False, False]
    assert report.fits.tolist() == [False, True, False, True]


def test_every_completion_of_the_seed_runs_layers_of_every_shape():
    rng = np.random.default_rng(0)
    layers = [
        Convolution("stem", 3, 224, 64, 11, 4, 2, batch=128),
        Convolution("depthwise", 96, 28, 96, 3, 1, 1, 96, 64),
    ]
    layers += [
        Convolution("downsample", 512, 28, 1024, 1, 2, batch=64),
        Convolution("wide", 3, 32, 64, 3, 1, 1, batch=256),
    ]
    convolutions = from_convolutions(layers, "fp32", (Phase.FORWARD, Phase.DGRAD, Phase.WGRAD))
    sizes = 2 ** rng.integers(0, 16, size=(3, 30)) + rng.integers(0, 3, size=(3, 30))
    for trace in (convolutions, Trace.from_gemms(*sizes, dtype="fp32")):
        report = replay(trace, SEED, per_op=False)
        assert (report.step_s >= report.floor_s).all() and np.isfinite(report.step_s).all()


def test_designs_that_cannot_run_are_kept_with_infinite_times_where_asked_and_change_no_other():
    gemm = Trace.from_gemms([4096, 64], [4096, 32], [4096, 8])
    table = Design.grid(buffer_bytes=[100, 2**22], rows=[8, 32])
    report = replay(gemm, table, per_op=False, must_run=False)
    assert report.runs.tolist() == [False, False, True, True]
    assert np.isinf(report.step_s[:2]).all() and np.isinf(report.energy_j[:2]).all() and (report.watts[:2] == 0).all()
    alone = replay(gemm, table[2:], per_op=False)
    assert alone.runs.all()
    for name in ("step_s", "energy_j", "watts", "phase_s", "bound_s", "dram_total_bytes"):
        np.testing.assert_allclose(getattr(report, name)[2:], getattr(alone, name), rtol=1e-12)
