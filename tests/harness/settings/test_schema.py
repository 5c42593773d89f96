"""Every file in conf/ composes, and a wrong setting is refused with what, where and how."""

from dataclasses import MISSING, fields, is_dataclass
from typing import get_type_hints

import pytest

from harness.settings import shipped
from harness.settings.errors import ConfigError
from harness.settings.schema import ClaimConfig, RunConfig
from harness.tasks.job import task_module
from harness.training.data import sources
from tests.helpers.program import CONF, halfstep

GROUPS = ["task", "workload", "data", "accelerator", "baseline", "precision", "claim", "tracking", "experiment"]
NEEDS = {"custom": ["workload.target=harness.training.models:mlp"], "text": ["data.root=x"], "replay": ["task.trace=x"]}
FILES = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]


@pytest.mark.parametrize(("group", "name"), FILES, ids=lambda value: value)
def test_every_file_of_every_group_composes(compose, group, name):
    chosen = f"{group}=[{name}]" if group == "claim" else f"{group}={name}"
    config = compose(chosen, *NEEDS.get(name, []))
    found = getattr(config, group, None)
    if group == "claim":
        assert list(found) == [name]
    elif group == "task":
        assert found is None or found.__module__.startswith("harness.")
    elif group not in ("experiment", "accelerator"):
        assert str(getattr(found.name, "value", found.name)) == name


def test_every_group_has_a_file():
    assert {group for group, _ in FILES} == set(GROUPS)


@pytest.mark.parametrize("name", shipped.names())
def test_a_workload_read_alone_equals_the_one_that_hydra_composes(compose, name):
    assert shipped.load(name) == compose(f"workload={name}").workload


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("batch_size=-4", "batch_size is -4"),
        ("batch_size=0", "batch_size is 0"),
        ("seed=-1", "seed is -1"),
        ("train.budget_s=nan", "train.budget_s is nan"),
        ("train.steps=0", "train.steps is 0"),
        ("compare.level=1.5", "compare.level is 1.5"),
        ("workload.optimizer.lr=0", "workload.optimizer.lr is 0"),
        ("workload.input_shape=[0,28,28]", "workload.input_shape is [0, 28, 28]"),
        ("baseline.kinds=[rumour]", "baseline.kinds holds 'rumour'"),
        ("precision.autocast=float8", "precision.autocast is float8"),
        ("claim.seed_training_time.threshold=1.0", "no time falls by 100 %"),
        ("claim.seed_training_time.workloads=[]", "speaks of nothing"),
        ("tracking.experiment=a/b", "without a slash"),
    ],
)
def test_a_wrong_value_is_refused_where_it_enters(compose, override, says):
    with pytest.raises(ConfigError, match=r"give|use|write") as caught:
        compose(override)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("workload=lenet", "mnist_lenet5"),  # Hydra lists what there is
        ("batch_sizes=3", "Did you mean batch_size"),
        ("batch_size=many", "could not be converted to Integer"),
        ("batch_size", "missing EQUAL"),
        ("workload=custom", "workload.target has no value"),
        ("accelerator.array.value=[64,64,1]", "1024"),
        ("accelerator.array=[64,16,1]", "accelerator.array.value="),
        ("+accelerator.colour=3", "unknown key"),
    ],
)
def test_a_wrong_override_gives_a_few_lines_and_no_traceback(tmp_path, override, says):
    done = halfstep(override, folder=tmp_path)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert says in text
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) <= 12


def test_help_shows_the_groups_and_the_examples(tmp_path):
    done = halfstep("--help", folder=tmp_path)
    assert done.returncode == 0
    assert "mnist_lenet5" in done.stdout
    assert "hydra/launcher=joblib" in done.stdout


def schemas():
    """Every schema of the settings: the common ones, those of the tasks and those of the data sources."""
    found, todo = [], [RunConfig, ClaimConfig, *(sources.schema_of(name) for name in sources.names())]
    todo += [task_module(path.stem).SCHEMA for path in (CONF / "task").glob("*.yaml") if has_schema(path.stem)]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += [kind for kind in get_type_hints(one).values() if is_dataclass(kind) and kind not in found]
    return found


def has_schema(name):
    return hasattr(task_module(name), "SCHEMA")


def test_a_default_stands_in_conf_and_never_in_a_schema():
    assert len(schemas()) > 15
    for schema in schemas():
        for one in fields(schema):
            assert one.default is MISSING and one.default_factory is MISSING, f"{schema.__name__}.{one.name}"


def test_every_file_of_a_group_states_every_setting(compose):
    """What a schema asks for is stated by each file of its group, or by the file that it names in its defaults."""
    for name in shipped.names():
        assert shipped.load(name)
    for path in (CONF / "precision").glob("*.yaml"):
        assert shipped.precision(path.stem).name == path.stem
