"""task=explore: its files and MLflow run, going on after an interruption, and one clear error for a wrong space."""

import json
import shutil

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from harness.flows.explore.checkpoint import load_table
from harness.flows.explore.search import METRICS
from tests.helpers.designs import CHOICES, same
from tests.helpers.program import halfstep, refused
from tests.helpers.traces import random_trace

AXES = [f"explore.space={{{','.join(f'{key}: {value}' for key, value in CHOICES.items())}}}"]
TRACE = "trace.halfstep"


@pytest.fixture
def folder(tmp_path):
    random_trace(np.random.default_rng(0)).save(tmp_path / TRACE)
    return tmp_path


def explore(folder, *overrides, tracking="none", **options):
    removed = [f"~explore.space.{axis}" for axis in ("overlap", "fusion")]
    arguments = ("task=explore", f"task.trace={TRACE}", *removed, *AXES, f"tracking={tracking}", *overrides)
    return halfstep(*arguments, folder=folder, **options)


def test_an_exploration_leaves_its_files_and_one_mlflow_run(folder, migrated):
    shutil.copy(migrated, folder)
    done = explore(folder, tracking="mlflow")
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("outputs/runs/*")
    rows, meta = load_table(made / "pareto.parquet")
    assert meta["command"].endswith("tracking=mlflow")
    assert set(METRICS) | {"rows", "cols", "cores", "dataflow", "buffer_bytes", "vector_lanes"} <= set(rows)
    assert (np.diff(rows["step_s"]) >= 0).all()
    assert (made / "pareto.png").read_bytes().startswith(b"\x89PNG") and b"<svg" in (made / "pareto.svg").read_bytes()
    summary = (made / "summary.md").read_text()
    assert "| nominal |" in summary and "proxy" in summary and "designs/s" in summary and "Made by" in summary
    result = json.loads((made / "result.json").read_text())
    assert result["designs_looked_at"] == 4 * 3 * 4 * 3 * 3
    nominal = replay(Trace.load(folder / TRACE), Design.load("seed"), per_op=False)
    assert result["nominal"]["step_s"] == pytest.approx(nominal.step_s[0], rel=1e-12)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("halfstep").experiment_id])
    assert run.info.status == "FINISHED" and run.data.params["task"] == "explore"
    assert run.data.metrics["explore/front_count"] == len(rows["step_s"])
    assert {"pareto.png", "pareto.parquet", "pareto_table.json"} <= {
        f.path for f in client.list_artifacts(run.info.run_id)
    }


def test_a_finished_exploration_is_not_searched_again_and_a_damaged_one_anew(folder):
    first = explore(folder)
    assert first.returncode == 0, first.stderr
    again = explore(folder, "resume=true")
    assert again.returncode == 0 and "Done already" in again.stdout
    fronts = [load_table(path)[0] for path in sorted(folder.glob("outputs/runs/*/pareto.parquet"))]
    assert len(fronts) == 2 and same(*fronts)
    (checkpoint,) = folder.glob("outputs/explore/*.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    anew = explore(folder, "resume=true")
    assert anew.returncode == 0 and "starts anew" in anew.stdout and "Done already" not in anew.stdout


def test_an_interrupted_exploration_says_how_to_go_on_and_goes_on(folder):
    (folder / "sitecustomize.py").write_text(
        "import os, signal\n"
        "import harness.flows.explore.search as e\n"
        "e.LARGEST_BATCH = e.SMALLEST_BATCH = 40\n"
        "if not os.path.exists('stopped'):\n"
        "    honest, calls = e.replay, []\n"
        "    def replay(*a, **k):\n"
        "        calls.append(1)\n"
        "        if len(calls) == 5:\n"
        "            open('stopped', 'w').close()\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "        return honest(*a, **k)\n"
        "    e.replay = replay\n"
    )
    stopped = explore(folder, python_path=folder)
    assert stopped.returncode == 130 and "Traceback" not in stopped.stdout + stopped.stderr
    assert "Nothing is lost" in stopped.stdout and "resume=true` goes on" in stopped.stdout
    resumed = explore(folder, "resume=true", python_path=folder)
    assert resumed.returncode == 0 and "Going on after" in resumed.stdout, resumed.stderr
    whole = explore(folder, "outputs=fresh", python_path=folder)
    assert whole.returncode == 0
    (_, end), (fresh,) = (
        sorted(folder.glob("outputs/runs/*/pareto.parquet")),
        folder.glob("fresh/runs/*/pareto.parquet"),
    )
    assert same(load_table(end)[0], load_table(fresh)[0])


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (("+explore.space.wheels=[4]",), "unknown key 'wheels'"),
        (("explore.space.buffer_bytes=[]",), "no value for buffer_bytes"),
        (("+explore.space.clock_hz={low: 2e9, high: 1e9, steps: 4}",), "low not above high"),
        (("explore.space.buffer_bytes={low: 1, high: 2, steps: 2}",), "~explore.space.buffer_bytes"),
        (("explore.area_most_mm2=0.001",), "explore.area_most_mm2=0.001"),
        (("explore.space.buffer_bytes=[16]",), "on-chip memory"),
        (("explore.objectives=[speed]",), "explore.objectives=[step_s"),
        (("explore.watts_most=-1",), "explore.watts_most"),
        (("task.trace=nowhere.halfstep",), "nowhere.halfstep"),
    ],
)
def test_a_space_that_cannot_be_searched_gives_one_clear_error(folder, override, says):
    refused(explore(folder, *override), says)
    assert not list(folder.glob("outputs/explore/*")) or "none of" in says or "most" in says or "memory" in says


def test_no_torch_is_needed_with_a_saved_trace(folder):
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    done = explore(folder, python_path=folder)
    assert done.returncode == 0, done.stderr


def test_optimising_the_hardware_is_one_command(folder):
    done = halfstep(
        "experiment=optimise_hardware", "workload=mnist_mlp", "tracking=none", *AXES, "batch_size=8",
        "~explore.space.overlap", "~explore.space.fusion", folder=folder,
    )  # fmt: skip
    pytest.importorskip("torch")
    assert done.returncode == 0, done.stderr
    assert "Pareto front of time, energy, area (a proxy)" in done.stdout
    assert "mnist_mlp" in next(folder.glob("outputs/runs/*/summary.md")).read_text()
