"""Names from files are shown as themselves wherever they leave the program: terminal, summaries, reports, pictures."""

import csv
import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from accel_model import Design, replay
from harness.judging.claims import judge
from harness.judging.compare import Simulation, compare
from harness.report import exploration, listings
from harness.report import run as report
from harness.report.baselines import baseline_table, source_lines
from harness.report.claim_map import page, values
from harness.report.pictures.canvas import LIGHT, drawn, png, svg
from harness.report.pictures.layers import layers_figure
from harness.report.pictures.sweep import sweep
from harness.store import files
from harness.tasks import capture, explore
from harness.tasks import replay as replay_task
from harness.tasks.job import Job
from harness.text.console import console, show
from harness.text.table import as_markdown
from tests.helpers import claim_maps
from tests.helpers.hostile import NAMES, is_seen, trace
from tests.helpers.page import Page
from tests.helpers.settings import comparing, composed

hostile = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
TAGS = {"markup": "[red]", "a link": "[link=", "an emoji code": ":warning:", "an end of markup": "[/bold]"}
RUNS = re.compile(r"(?<!\\)(?:\\\\)*(?:[<*]|\]\()")  # what Markdown would obey in a name


def job(folder, *overrides):
    config = composed("tracking=none", f"outputs={folder}", *overrides)
    return Job(overrides[0].removeprefix("task="), config, folder, "halfstep", overrides, None)


def assert_shown(text, key=None):
    """Assert that all of `text` is seen, that no line is endless, and that rich left the name of `key` as it is."""
    assert is_seen(text)
    assert all(len(line) < 2100 for line in text.splitlines())
    assert TAGS.get(key, "") in text
    assert "error: two" not in [line[: len("error: two")] for line in text.splitlines()]


@pytest.mark.parametrize(("key", "name"), NAMES.items(), ids=NAMES)
def test_a_replayed_trace(key, name, tmp_path, capsys):
    trace(name).save(tmp_path / "t.halfstep")
    timeline = tmp_path / "timeline.json"
    replay_task.replay(job(tmp_path, "task=replay", f"task.trace={tmp_path}/t.halfstep", f"task.timeline={timeline}"))
    assert_shown(capsys.readouterr().out, key)
    assert timeline.read_text().isascii()
    assert_shown(str(trace(name)))


@pytest.mark.parametrize(("key", "name"), NAMES.items(), ids=NAMES)
def test_a_captured_trace(key, name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(capture, "captured", lambda *_: trace(name))
    capture.capture(job(tmp_path, "task=capture", f"task.trace={tmp_path}/t.halfstep"))
    assert_shown(capsys.readouterr().out, key)


def test_a_file_of_a_hostile_name(tmp_path, capsys):
    path = tmp_path / "a\x1b[31m [red]b.halfstep"
    trace("x").save(path)
    settings = job(tmp_path, "task=replay", "task.trace=x")
    settings = replace(settings, config=replace(settings.config, task=replace(settings.config.task, trace=str(path))))
    replay_task.replay(settings)
    path.write_bytes(b"no trace")
    with pytest.raises(Exception, match="no trace") as error:
        replay_task.replay(settings)
    assert is_seen(capsys.readouterr().out) and is_seen(str(error.value)) and "[red]" in str(error.value)


@pytest.mark.parametrize(("key", "name"), NAMES.items(), ids=NAMES)
def test_the_table_of_a_sweep_and_of_baselines(key, name, capsys):
    found = {"run": ["0"], "workload": [name], "batch_size": [1], "precision": [name], "time/simulated_step_ms": [1.0]}
    one = claim_maps.measurement(1e-3, device=name, workload=name, batch_size=4, model=name, source=name, locator=name)
    tables = [listings.sweep_table(found), baseline_table(name, [one], name)]
    show(console(), tables, source_lines([one]), [name])
    assert_shown(capsys.readouterr().out, key)
    for table in tables:
        assert is_seen(as_markdown(table)) and not RUNS.search(as_markdown(table))


def summary(name):
    """(Result, RunConfig) of a run whose device, layers and accelerator are called `name`."""
    config = composed("workload=mnist_lenet5", "baseline=published", "compare.ceiling_of=null")
    design = replace(Design.load("seed"), name=np.array([name], dtype=object))
    one = claim_maps.measurement(1e-3, device=name, workload="mnist_lenet5", batch_size=64, source=name, locator=name)
    found = compare(one, Simulation(np.full(8, 1e-4), np.full(8, 1e-5), {"compute": 1.0}), "fp32", comparing())
    verdicts = tuple(
        judge(key, claim, found, "mnist_lenet5", claim_maps.Names()) for key, claim in config.claim.items()
    )
    bare = claim_maps.trained(design, ["fc", name, ""])
    changes = {"uncounted": {name: (3, 10**9)}}
    result = replace(
        bare,
        trace=replace(bare.trace, **changes),
        training=None,
        layer_times=None,
        comparisons=(found,),
        verdicts=(verdicts,),
        completions=range(8),
    )
    return result, config


@pytest.mark.parametrize(("key", "name"), NAMES.items(), ids=NAMES)
def test_the_summary_of_a_run(key, name, capsys):
    result, config = summary(name)
    text = report.markdown(result, config, f"halfstep {name}")
    body = text[: text.index("Made by")]
    assert is_seen(text) and not RUNS.search(body.replace("**", ""))
    assert all(len(line) < 4000 for line in body.splitlines())
    note = report.note(result, config, report.markdown(result, config, "halfstep"), has_speedups=True)
    assert len(re.findall(r"(?<!\\)\]\(artifact:", note)) == 3 and is_seen(note)
    show(console(), report.tables(result, config), report.remarks(result, config), report.headline(result, config))
    assert_shown(capsys.readouterr().out, key)


@pytest.fixture(scope="module")
def every_name():
    """A ClaimMap with a device, a layer and a source of each name, on an accelerator called like many of them."""
    bare = claim_maps.claim_map(workloads=("mnist_lenet5",), per_batch=len(NAMES), batches=(64,), hostile=False)
    names = list(NAMES.values())
    cells = []
    for index, cell in enumerate(bare.cells):
        name = names[index % len(names)]
        cells.append(replace(cell, baseline=replace(cell.baseline, device=name, source=name, locator=name, notes=name)))
    layers = claim_maps.trained(bare.design, [*names, ""])
    failures = tuple((name, name) for name in names)
    return replace(bare, cells=tuple(cells), trained=layers, failures=failures, accelerator="".join(names[:20]))


def test_the_report_of_a_claim_map(every_name, tmp_path, monkeypatch):
    blank = "data:image/png;base64,"
    monkeypatch.setattr(page, "render", lambda block: page.Rendered(b"png", b"svg", blank, blank))
    page.write(every_name, tmp_path, f"halfstep {NAMES['a script']}", {"python": NAMES["half a pair"]})
    texts = {name: (tmp_path / name).read_bytes().decode() for name in ("report.md", "report.html", "cells.csv")}
    for text in texts.values():
        assert is_seen(text)
    parsed = Page(texts["report.html"])
    assert not parsed.open and not {tag for tag, _ in parsed.tags} & {"script", "iframe", "object"}
    shown = "".join(parsed.text)
    assert "<script>alert(1)</script>" in shown and "abc\\u202etxt.exe" in shown
    for row in csv.reader(io.StringIO(texts["cells.csv"])):
        assert not [
            one for one in row if re.match(r" *[=@＝＋－＠\t\r]|[+-](?![\d.]+([eE][-+]?\d+)?( %)?$|inf|nan)", one)
        ]
    values_json = values.as_json(every_name, composed("task=claims"), "halfstep", {})
    files.write_json(tmp_path / "result.json", values_json)
    assert is_seen((tmp_path / "result.json").read_text())
    notes = (
        values.description(every_name, "halfstep `x`", ["a.png"]),
        values.series_note(every_name, "mnist_lenet5", "fp32", every_name.cells),
    )
    assert all(map(is_seen, notes))


def texts_of(vectors):
    """The SVG's root, once it is seen to be XML that holds no control."""
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", vectors)
    return ElementTree.fromstring(vectors)


def test_the_pictures_of_a_claim_map_are_valid_and_hold_no_formula(every_name):
    for section in page.sections(every_name, "halfstep", {}):
        for block in section.blocks:
            if block.picture and block.picture.name.startswith(("completions", "layers", "claim_map", "breakeven")):
                bitmap, vectors = drawn(block.picture, LIGHT, png, svg)
                assert bitmap.startswith(b"\x89PNG")
                texts_of(vectors)


@hostile
def test_a_picture_with_a_name_in_every_place(name):
    with np.errstate(all="ignore"):
        assert sweep([(name, 2.0, 1.0), ("other", None, 1.0)], name).startswith(b"\x89PNG")
    table = {"layer": [name, "fc"], "many": [False, False]}
    for side in ("measured", "simulated"):
        table |= {f"{side}_{phase}_s": [1e-3, 2e-3] for phase in ("forward", "backward", "update")}
        table[f"{side}_s"] = [3e-3, 6e-3]
    figure = layers_figure(table, name, name, name)
    texts_of(svg(figure))
    shown = {text.get_text() for axes in figure.axes for text in axes.get_yticklabels()}
    assert png(figure).startswith(b"\x89PNG") and shown


@pytest.mark.parametrize("name", [NAMES["markup"], NAMES["a colour"], NAMES["Markdown"], "n" * 200])
def test_an_exploration(name, tmp_path, capsys):
    path = tmp_path / f"{name.replace('/', '_')}.halfstep"
    trace(name).save(path)
    asked = job(tmp_path, "task=explore", "explore.space={dataflow:[os,ws]}")
    config = replace(asked.config, task=replace(asked.config.task, trace=str(path)))
    explore.explore(replace(asked, config=config))
    assert_shown(capsys.readouterr().out.replace(str(tmp_path), ""))
    text = (tmp_path / "summary.md").read_text()
    assert is_seen(text) and not RUNS.search(text[: text.index("Made by")])
    assert is_seen(exploration.subject(config), keep="")
    assert texts_of((tmp_path / "pareto.svg").read_bytes()) is not None


def test_a_report_on_a_trace_says_what_it_said_of_ordinary_names():
    found = trace("conv1")
    assert listings.trace_line(found).startswith("conv1: 2 ops, 6 tensors")
    assert listings.uncounted_line(found).endswith("conv1.")
    assert replay(found, Design.load("seed")).step_s[0] > 0
