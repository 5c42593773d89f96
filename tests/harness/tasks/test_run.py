"""The program as a user runs it: what reaches the folder and MLflow, what a sweep keeps, what works offline."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from accel_model import Trace
from harness.store.files import read_json
from tests.helpers.program import ROOT, client, halfstep, only, runs

QUICK = ("train.epochs=1", "compare.ceiling_of=null")

OFFLINE = """
import socket
connect = socket.socket.connect
def refuse(self, address):
    if self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"):
        return connect(self, address)
    raise OSError("no network in this test")
socket.socket.connect = refuse
socket.getaddrinfo_of_system = socket.getaddrinfo
def getaddrinfo(host, *args, **kwargs):
    if host in ("127.0.0.1", "::1", "localhost", None, ""):
        return socket.getaddrinfo_of_system(host, *args, **kwargs)
    raise OSError("no network in this test")
socket.getaddrinfo = getaddrinfo
"""

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
"""


@pytest.fixture(scope="module")
def main_job(tmp_path_factory):
    """The default run, offline, with fewer epochs; returns (folder, finished process)."""
    folder = tmp_path_factory.mktemp("main")
    (folder / "sitecustomize.py").write_text(OFFLINE)
    done = halfstep("train.epochs=2", folder=folder, python_path=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_terminal_says_what_was_found_and_how_to_open_it(main_job):
    folder, done = main_job
    assert "held-out samples" in done.stdout
    assert "Ceiling on imagenet_resnet50: 211 samples/s" in done.stdout
    assert "contradict each other" in done.stdout
    assert f"mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db" in done.stdout
    assert only(folder.glob("outputs/runs/*")).name in done.stdout


def test_the_folder_holds_the_result_the_trace_and_the_settings(main_job):
    folder, _ = main_job
    run = only(folder.glob("outputs/runs/*"))
    result = json.loads((run / "result.json").read_text())
    trace = Trace.load(run / "trace.halfstep")
    # LeNet-5 forward: 28*28*6*25 + 10*10*16*150 + 400*120 + 120*84 + 84*10 MACs a sample
    assert trace.macs_by_phase()["forward"] == 64 * (117600 + 240000 + 48000 + 10080 + 840)
    assert result["macs_by_phase"] == trace.macs_by_phase()
    assert result["live"]["batch_size"] == 64
    assert len(result["live"]["samples_s"]) == 2 * 22 - 5  # two epochs of 22 batches, five steps of warm-up
    assert result["metrics"]["time/floor_step_ms"] <= result["metrics"]["time/simulated_step_ms"]
    assert result["ceiling"]["samples_per_s"] == pytest.approx(1024 * 2.5e9 / 12.15e9, rel=1e-3)
    assert (run / "layers.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "summary.md").read_text().startswith("# mnist_lenet5, batch 64, fp32")
    assert (run / ".hydra" / "config.yaml").is_file()


def test_mlflow_holds_the_run(main_job):
    folder, _ = main_job
    run = only(runs(folder))
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "lenet5 b64 fp32"
    assert run.data.params["workload"] == "mnist_lenet5"
    assert all(name.count("/") == 1 for name in run.data.metrics)
    assert 0 < run.data.metrics["train/accuracy_pct"] <= 100
    assert run.data.metrics["time/measured_step_ms"] > 0
    note = run.data.tags["mlflow.note.content"]
    assert re.match(
        r"\*\*[\d.]+ ms a step measured on .*, [\d.]+ ms a step on the accelerator seed: [\d.,]+x\.\*\*", note
    )
    assert "## Time on both sides" in note and "## Trained here" in note
    artifacts = {item.path for item in client(folder).list_artifacts(run.info.run_id)}
    assert {"trace.halfstep", "layers.png", "layers_table.json", "summary.md", "result.json"} <= artifacts
    losses = client(folder).get_metric_history(run.info.run_id, "train/loss")
    assert len(losses) == 44
    assert losses[-1].value < losses[0].value


def test_the_layers_add_up_to_the_step(main_job):
    folder, _ = main_job
    run = only(folder.glob("outputs/runs/*"))
    layers = json.loads((run / "layers.json").read_text())
    result = read_json(run / "result.json")
    measured = sum(value or 0 for value in layers["measured_s"])
    assert measured == pytest.approx(result["live"]["step_s"], rel=1e-6)
    hosted = result["metrics"]["bound/host_ms"]
    assert 1e3 * sum(layers["simulated_s"]) + hosted == pytest.approx(result["metrics"]["time/simulated_step_ms"])


def test_a_saved_trace_replays_without_torch(main_job, tmp_path):
    folder, _ = main_job
    trace = only(folder.glob("outputs/runs/*/trace.halfstep"))
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TORCH)
    done = halfstep("task=replay", f"task.trace={trace}", folder=tmp_path, python_path=tmp_path)
    assert done.returncode == 0, done.stderr
    simulated_ms = read_json(trace.parent / "result.json")["metrics"]["time/simulated_step_ms"]
    assert f"{simulated_ms:.4g} ms" in done.stdout


def test_the_baselines_are_listed_with_their_sources(tmp_path):
    done = halfstep("task=baselines", "workload=imagenet_vgg16", folder=tmp_path)
    assert done.returncode == 0
    assert "jcjohnson" in done.stdout


def test_the_chips_are_shown_cell_by_cell(tmp_path):
    done = halfstep("task=validate", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    saved = only(tmp_path.glob("outputs/runs/*/validation.md")).read_text()
    # Eyeriss, Chen et al., JSSC 2017, table V: 154 active PEs in CONV1, 135 in CONV2
    assert "| CONV1 | active_pes | 154 PE | 154 PE | +0 % |" in saved
    assert "| CONV2 | active_pes | 135 PE | 135 PE | +0 % |" in saved
    assert "Errors by chip and metric" in done.stdout


def test_a_scale_sim_topology_replays_on_its_configuration_and_gives_a_timeline(tmp_path):
    neighbours = ROOT / "tests" / "accel_model" / "formats"
    options = (f"task.config={neighbours / 'scalesim.cfg'}", "task.timeline=t.json", "task.topology=t.csv")
    done = halfstep("task=replay", f"task.trace={neighbours / 'gemm.csv'}", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    again = halfstep("task=replay", "task.trace=t.csv", options[0], folder=tmp_path)
    assert again.returncode == 0, again.stderr
    step = next(line for line in done.stdout.splitlines() if "training step" in line)
    assert step in again.stdout


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, migrated):
    """A sweep of which one run fails; returns (folder, finished process)."""
    folder = tmp_path_factory.mktemp("sweep")
    shutil.copy(migrated, folder)
    done = halfstep("-m", "workload=mnist_mlp", "batch_size=32,5000,64", *QUICK, folder=folder)
    return folder, done


def test_a_run_that_fails_leaves_the_others_finished(sweep):
    folder, done = sweep
    assert done.returncode != 0
    assert "batch_size of at most 1437" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.parent.name for path in folder.glob("outputs/sweeps/*/*/result.json")} == {"0", "2"}


def test_the_runs_of_a_sweep_are_flat_and_share_a_closed_parent(sweep):
    folder, _ = sweep
    found = runs(folder)
    parents = [run for run in found if "sweep_parent" in run.data.tags]
    children = [run for run in found if run not in parents]
    assert sorted(run.info.status for run in children) == ["FAILED", "FINISHED", "FINISHED"]
    assert {run.data.tags["sweep_parent_run_id"] for run in children} == {only(parents).info.run_id}
    assert not any("mlflow.parentRunId" in run.data.tags for run in children)
    assert only(parents).info.status == "FAILED"
    assert only(parents).data.metrics["sweep/finished_count"] == 2
    failed = next(run for run in children if run.info.status == "FAILED")
    assert "at most 1437" in failed.data.tags["mlflow.note.content"]


def test_a_sweep_goes_on_where_it_stopped(sweep):
    folder, _ = sweep
    before = len(runs(folder))
    done = halfstep("-m", "workload=mnist_mlp", "batch_size=32,64,128", "resume=true", *QUICK, folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Done already") == 2
    assert len(runs(folder)) == before + 2  # a parent, and the one run that was missing
    assert "3 of 3 runs finished" in done.stdout


def test_two_sweeps_at_once_share_a_fresh_database(tmp_path):
    command = [sys.executable, "-m", "harness", "-m", "workload=mnist_mlp", *QUICK]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    both = [
        subprocess.Popen([*command, f"batch_size={size}"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        for size in (32, 64)
    ]
    assert [one.wait(300) for one in both] == [0, 0]
    assert sorted(run.data.params["batch_size"] for run in runs(tmp_path) if run.data.params.get("batch_size")) == [
        "32",
        "64",
    ]


def test_joblib_runs_the_same_sweep(tmp_path, migrated):
    shutil.copy(migrated, tmp_path)
    options = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = halfstep("-m", "workload=mnist_mlp", "batch_size=32,64", *options, *QUICK, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 runs finished" in done.stdout
