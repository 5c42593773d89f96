"""A task is found by its name; what its files lack, or what no schema knows, is one clear error."""

import shlex

import pytest

from harness.store import files
from harness.tasks.job import Job, _command, read_job
from tests.helpers.house import house
from tests.helpers.program import halfstep, refused

TASK = """
from dataclasses import dataclass


@dataclass
class EchoConfig:
    text: str
    often: int


SECTION, SCHEMA = "echo", EchoConfig


def echo(job):
    print(job.config.task.text * job.config.task.often)
    return {}
"""
CONF = "# @package _global_\ntask: {name: echo}\necho: {text: hi, often: 2}\n"
BROKEN = {
    "no file": (None, CONF, "harness/tasks/echo.py with a function echo(job)"),
    "no function": (TASK.replace("def echo", "def say"), CONF, "has no function echo: write"),
    "a slip of the pen": (TASK.replace("def echo(job):", "def echo(job)"), CONF, "task=echo has a syntax error at"),
    "what raises on import": (TASK + "\n1 / 0\n", CONF, "task=echo does not import: ZeroDivisionError"),
    "what is not installed": ("import no_such_library\n" + TASK, CONF, "needs the module 'no_such_library'"),
    "no dataclass": (TASK.replace("@dataclass\n", ""), CONF, "SCHEMA is no dataclass"),
    "no schema": (TASK.replace("SECTION, SCHEMA", "PLACE"), CONF, "echo is set in conf, and no schema knows it"),
    "a setting too many": (TASK, CONF.replace("often: 2", "often: 2, loud: true"), "echo.loud"),
    "a setting too few": (TASK, CONF.replace(", often: 2", ""), "echo.often has no value: give one"),
    "a setting of another type": (TASK, CONF.replace("2", "many"), "echo.often: Value 'many'"),
}


@pytest.fixture(scope="module")
def other_house(tmp_path_factory):
    return house(tmp_path_factory.mktemp("house"))


@pytest.mark.parametrize("name", BROKEN)
def test_what_a_task_s_files_lack_is_one_clear_error(other_house, tmp_path, name):
    code, conf, says = BROKEN[name]
    path = other_house / "harness/tasks/echo.py"
    path.unlink(missing_ok=True)
    if code is not None:
        path.write_text(code)
    (other_house / "conf/task/echo.yaml").write_text(conf)
    refused(halfstep("task=echo", folder=tmp_path, root=other_house), says)


def test_a_task_with_its_own_settings(other_house, tmp_path):
    (other_house / "harness/tasks/echo.py").write_text(TASK)
    (other_house / "conf/task/echo.yaml").write_text(CONF)
    done = halfstep("task=echo", "echo.often=3", folder=tmp_path, root=other_house)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hihihi\n"


def test_a_task_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    refused(halfstep("task=nope", folder=tmp_path), "task/nope", "baselines, capture, claims, explore")


@pytest.mark.parametrize("setting", ["map.batches=[1]", "record.budget_s=3", "explore=around_seed"])
def test_a_setting_of_another_task_is_refused_with_the_task_that_has_it(tmp_path, setting):
    name = setting.partition("=")[0]
    task = {"map": "claims", "record": "record", "explore": "explore"}[name.partition(".")[0]]
    refused(halfstep(setting, folder=tmp_path), f"{name} is a setting of task={task}")


def test_a_job_says_what_the_command_line_sets():
    job = Job("run", None, None, "halfstep", ("workload=mnist_mlp", "+extra=1", "~claim"), None)
    assert [job.sets(name) for name in ("workload", "extra", "claim", "precision")] == [True, True, True, False]
    assert callable(read_job)


def test_the_command_that_makes_a_run_again_can_be_pasted():
    overrides = ("outputs=a b", "workload.target=x:y", "batch_size=[1,2]", "data.root=it's `here` #1", "~claim")
    assert shlex.split(_command(overrides))[-len(overrides) :] == list(overrides)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"folder": 3}', '{"folder": "/nowhere"}', "not JSON"])
def test_a_record_of_an_older_layout_is_no_finished_run(tmp_path, text):
    path = files.record_path(str(tmp_path), "key")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert files.finished(str(tmp_path), "key") is None
