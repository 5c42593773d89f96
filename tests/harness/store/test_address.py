"""A database lies where its address says, whatever its path holds; one that is migrated halfway is told at once."""

import os
import shlex
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url

from harness.settings.errors import TrackingError
from harness.settings.schema import TrackingConfig, TrackingName
from harness.store import address, tracking
from tests.helpers.program import halfstep, refused

FOLDERS = ("plain", "a b", "what?", "feature%2Fbranch", "100%", "a#b", "it's", 'say "so"', "größe", "c:d@e", "[x]&y;$z")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_relative_database_lies_in_the_working_directory(tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    uri = address.absolute("sqlite:///mlflow.db")
    assert make_url(uri).database == str(folder / "mlflow.db") == str(address.database(uri))
    assert make_url(uri).query == {}
    assert address.absolute(uri) == uri


@pytest.mark.parametrize("name", FOLDERS)
def test_an_address_with_the_path_as_it_is_leads_there_where_the_folder_is(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    uri = address.absolute(f"sqlite:///{folder}/mlflow.db")
    assert make_url(uri).database == str(folder / "mlflow.db")


def test_an_address_is_read_as_sqlalchemy_reads_it(tmp_path):
    (tmp_path / "a b?").mkdir()
    given = f"sqlite:///{tmp_path}/a%20b%3F/new.db?timeout=5"
    url = make_url(address.absolute(given))
    assert (url.database, dict(url.query)) == (str(tmp_path / "a b?" / "new.db"), {"timeout": "5"})
    assert address.absolute("http://host:5000/x?y") == "http://host:5000/x?y"
    assert address.database("postgresql://host/name") is None


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("sqlite:////no/such?folder/mlflow.db", "sqlite:////no/such%3Ffolder/mlflow.db"),
        ("sqlite:///:memory:", "keeps nothing"),
        ("sqlite:///", "keeps nothing"),
    ],
)
def test_an_address_that_names_no_file_is_refused(uri, says):
    with pytest.raises(TrackingError, match=r"give|write") as caught:
        address.absolute(uri)
    assert says in str(caught.value)


def test_a_password_is_not_shown():
    assert address.shown("http://me:secret@host:5000/x") == "http://me:***@host:5000/x"
    assert address.shown("sqlite:////a:b@c/d.db") == "sqlite:////a:b@c/d.db"
    place = tracking.Place("postgresql://me:secret@host/name", "1")
    assert not any("secret" in line for line in tracking.browse(place, "run", "a report.html"))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_printed_command_can_be_pasted(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    place = tracking.Place(address.absolute("sqlite:///mlflow.db"), "1")
    command, *pages = tracking.browse(place, "run", "report.html", charts=True)
    words = shlex.split(command)
    assert words[2:4] == ["ui", "--backend-store-uri"] and words[4] == place.uri and len(words) == 7
    assert all(" " not in line.partition("  ")[2].strip() for line in pages)


@pytest.mark.parametrize("name", ["what?", "feature%2Fbranch", "it's a # b"])
def test_a_run_is_logged_where_it_says_and_nowhere_else(tmp_path, migrated, name):
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(migrated, folder)
    quick = ("workload=mnist_mlp", "train.steps=6", "compare.ceiling_of=null", "data=synthetic", "baseline.device=cpu")
    done = halfstep(*quick, folder=folder)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlflow.db.lock", "mlruns", "outputs"}
    assert list(folder.glob("mlruns/*/*/artifacts/summary.md"))
    with sqlite3.connect(folder / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone() == (1,)
    database.close()


def test_the_environment_names_the_store_where_nobody_else_does(tmp_path, migrated, monkeypatch, compose):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/theirs.db")
    assert compose().tracking.uri == f"sqlite:///{tmp_path}/theirs.db"
    assert compose("tracking.uri=sqlite:///mine.db").tracking.uri == "sqlite:///mine.db"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert compose().tracking.uri == "sqlite:///mlflow.db"


OLD = "451aebb31d03"  # the first version that MLflow numbered


def damaged(path, *statements):
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()
    return path


HALFWAY = {
    "an older version": ([f"UPDATE alembic_version SET version_num = '{OLD}'"], ("older MLflow", "db upgrade")),
    "a newer version": (["UPDATE alembic_version SET version_num = 'ffffffffffff'"], ("newer MLflow", "MLflow that")),
    "no version": (["DELETE FROM alembic_version"], ("halfway", "says of no version")),
    "no table of versions": (["DROP TABLE alembic_version"], ("halfway", "says of no version")),
    "two versions": ([f"INSERT INTO alembic_version VALUES ('{OLD}')"], ("halfway",)),
    "a table missing": (["DROP TABLE metrics"], ("halfway", "metrics")),
    "old and a table missing": (
        ["DROP TABLE metrics", f"UPDATE alembic_version SET version_num = '{OLD}'"],
        ("older MLflow", "db upgrade"),
    ),
    "a table left behind": (["CREATE TABLE _alembic_tmp_metrics (key TEXT)"], ("halfway", "_alembic_tmp_metrics")),
}


@pytest.mark.parametrize("name", HALFWAY)
def test_a_database_migrated_halfway_is_told_at_once_and_left_as_it_is(tmp_path, migrated, name):
    statements, says = HALFWAY[name]
    path = damaged(Path(shutil.copy(migrated, tmp_path / "it's.db")), *statements)
    before, started = path.read_bytes(), time.monotonic()
    with pytest.raises(TrackingError) as caught:
        tracking.prepare(TrackingConfig(TrackingName.mlflow, f"sqlite:///{path}", "halfstep"))
    text = str(caught.value)
    assert all(one in text for one in (*says, str(path), "tracking.uri=sqlite:///new.db"))
    assert len(text.splitlines()) <= 12
    assert time.monotonic() - started < 20
    assert path.read_bytes() == before
    if "db upgrade" in text:
        command = text[text.index("`") + 1 : text.rindex("`")]
        assert make_url(shlex.split(command)[-1]).database == str(path)


def test_a_database_migrated_halfway_ends_the_program_with_a_few_lines(tmp_path, migrated):
    damaged(shutil.copy(migrated, tmp_path / "mlflow.db"), "DROP TABLE metrics")
    done = halfstep("workload=mnist_mlp", "train.steps=6", "compare.ceiling_of=null", folder=tmp_path)
    refused(done, "mlflow.db", "halfway", "tracking.uri=sqlite:///new.db")


def test_an_empty_file_becomes_a_database(tmp_path):
    (tmp_path / "mlflow.db").touch()
    place = tracking.prepare(TrackingConfig(TrackingName.mlflow, f"sqlite:///{tmp_path}/mlflow.db", "halfstep"))
    assert place.experiment_id and os.path.getsize(tmp_path / "mlflow.db")
