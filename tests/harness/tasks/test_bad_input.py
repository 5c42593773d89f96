"""A wrong world gives one clear error, no traceback, a failing exit code, and leaves earlier results as they were."""

import resource
import shutil
import sqlite3

import pytest

from accel_model import Trace
from tests.helpers.program import halfstep, refused

QUICK = ("workload=mnist_mlp", "train.epochs=1", "compare.ceiling_of=null")


def test_a_gpu_that_is_not_there(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    refused(halfstep(*QUICK, "baseline.device=cuda", folder=tmp_path), "cuda", "baseline.device=cpu")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("workload=imagenet_resnet18", "data=imagenet", "data.root=nowhere", "batch_size=2"), "data=synthetic"),
        (("data=text", "data.root=nowhere.txt", "workload=text_gpt_small", "batch_size=2"), "nowhere.txt"),
        (("data=python_source",), "data=synthetic"),
        (("workload=text_gpt_small", "data=digits", "batch_size=2"), "data=python_source"),
    ],
)
def test_data_that_are_missing_or_do_not_suit(tmp_path, overrides, says):
    refused(halfstep(*QUICK[1:], *overrides, "tracking=none", folder=tmp_path), "error:", says)


def test_a_download_without_a_network(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\ndef refuse(*_, **__):\n    raise OSError('no network')\nsocket.getaddrinfo = refuse\n"
    )
    done = halfstep(*QUICK, "data=mnist", "data.root=here", "tracking=none", folder=tmp_path, python_path=tmp_path)
    refused(done, "data=mnist", "here", "data.root=", "data=digits")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("no_such_package:build", "no module"),
        ("harness.training.models:no_such_function", "no_such_function"),
        ("harness.training.models", "module:function"),
        ("harness.training.models:lenet5", "arguments"),
    ],
)
def test_a_custom_target_that_cannot_be_built(tmp_path, target, says):
    arguments = ("+workload.arguments.wheels=4",) if says == "arguments" else ()
    done = halfstep("workload=custom", f"workload.target={target}", *arguments, "tracking=none", folder=tmp_path)
    refused(done, says, target)


def test_a_model_that_does_not_fit_its_input(tmp_path):
    done = halfstep(
        "workload=custom", "workload.target=harness.training.models:lenet5", "tracking=none", folder=tmp_path
    )
    refused(done, "error:")


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "cut", "other archive"])
def test_a_corrupt_trace(tmp_path, damage):
    path = tmp_path / "t.halfstep"
    if damage == "garbage":
        path.write_bytes(b"\x00\xff" * 500)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        Trace.from_gemms([64], [64], [64]).save(path)
        path.write_bytes(path.read_bytes()[:-300])
    elif damage == "other archive":
        import zipfile

        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hello", "world")
    refused(halfstep("task=replay", f"task.trace={path}", folder=tmp_path), "t.halfstep", "task=capture")


def test_replay_without_a_trace(tmp_path):
    refused(halfstep("task=replay", folder=tmp_path), "task.trace")


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    refused(halfstep(*QUICK, folder=tmp_path), "mlflow.db", "tracking=none")
    assert (tmp_path / "mlflow.db").read_bytes().startswith(b"this is no database")


def test_a_folder_where_the_database_should_be(tmp_path):
    (tmp_path / "mlflow.db").mkdir()
    refused(halfstep(*QUICK, folder=tmp_path), "mlflow.db", "tracking=none")


def test_a_locked_database_and_results_that_stay(tmp_path, migrated):
    shutil.copy(migrated, tmp_path)
    assert halfstep(*QUICK, folder=tmp_path).returncode == 0
    kept = sorted(path.read_bytes() for path in tmp_path.glob("outputs/runs/*/result.json"))
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("BEGIN EXCLUSIVE")
        done = halfstep(*QUICK, "batch_size=32", folder=tmp_path)
    database.close()
    refused(done, "locked", "tracking=none")
    assert sorted(path.read_bytes() for path in tmp_path.glob("outputs/runs/*/result.json")) == kept


def test_outputs_that_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file")
    refused(halfstep(*QUICK, "outputs=taken", "tracking=none", folder=tmp_path), "taken")


@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1")])
def test_a_working_directory_that_nobody_may_write(tmp_path, sweep):
    """/proc stands for it: nobody makes folders there, not even root."""
    done = halfstep(*sweep, *QUICK, "tracking.uri=sqlite:///" + str(tmp_path / "mlflow.db"), folder="/proc")
    refused(done, "/proc/outputs", "outputs=/another/folder")


@pytest.mark.parametrize("most", [6000, 12_000])  # bytes: the settings themselves do not fit, or a later file
def test_a_full_disk_while_writing(tmp_path, most):
    """A limit on the size of files stands for the full disk: writing fails half-way in the same way."""

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    done = halfstep(*QUICK, "tracking=none", folder=tmp_path, preexec_fn=small_files)
    refused(done, "cannot write")
    left = [path.name for path in tmp_path.glob("outputs/runs/*/*") if path.is_file()]
    assert not any(name.startswith(".") for name in left)  # no half-written file
    assert "result.json" not in left


def test_a_loss_that_diverges(tmp_path):
    done = halfstep(*QUICK, "workload.optimizer.lr=1e30", "tracking=none", folder=tmp_path)
    refused(done, "workload.optimizer.lr")


def test_a_step_that_does_not_fit_the_memory(tmp_path):
    done = halfstep("workload=imagenet_vgg16", "batch_size=20000", "tracking=none", folder=tmp_path)
    refused(done, "batch_size", "baseline=published")
