"""SCALE-Sim's files read in, its cycles found exactly, and what is wrong in a file named with its place."""

import csv
from pathlib import Path

import numpy as np
import pytest

from accel_model import Trace, replay
from accel_model.errors import AccelModelError, DesignError, TraceError
from accel_model.formats.scalesim_config import load_config
from accel_model.formats.scalesim_topology import load_topology, save_topology
from accel_model.types import Kind

HERE = Path(__file__).parent
CONFIG = (HERE / "scalesim.cfg").read_text()


def config_file(folder, **changes):
    """A configuration file with other values for some keys."""
    lines = []
    for line in CONFIG.splitlines():
        key = line.split(":")[0].strip()
        lines.append(f"{key} : {changes[key]}" if key in changes else line)
    path = folder / "scalesim.cfg"
    path.write_text("\n".join(lines))
    return path


def reported():
    """{(topology, rows, cols, dataflow): cycles of each layer, as SCALE-Sim reports them}."""
    lines = (HERE / "scalesim_3_0_0_cycles.csv").read_text().splitlines()
    cycles = {}
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        run = (row["topology"], int(row["rows"]), int(row["cols"]), row["dataflow"])
        cycles.setdefault(run, []).append(int(row["compute_cycles"]))
    return cycles


@pytest.mark.parametrize(("run", "cycles"), reported().items(), ids=lambda value: "-".join(map(str, value[:4])))
def test_cycles_are_those_that_scalesim_reports(run, cycles, tmp_path):
    topology, rows, cols, dataflow = run
    design = load_config(config_file(tmp_path, ArrayHeight=rows, ArrayWidth=cols, Dataflow=dataflow))
    report = replay(load_topology(HERE / f"{topology}.csv"), design)
    assert report.compute_cycles[0].tolist() == cycles


def test_config_holds_what_the_file_says(tmp_path):
    design = load_config(config_file(tmp_path, InterfaceBandwidth="USER", Bandwidth="7, 9"), clock_hz=2e9)
    assert (
        design.to_rows()[0]
        | {
            "name": "run",
            "rows": 16,
            "cols": 3,
            "cores": 1,
            "dataflow": "ws",
            "overlap": "none",
            "trim": False,
            "convention": "scalesim",
            "buffer_bytes": 3 * 64 * 1024,
            "dram_bytes_per_s": 3 * 7 * 2e9,
        }
        == design.to_rows()[0]
    )


def test_unlimited_bandwidth_is_never_the_limit():
    report = replay(load_topology(HERE / "conv.csv"), load_config(HERE / "scalesim.cfg"))
    assert (report.dram_s < report.compute_s * 1e-9).all()


def test_older_config_without_later_sections_is_read(tmp_path):
    path = tmp_path / "old.cfg"
    path.write_text(
        '\ufeff[general]\r\nrun_name = "old run"\r\n\r\n[architecture_presets]\r\n'
        "ArrayHeight:    12\r\nArrayWidth:14\r\n; memories\r\nIfmapSramSz: 108\r\nFilterSramSz: 108\r\n"
        "OfmapSramSz: 100\r\nDataflow: os\r\n"
    )
    design = load_config(path)
    assert (str(design.name[0]), design.rows[0], design.cols[0]) == ("old run", 12, 14)
    assert design.buffer_bytes[0] == 316 * 1024


@pytest.mark.parametrize(("run", "cycles"), reported().items(), ids=lambda value: "-".join(map(str, value[:4])))
def test_without_stalls_a_step_takes_scalesim_s_compute_cycles(run, cycles, tmp_path):
    topology, rows, cols, dataflow = run
    sizes = dict.fromkeys(("IfmapSramSzkB", "FilterSramSzkB", "OfmapSramSzkB"), 1)
    config = config_file(tmp_path, ArrayHeight=rows, ArrayWidth=cols, Dataflow=dataflow, **sizes)
    report = replay(load_topology(HERE / f"{topology}.csv"), load_config(config, clock_hz=1e9))
    assert report.tiled_cycles[0].tolist() == cycles
    assert float(report.step_s[0]) * 1e9 == pytest.approx(sum(cycles), rel=1e-12)


def test_a_limited_bandwidth_makes_small_memories_cost_time(tmp_path):
    sizes = dict.fromkeys(("IfmapSramSzkB", "FilterSramSzkB", "OfmapSramSzkB"), 1)
    calc = load_config(config_file(tmp_path, **sizes))
    user = load_config(config_file(tmp_path, InterfaceBandwidth="USER", **sizes))
    trace = load_topology(HERE / "conv.csv")
    assert replay(trace, user).step_s[0] > replay(trace, calc).step_s[0]


WAYS = {
    "other delimiters and cases": lambda text: text.replace("ArrayHeight:    16", "ARRAYHEIGHT=16"),
    "marks behind a section": lambda text: text.replace("[general]", "[general] # of all"),
    "remarks behind a value": lambda text: text.replace("ArrayWidth:     3", "ArrayWidth: 3  ; columns"),
    "comment lines": lambda text: text.replace("Dataflow : ws", "# one of three\nDataflow : ws\n; the end"),
    "numbers as int() reads them": lambda text: text.replace("16", "+1_6").replace("64", "064"),
    "a section of defaults": lambda text: "[DEFAULT]\nArrayHeight: 16\n" + text.replace("ArrayHeight:    16\n", ""),
    "a value that goes on": lambda text: text.replace("Bandwidth : 10\n", "Bandwidth : 10,\n    20,\n    10\n"),
    "small letters of the mode": lambda text: text.replace("CALC", "calc"),
    "an empty value": lambda text: text + "\n[network_presets]\nTopologyCsvLoc:\n",
}


@pytest.mark.parametrize("name", WAYS)
def test_configs_that_scalesim_reads_are_read_alike(name, tmp_path):
    text = WAYS[name](CONFIG)
    assert text != CONFIG
    (tmp_path / "a.cfg").write_text(CONFIG)
    (tmp_path / "b.cfg").write_text(text)
    assert load_config(tmp_path / "b.cfg").to_rows() == load_config(tmp_path / "a.cfg").to_rows()


CLEAN = "Layer, M, N, K,\nfirst, 12, 34, 56,\nsecond, 7, 8, 9,\n"
QUIRKS = {
    "no trailing commas": CLEAN.replace(",\n", "\n"),
    "many trailing commas": CLEAN.replace(",\n", ",,, ,\n"),
    "blank lines": "\n" + CLEAN.replace("\n", "\n\n") + "\n  \n,,,,\n",
    "spaces and tabs": CLEAN.replace(", ", " \t,\t  ").replace("first", "  first  "),
    "Windows line ends": CLEAN.replace("\n", "\r\n"),
    "no line end at the end": CLEAN.rstrip("\n"),
    "a byte order mark": "\ufeff" + CLEAN,
    "another header": CLEAN.replace("Layer, M, N, K,", "Layer name,M,N,K,Sparsity Ratio,"),
    "a header without names": CLEAN.replace("Layer, M, N, K,", "GEMM workload,"),
    "quotes": CLEAN.replace("first", '"first"').replace("34", '"34"'),
    "a comment": CLEAN.replace("second", "# more, to come\nsecond"),
    "a comment behind a row": CLEAN.replace("56,", "56, # the first, of two"),
    "a remark behind the last comma": CLEAN.replace("56,", "56, the first").replace("9,", "9, (small)"),
    "numbers as int() reads them": CLEAN.replace("34", "+3_4").replace("7", "007"),
    "a ratio column": CLEAN.replace("M, N, K,", "M, N, K, Sparsity,").replace("56,", "56, 2:4,"),
}


@pytest.mark.parametrize("text", QUIRKS.values(), ids=QUIRKS.keys())
def test_gemm_files_with_quirks_read_alike(text, tmp_path):
    path = tmp_path / "quirk.csv"
    path.write_bytes(text.encode())
    trace = load_topology(path)
    assert trace.layers == ("first", "second")
    assert np.stack([trace.ops.m, trace.ops.n, trace.ops.k]).tolist() == [[12, 7], [34, 8], [56, 9]]
    assert (trace.ops.kind == Kind.GEMM).all()


CONV_HEADER = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides"


@pytest.mark.parametrize(
    ("text", "stride"),
    [
        (f"{CONV_HEADER},\nc, 9, 8, 3, 2, 5, 6, 2,\n", (2, 2)),
        (f"{CONV_HEADER}\nc, 9, 8, 3, 2, 5, 6, 2\n", (2, 2)),
        (f"{CONV_HEADER}, Sparsity Ratio,\nc, 9, 8, 3, 2, 5, 6, 2, 1:4,\n", (2, 2)),
        (f"{CONV_HEADER},\nc, 9, 8, 3, 2, 5, 6, 2, 1:4,\n", (2, 2)),
        (f"{CONV_HEADER} height, Stride width,\nc, 9, 8, 3, 2, 5, 6, 2, 3,\n", (2, 3)),
        (f"{CONV_HEADER} height, Stride width, Ratio\nc, 9, 8, 3, 2, 5, 6, 2, 3, 1:1\n", (2, 3)),
    ],
)
def test_convolution_files_with_quirks_hold_the_same_layer(text, stride, tmp_path):
    path = tmp_path / "conv.csv"
    path.write_text(text)
    ops = load_topology(path).ops
    outputs = [len(range(0, size - filt + step, step)) for size, filt, step in zip((9, 8), (3, 2), stride, strict=True)]
    assert (ops.m[0], ops.n[0], ops.k[0]) == (outputs[0] * outputs[1], 6, 3 * 2 * 5)
    assert ops.stride[:, 0].tolist() == [0, *stride]
    assert ops.output_size[:, 0].tolist() == [0, *outputs]


def test_a_batch_column_says_how_often_a_gemm_is_done(tmp_path):
    path = tmp_path / "batched.csv"
    path.write_text("Layer, M, N, K, Sparsity, Batch,\na, 2, 3, 4, 1:1, 5,\nb, 2, 3, 4, 2:4, 1,\n")
    trace = load_topology(path)
    assert trace.ops.groups.tolist() == [5, 1]
    path.write_text("Layer, M, N, K, Batch Size,\na, 2, 3, 4, 5,\n")
    assert load_topology(path).ops.macs.tolist() == [2 * 3 * 4 * 5]


def test_convolution_reads_the_image_and_not_the_matrix_made_of_it(tmp_path):
    path = tmp_path / "conv.csv"
    path.write_text(f"{CONV_HEADER},\nc, 9, 8, 3, 3, 5, 6, 1,\n")
    trace = load_topology(path, dtype="bf16")
    assert trace.tensors.elements.tolist() == [9 * 8 * 5, 3 * 3 * 5 * 6, 7 * 6 * 6]
    assert trace.uses.bytes.tolist() == [2 * elements for elements in trace.tensors.elements]


def test_exported_gemms_read_back(tmp_path):
    rng = np.random.default_rng(0)
    m, n, k = rng.integers(1, 500, size=(3, 40))
    groups = rng.integers(1, 4, size=40)
    path = tmp_path / "deep" / "out.csv"
    assert save_topology(Trace.from_gemms(m, n, k, groups=groups), path) == groups.sum()
    back = load_topology(path)
    assert len(set(back.layers)) == len(back)
    for sizes, column in ((m, back.ops.m), (n, back.ops.n), (k, back.ops.k)):
        np.testing.assert_array_equal(column, np.repeat(sizes, groups))
    for line in path.read_text().splitlines():
        assert line.endswith(",") and len(line.split(",")) == 5  # SCALE-Sim drops what follows the last comma


def test_too_many_groups_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(TraceError, match="GEMMs, groups counted"):
        save_topology(Trace.from_gemms(1, 1, 1, groups=2_000_000), tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


BAD_TOPOLOGIES = {
    "": r"bad.csv is empty",
    "Layer, M, N, K,\n": r"has a header but no layer",
    "Layer, M, N, K,\na, 1, 2,\n": r"line 2, column 4: K is missing",
    "Layer, M, N, K,\n\na, 1, x, 3,\n": r"line 3, column 3: N is 'x': give a whole number above 0",
    "Layer, M, N, K,\na, 1, -2, 3,\n": r"line 2, column 3: N is '-2'",
    "Layer, M, N, K,\na, 0, 2, 3,\n": r"line 2, column 2: M is '0'",
    "Layer, M, N, K,\na, 1.5, 2, 3,\n": r"line 2, column 2: M is '1.5'",
    "Layer, M, N, K,\na, 1, nan, 3,\n": r"line 2, column 3: N is 'nan'",
    "Layer, M, N, K,\na, 1, 2, ٣,\n": r"line 2, column 4: K is",
    f"Layer, M, N, K,\na, 1, 2, {'9' * 5000},\n": r"line 2, column 4: K is",
    "Layer, M, N, K,\na, 99999999, 99999999, 99999999,\n": r"line 2: the layer does .* MACs",
    "Layer, M, N, K,\na, 9999999999999999, 9999999999999999, 9999999999999999,\n": r"line 2: the layer does .* MACs",
    "Layer, M, N, K,\na, 1, 2, 3, 4,\n": r"line 2, column 5: the sparsity ratio is '4'",
    "Layer, M, N, K,\na, 1, 2, 3, 4:2,\n": r"line 2, column 5: the sparsity ratio is '4:2'",
    "Layer, M, N, K,\na, 1, 2, 3, 2:4, 7,\n": r"line 2, column 6: '7' is one value too many",
    "Layer, M, K, N,\na, 1, 2, 3,\n": r"line 1, column 2: the columns are M, K, N",
    "a, 1, 2, 3,\nb, 4, 5, 6,\n": r"line 1, column 2: the first line is a layer",
    f"{CONV_HEADER},\nc, 2, 8, 3, 3, 5, 6, 1,\n": r"line 2, column 4: Filter Height 3 exceeds IFMAP Height 2",
    f"{CONV_HEADER},\nc, 9, 8, 3, 3, 5, 6, 0,\n": r"line 2, column 8: Strides is '0'",
    f"{CONV_HEADER},\nc, 9, 8, 3, 3, 5,\n": r"line 2, column 7: Num Filter is missing",
    f"{CONV_HEADER}, Sparsity,\nc, 9, 8, 3, 3, 5, 6, 1, 2,\n": r"line 2, column 9: the sparsity ratio is '2'",
    f"{CONV_HEADER},\nDP, 9, 8, 3, 3, 99999999, 6, 1,\n": r"line 2, column 6: 99999999 channels",
}


@pytest.mark.parametrize(("text", "message"), BAD_TOPOLOGIES.items(), ids=range(len(BAD_TOPOLOGIES)))
def test_malformed_topologies_are_named_by_line_and_column(text, message, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=message) as error:
        load_topology(path)
    assert str(path) in str(error.value)


BAD_CONFIGS = {
    "[architecture_presets]\nArrayWidth : 3\nDataflow : ws\n": r"has no ArrayHeight in \[architecture_presets\]",
    CONFIG.replace("ArrayHeight:    16", "ArrayHeight:    16.5"): r"line 5, column 17: ArrayHeight is '16.5'",
    CONFIG.replace("ArrayHeight:    16", "ArrayHeight:    0"): r"line 5, column 17: ArrayHeight is '0'",
    CONFIG.replace("ArrayHeight:    16", "ArrayHeight:    99999999999"): r"scalesim.cfg: .*PEs: give at most",
    CONFIG.replace("Dataflow : ws", "Dataflow : rs"): r"line 13, column 12: Dataflow is 'rs': give os, ws or is",
    CONFIG.replace("SparsitySupport : false", "SparsitySupport : True"): r"SparsitySupport is true",
    CONFIG.replace("UseRamulatorTrace: False", "UseRamulatorTrace: True"): r"line 37, column 20: UseRamulatorTrace is",
    CONFIG.replace("IfmapCustomLayout: False", "IfmapCustomLayout: yes"): r"IfmapCustomLayout is true.*leaves out",
    CONFIG.replace("CALC", "AUTO"): r"InterfaceBandwidth is 'AUTO': give CALC or USER",
    CONFIG.replace("CALC", "USER").replace("Bandwidth : 10", "Bandwidth : many"): r"Bandwidth is 'many'",
    CONFIG.replace("Dataflow : ws", "Dataflow : ws\nDataflow : os"): r"line 14.*dataflow is given in line 13 too",
    CONFIG.replace("[general]", "[general"): r"line 1, column 1: '\[general' lacks its closing bracket",
    CONFIG.replace("[general]", ""): r"line 2, column 1: .* where a section such as \[general\] belongs",
    CONFIG.replace("Bandwidth : 10", "Bandwidth 10"): r"line 14, column 1: 'Bandwidth 10' where a line `key = value`",
}


@pytest.mark.parametrize(("text", "message"), BAD_CONFIGS.items(), ids=range(len(BAD_CONFIGS)))
def test_malformed_configs_are_named_by_line_and_column(text, message, tmp_path):
    path = tmp_path / "scalesim.cfg"
    path.write_text(text)
    with pytest.raises(DesignError, match=message) as error:
        load_config(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("load", [load_topology, load_config])
def test_unreadable_files_are_the_packages_own_error(load, tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"PK\x03\x04\n\xff\xfe\x00")
    for path, message in ((tmp_path / "missing", "cannot read"), (tmp_path, "cannot read"), (binary, "line 2.*UTF-8")):
        with pytest.raises(AccelModelError, match=message):
            load(path)


def test_random_bytes_never_raise_anything_else(tmp_path):
    rng = np.random.default_rng(1)
    alphabet = list("0123456789,,,\n\n:= MNKa[]#-.\t\x00\ufeff")
    path = tmp_path / "noise"
    for _ in range(400):
        noise = "".join(rng.choice(alphabet, size=rng.integers(0, 80)))
        for load, head in ((load_topology, "Layer, M, N, K,\n"), (load_config, "[architecture_presets]\n")):
            path.write_text(str(rng.choice(["", head])) + noise)
            try:
                load(path)
            except AccelModelError as error:
                assert str(path) in str(error)
