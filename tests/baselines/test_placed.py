"""Results of place and route come back with their numbers; a file that is damaged or changed by hand is refused."""

import copy
import hashlib
import json
import random

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from accel_model.rtl import place_and_route
from accel_model.rtl.place_and_route import VARIANTS, Variant, head, source_hash
from accel_model.rtl.shell import SHELL_SOURCES
from accel_model.types import PRECISIONS
from baselines.errors import FileError
from baselines.placed import PLACED, from_text, placed
from baselines.specs import BOARDS, read_boards

USED = {"luts": 500, "ffs": 600, "dsps": 12, "block_rams": 9, "pins": 71}
AVAILABLE = {"luts": 83640, "ffs": 83640, "dsps": 156, "block_rams": 208, "pins": 365}


def signed(data):
    """The text of `data` with a digest that fits: SHA-256 of its fields in order of name, without spaces."""
    rest = {name: value for name, value in data.items() if name != "digest"}
    bare = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return json.dumps(rest | {"digest": hashlib.sha256(bare.encode()).hexdigest()})


@pytest.fixture
def data():
    """What the flow writes of an array of 4 x 3 PEs."""
    runs = [{"seed": seed, "fmax_hz": mhz * 1e6, "used": USED} for seed, mhz in ((1, 90.0), (2, 120.0), (3, 100.0))]
    runs[1] = runs[1] | {"used": USED | {"luts": 510}}
    versions = {"yosys": "Yosys 0.70, git 28ba3cb92", "nextpnr": "nextpnr-0.11.1"}
    return json.loads(place_and_route.to_text(head(Variant("os", 4, 3, "int8", (1, 2, 3)), versions), runs, AVAILABLE))


def refused(text, said, boards=None):
    with pytest.raises(FileError, match=said) as caught:
        from_text(text, "some.json", boards or read_boards())
    assert "some.json" in str(caught.value) and len(str(caught.value)) < 600


def test_what_the_flow_writes_is_read(data):
    one = from_text(json.dumps(data), "os_4x3_int8.json", read_boards())
    assert (one.rows, one.cols, one.dataflow, one.precision) == (4, 3, "os", "int8")
    assert one.fmax_hz.tolist() == [90e6, 120e6, 100e6] and one.seeds.tolist() == [1, 2, 3]
    assert one.clock_hz == 100e6 and one.best_hz == 120e6 and one.spread == pytest.approx(0.3)
    assert one.macs_per_s == 1.2e9
    assert (one.luts, one.ffs, one.dsps, one.block_rams) == (510, 600, 12, 9) and one.available["dsps"] == 156
    assert one.memory_bytes == 1024 * 4 + 1024 * 3 + 2 * 512 * 3 * 4  # operands, and two banks of results
    assert one.dram_bytes_per_s == 332e6 and one.dram_bytes == 32 * 2**20 and one.board_confidence == "recalled"
    assert "modelled from place and route" in one.source and "os_4x3_int8.json" in one.source


@pytest.mark.parametrize(("clock_hz", "fed"), [(200e6, 332e6), (83e6, 332e6), (50e6, 200e6)])
def test_a_slow_array_cannot_take_all_that_its_dram_gives(data, clock_hz, fed):
    """A 16-bit DRAM at 166 MHz gives 332 MB/s; a port of 32 bits takes 4 bytes at an edge."""
    data["runs"] = [data["runs"][0] | {"fmax_hz": clock_hz}]
    one = from_text(signed(data | {"median_fmax_hz": clock_hz}), "some.json", read_boards())
    assert one.dram_bytes_per_s == 332e6 and one.design_values()["dram_bytes_per_s"] == fed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.update(schema="other"), "schema"),
        (lambda data: data.update(schema_version=2), "schema_version"),
        (lambda data: data.update(schema_version=True), "schema_version"),
        (lambda data: data["units"].update(fmax_hz="MHz"), "units"),
        (lambda data: data.pop("rtl_sha256"), "rtl_sha256"),
        (lambda data: data.update(note="mine"), "note"),
        (lambda data: data["array"].pop("trim"), "array.trim"),
        (lambda data: data["array"].update(trim=1), "array.trim"),
        (lambda data: data["array"].update(rows=0), "array.rows"),
        (lambda data: data["array"].update(rows=4.5), "array.rows"),
        (lambda data: data["array"].update(rows=True), "array.rows"),
        (lambda data: data["array"].update(dataflow="rs"), "array.dataflow"),
        (lambda data: data["array"].update(precision="fp4"), "array.precision"),
        (lambda data: data["array"].update(memory_bytes=-1), "array.memory_bytes"),
        (lambda data: data.update(array=[1]), "array"),
        (lambda data: data.update(runs=[]), "runs"),
        (lambda data: data.update(runs={}), "runs"),
        (lambda data: data["runs"].append(copy.deepcopy(data["runs"][0])), "twice"),
        (lambda data: data["runs"][0].update(fmax_hz=-90e6), "runs.0.fmax_hz"),
        (lambda data: data["runs"][0].update(fmax_hz=0.0), "above 0"),
        (lambda data: data["runs"][0].update(fmax_hz="90"), "runs.0.fmax_hz"),
        (lambda data: data["runs"][0].update(fmax_hz=10**400), "runs.0.fmax_hz"),
        (lambda data: data["runs"][0].update(fmax_hz=130e6), "median_fmax_hz"),
        (lambda data: data["runs"][0]["used"].update(dsps=157), "more dsps"),
        (lambda data: data["runs"][0]["used"].update(dsps=-1), "runs.0.used.dsps"),
        (lambda data: data["runs"][0]["used"].pop("pins"), "runs.0.used.pins"),
        (lambda data: data["available"].update(carries=3), "available.carries"),
        (lambda data: data["tools"].update(yosys="x" * 100_000), "tools.yosys"),
        (lambda data: data["device"].update(name="Lattice iCE40"), "no board"),
        (lambda data: data.update(target_hz=None), "target_hz"),
    ],
)
def test_values_that_cannot_be_are_refused_even_with_a_digest(data, change, said):
    change(data)
    refused(signed(data), said)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["runs"][0].update(fmax_hz=91e6),
        lambda data: data["runs"][0]["used"].update(luts=499),
        lambda data: data["array"].update(memory_bytes=2**20),
        lambda data: data.update(rtl_sha256="0" * 64),
        lambda data: data.update(digest="0" * 64),
    ],
)
def test_a_change_by_hand_is_refused(data, change):
    change(data)
    refused(json.dumps(data), "changed by hand")


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "[" * 100_000, '{"a": 1, "a": 1}', '{"a": NaN}', " " * 2**21])
def test_a_text_that_is_no_object_is_refused(text):
    refused(text, "JSON|larger")


def test_damaged_texts_raise_nothing_but_file_errors(data):
    rng, whole = random.Random(0), json.dumps(data)
    for _ in range(300):
        at, text = rng.randrange(len(whole)), list(whole)
        text[at : at + rng.randrange(1, 20)] = rng.choice(["", "0", '"', "{", "]", "-", "1e999", "null", "é"])
        if "".join(text) != whole:
            with pytest.raises(FileError):
                from_text("".join(text), "some.json", read_boards())


def test_folders_and_boards_that_are_not_there_are_named(data, tmp_path):
    with pytest.raises(FileError, match="make fpga"):
        placed(tmp_path)
    (tmp_path / "one.json").write_bytes(b"\xff")
    with pytest.raises(FileError, match=r"one\.json"):
        placed(tmp_path)
    (tmp_path / "one.json").write_text(json.dumps(data))
    with pytest.raises(FileError, match=r"name the file os_4x3_int8\.json"):
        placed(tmp_path)
    (tmp_path / "one.json").rename(tmp_path / "os_4x3_int8.json")
    assert [one.name for one in placed(tmp_path)] == ["os_4x3_int8"]
    assert placed(tmp_path, board="ULX3S 85F")[0].board == "ULX3S 85F"
    with pytest.raises(FileError, match="ULX3S 85F"):
        placed(tmp_path, board="another")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("166e6", "fast", "fast"), ("166e6", "-1", "above 0"), ("166e6", "nan", "above 0"), ("recalled", "sure", "sure")],
)
def test_a_board_that_cannot_be_is_refused(tmp_path, old, new, said):
    path = tmp_path / "boards.csv"
    path.write_text(BOARDS.read_text().replace(old, new))
    with pytest.raises(FileError, match=said):
        read_boards(path)


def test_a_placed_array_is_a_design_that_replays(data):
    one = from_text(json.dumps(data), "some.json", read_boards())
    design = Design.from_mapping(one.design_values(), one.name)
    assert design.macs_per_s[0, PRECISIONS.index("int8")] == one.macs_per_s
    assert design.buffer_bytes[0] == one.memory_bytes and design.dram_bytes_per_s[0] == one.dram_bytes_per_s
    report = replay(Trace.from_gemms(m=[4], n=[3], k=[50], dtype="int8"), design)
    # One fold of a pipelined os array: 2 x 4 + 3 + 50 - 2 cycles, and the transfer of 4 x 50 + 50 x 3 + 4 x 3 operands.
    assert report.compute_cycles[0, 0] == 59
    assert report.step_s[0] >= 59 / 100e6
    assert np.isfinite(report.step_s).all()


def test_shipped_results_are_of_this_verilog_and_of_seeds_that_are_asked_for():
    shipped = {one.name: one for one in placed(PLACED)}
    assert len(shipped["os_12x12_int8"].seeds) >= 5
    variants = {variant.name: variant for variant in VARIANTS}
    assert set(shipped) <= set(variants)
    for name, one in shipped.items():
        assert one.rtl_sha256 == source_hash(SHELL_SOURCES), f"the Verilog changed: make fpga ({name})"
        assert set(one.seeds.tolist()) <= set(variants[name].seeds)
        assert (one.rows, one.cols, one.dataflow) == (
            variants[name].rows,
            variants[name].cols,
            variants[name].dataflow,
        )
        assert one.dsps == one.rows * one.cols  # a multiplier per PE: none was optimised away, none is made of LUTs
        Design.from_mapping(one.design_values(), name)
