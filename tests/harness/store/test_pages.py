"""MLflow's pages: what they are told to show; and a store that goes away or a sweep that is ended loses nothing."""

import json
import shutil
import time

import pytest
from PIL import Image

from harness.settings.schema import TrackingConfig, TrackingName
from harness.store import pages, tracking
from harness.store.files import read_json
from tests.helpers.fake_server import server_that_goes_away
from tests.helpers.program import client, halfstep, only, refused, runs

QUICK = ("workload=mnist_mlp", "train.steps=20", "compare.ceiling_of=null")

KILL_THE_SECOND_RUN = """
import os, signal
import harness.store.files as results
write = results.write
def killing(path, data):
    if path.name == "summary.md" and path.parent.name == "1" and not os.path.exists("killed"):
        open("killed", "w").close()
        os.kill(os.getpid(), signal.SIGTERM)
    write(path, data)
results.write = killing
"""


@pytest.fixture
def store(tmp_path, migrated):
    """(folder, Place of a fresh experiment in its database)."""
    shutil.copy(migrated, tmp_path)
    return tmp_path, tracking.prepare(settings(tmp_path))


def settings(folder):
    return TrackingConfig(TrackingName.mlflow, f"sqlite:///{folder}/mlflow.db", "halfstep")


def test_an_experiment_says_how_to_read_it_and_keeps_what_people_write_there(store):
    folder, place = store
    tags = client(folder).get_experiment(place.experiment_id).tags
    assert tags[pages.NOTE].startswith("**Does the accelerator train a model in half the time?")
    assert f"#/experiments/{place.experiment_id}/runs?{pages.WORKFLOW}" in tags[pages.NOTE]
    view = json.loads(tags[pages.SAVED_VIEW + pages.ALL])
    assert {"tags.`answer`", "metrics.`time/simulated_step_ms`"} <= set(view["selectedColumns"])
    client(folder).set_experiment_tag(place.experiment_id, pages.NOTE, "our own words")
    assert tracking.prepare(settings(folder)) == place
    assert client(folder).get_experiment(place.experiment_id).tags[pages.NOTE] == "our own words"


def test_a_sweep_has_a_saved_view_of_its_runs(store):
    folder, place = store
    place = tracking.Place(place.uri, place.experiment_id, sweep="2026-11-24_20-15-12-345678")
    parent = tracking.start(place, "sweep", pages.RUN_COLUMNS)
    tags = client(folder).get_experiment(place.experiment_id).tags
    view = json.loads(tags[pages.SAVED_VIEW + place.sweep])
    found = client(folder).search_runs([place.experiment_id], view["searchFilter"])
    assert [run.info.run_id for run in found] == [parent]
    lines = tracking.browse(place, parent, charts=True)
    assert f"mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db" in lines[0]
    # the page drops a view whose address has no /runs
    assert all(f"/experiments/{place.experiment_id}/runs" in line for line in lines[1:])
    assert sum(f"viewStateShareKey={place.sweep}" in line for line in lines) == 2


def test_a_run_that_finished_earlier_joins_a_sweep_and_stays_in_its_own(store):
    folder, place = store
    first, second = (tracking.Place(place.uri, place.experiment_id, "p", sweep) for sweep in ("one", "two"))
    run_id = tracking.start(first, "a run")
    for _ in range(2):
        tracking.join(second, run_id)
    tracking.join(place, run_id)
    assert client(folder).get_run(run_id).data.tags["sweep"] == "one, two"
    assert not tracking.killed(first)
    assert (tracking.status(place, run_id), tracking.status(place, "f" * 32), tracking.status(place, "")) == (
        "RUNNING",
        "",
        "",
    )
    tracking.finish(place, run_id, "KILLED")
    assert tracking.killed(first)
    client(folder).delete_run(run_id)
    assert tracking.status(place, run_id) == ""


def test_a_description_points_to_the_artifacts_of_its_run(store):
    folder, place = store
    run_id = tracking.start(place, "a run")
    (folder / "made").mkdir()
    Image.new("RGB", (1440, 720), "white").save(folder / "made" / "layers.png")
    entry = tracking.Entry(
        params={},
        metrics={"time/step_ms": 1234.56789, "explore/designs_count": 12345678},
        description="![layers](artifact:layers.png) [the report](artifact:report.html) [other](https://example.org)",
        answer="yes",
    )
    tracking.log(place, run_id, entry, folder / "made")
    run = client(folder).get_run(run_id)
    note = run.data.tags[pages.NOTE]
    assert f"![layers](get-artifact?path=small/layers.png&run_uuid={run_id})" in note
    with Image.open(client(folder).download_artifacts(run_id, "small/layers.png")) as image:
        assert image.size == (900, 450)
    assert f"[the report](#/experiments/{place.experiment_id}/runs/{run_id}/artifacts/report.html?" in note
    assert note.endswith("[other](https://example.org)")
    assert run.data.tags["answer"] == "yes"
    assert run.data.metrics == {"time/step_ms": 1234.57, "explore/designs_count": 12345678}


def test_names_fit_the_table_of_runs():
    assert all(len(pages.sweep_name(count)) <= 22 for count in (1, 10, 999, 100_000, "?"))


@pytest.mark.parametrize("hangs", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_server_that_goes_away_loses_nothing_and_the_run_is_logged_later(tmp_path, migrated, hangs):
    with server_that_goes_away(hangs) as (address, went):
        done = halfstep(*QUICK, f"tracking.uri={address}", folder=tmp_path)
        waited_s = time.monotonic() - went[0]
    folder = only(tmp_path.glob("outputs/runs/*"))
    refused(done, address, "Nothing is lost", str(folder), "resume=true")
    assert waited_s < (40 if hangs else 20)
    assert {"result.json", "summary.md", "layers.png", "trace.halfstep"} <= {path.name for path in folder.iterdir()}

    shutil.copy(migrated, tmp_path)
    later = halfstep(*QUICK, "resume=true", folder=tmp_path)
    assert later.returncode == 0, later.stderr
    assert "Done already" in later.stdout and "Logged now" in later.stdout and "Training on" not in later.stdout
    run = only(runs(tmp_path))
    assert run.info.status == "FINISHED" and run.info.run_name == f"mlp b{run.data.params['batch_size']} fp32"
    known = read_json(folder / "result.json")["metrics"]["time/measured_step_ms"]
    assert run.data.metrics["time/measured_step_ms"] == pytest.approx(known, rel=1e-5)
    assert {"layers.png", "layers_table.json"} <= {f.path for f in client(tmp_path).list_artifacts(run.info.run_id)}
    assert len(client(tmp_path).get_metric_history(run.info.run_id, "train/loss")) == 20

    again = halfstep(*QUICK, "resume=true", folder=tmp_path)
    assert "Done already" in again.stdout and "Logged now" not in again.stdout
    assert len(runs(tmp_path)) == 1


def test_a_sweep_that_is_ended_says_what_is_done_of_what_was_planned_and_goes_on(tmp_path, migrated):
    shutil.copy(migrated, tmp_path)
    (tmp_path / "sitecustomize.py").write_text(KILL_THE_SECOND_RUN)
    sweep = ("-m", *QUICK, "batch_size=32,64,128")
    ended = halfstep(*sweep, folder=tmp_path, python_path=tmp_path)
    assert ended.returncode == 130 and "Traceback" not in ended.stdout + ended.stderr
    assert "1 of 3 runs finished, 1 of them were not started" in ended.stdout
    parent = only(run for run in runs(tmp_path) if "sweep_parent" in run.data.tags)
    assert parent.info.status == "KILLED"
    assert parent.data.metrics["sweep/unfinished_count"] == 2
    note = parent.data.tags[pages.NOTE]
    assert note.startswith("**1 of 3 runs finished") and "resume=true" in note and "| 0 | mnist_mlp | 32 |" in note
    assert sorted(run.info.status for run in runs(tmp_path)) == ["FINISHED", "KILLED", "KILLED"]

    resumed = halfstep(*sweep, "resume=true", folder=tmp_path, python_path=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "3 of 3 runs finished" in resumed.stdout
    second = runs(tmp_path)[-3]
    assert second.info.status == "FINISHED" and "sweep_parent" in second.data.tags
    named = f"tags.sweep LIKE '%{second.data.tags['sweep']}%' and attributes.status = 'FINISHED'"
    found = client(tmp_path).search_runs([second.info.experiment_id], named)
    assert sorted(run.data.params.get("batch_size", "") for run in found) == ["", "128", "32", "64"]
    assert {"sweep.png", "sweep.json"} <= {f.path for f in client(tmp_path).list_artifacts(second.info.run_id)}
