"""task=baselines lists exactly what passes the filters, what is left out and why, and says what there is instead."""

import re

import pytest

import baselines
from baselines.published import LeftOut
from harness.settings.errors import ConfigError
from harness.tasks.baselines import _without_note
from harness.tasks.baselines import tables as tables_of
from tests.helpers.program import halfstep, refused


def listed(compose, *overrides, **chosen):
    tables, _, count = tables_of(compose("task=baselines", *overrides), **chosen)
    assert len(tables[0].rows) == count
    return tables


def test_the_command_as_written_lists_every_workload_of_that_gpu_and_model(tmp_path):
    done = halfstep("task=baselines", "gpu=V100", "model=resnet50", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Baselines: gpu=V100 model=resnet50" in done.stdout
    assert "V100-SXM2" in done.stdout and "K80" not in done.stdout
    count = len(baselines.load(baselines.Filter(device="V100", device_kind="gpu", model="resnet50")))
    assert count > 20 and f"{count} rows." in done.stdout
    assert re.search(r"further rows are left out \(.*of several devices.*\): left_out=true", done.stdout)


def test_filters_and_workload_narrow_each_other(compose):
    everything = listed(compose, "gpu=V100")[0].rows
    some = listed(compose, "gpu=V100", "year=2021", "kind=published", workload="imagenet_resnet50", precision="fp16")
    column = dict(zip(some[0].columns, range(len(some[0].columns)), strict=True))
    assert 0 < len(some[0].rows) < len(everything)
    for row in some[0].rows:
        assert "V100" in row[column["device"]] and row[column["precision"]] == "fp16"
        assert (row[column["workload"]], row[column["year"]]) == ("imagenet_resnet50", "2021")


def test_without_a_filter_the_run_s_own_workload_is_listed(compose):
    (table,) = listed(compose, "workload=imagenet_vgg16")[:1]
    assert {row[0] for row in table.rows} == {"imagenet_vgg16"}


def test_recalled_rows_are_shown_as_such(compose):
    (table,) = listed(compose, "fpga=stratix")
    kinds = {row[table.columns.index("kind")] for row in table.rows}
    assert kinds == {"published, verified", "published, recalled"}


def test_rows_that_are_left_out_are_shown_with_their_reasons(compose):
    table, without = listed(compose, "device=P100", "left_out=true")
    assert all("P100" in row[0] and row[2] for row in without.rows)
    assert any("only single devices" in row[2] for row in without.rows) and "left_out=true" not in table.note
    (everything,) = [listed(compose, "left_out=true", "device=' '")[1]]
    assert len(everything.rows) == len(baselines.left_out())


def test_reasons_are_counted_without_what_is_a_row_s_own():
    texts = [
        "SUSPECT: copied from elsewhere",
        "IMPLAUSIBLE, twice the peak",
        "8 devices: only single devices are compared",
    ]
    texts += ["its metric 'power' is no rate of training on one device", "no rate in images per second is given"]
    rows = [LeftOut("", "", "", "", "", text) for text in texts + texts[:1]]
    note = _without_note(rows)
    assert note.startswith(
        "6 further rows are left out (2: marked SUSPECT; 1: marked IMPLAUSIBLE; 1: of several devices"
    )
    assert "left_out=true" in note


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("gpu=V1000",), ("gpu=V1000 alone passes 0", "V100")),
        (("gpu=stratix",), ("gpu=stratix alone passes 0",)),  # an FPGA
        (("gpu=V100", "model=alexnett"), ("model=alexnett alone passes 0", "AlexNet")),
        (("year=1999",), ("year=1999 alone passes 0", "to 202")),
        (("gpu=K80", "year=2024"), ("gpu=K80 alone passes", "year=2024 alone passes")),
        (("kind=recorded", "gpu=K80"), ("kind=recorded alone passes 0", "can be nothing")),
    ],
)
def test_a_filter_that_matches_nothing_says_so_and_what_there_is(compose, overrides, says):
    (table,) = listed(compose, *overrides)[:1]
    assert not table.rows and "No row passes" in table.note
    assert all(one.lower() in table.note.lower() for one in says)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("task=baselines", "kind=rumour"), "kind is"),
        (("task=baselines", "gpu=V100", "fpga=VC709"), "gpu and fpga are both given"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(compose, overrides, says):
    with pytest.raises(ConfigError, match=says):
        tables_of(compose(*overrides))


@pytest.mark.parametrize("setting", ["gpu=V100", "left_out=true"])
def test_a_filter_of_another_task_is_refused_with_the_task_that_has_it(tmp_path, setting):
    name = setting.partition("=")[0]
    done = halfstep("task=run", setting, folder=tmp_path)
    refused(done, f"{name} is a setting of task=baselines: give task=baselines")
