"""A file of conf says what is its own: no code, no place, nothing of Hydra's, of the environment or of other groups."""

import pytest
import yaml

from harness.settings import shipped
from harness.settings.errors import ConfigError
from harness.settings.groups import check_file
from tests.helpers.program import CONF

GROUPS = [path.name for path in sorted(CONF.iterdir()) if path.is_dir() and path.name != "hydra"]
FILES = [path for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
PACKAGED = {"experiment": "_global_", "task": "_global_", "claim": "claim.mine"}


def check(group, text, package=None, trusted=False):
    check_file("evil.yaml", group, package, yaml.safe_load(text), trusted)


def package_of(path):
    line = path.read_text().splitlines()[0]
    return line.removeprefix("# @package ") if line.startswith("# @package ") else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_file_says_what_is_its_own(path):
    check_file(str(path), path.parent.name, package_of(path), yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("package", ["hydra", "workload.arguments", "hydra.run", "_global_", "outputs", "train", "a b"])
def test_a_package_of_another_group_is_refused(group, package):
    if group in ("experiment", "task") and package == "_global_":
        return
    with pytest.raises(ConfigError, match="package"):
        check(group, "rows: 3", package)


ELSEWHERE = [
    "workload: {target: evil:run}",
    "hydra: {run: {dir: /tmp/x}}",
    "hydra: {sweep: {dir: /tmp/x}}",
    "hydra: {sweep: {subdir: ../../x}}",
    "hydra: {callbacks: {evil: {_target_: os.system}}}",
    "hydra: {launcher: {_target_: evil.Launcher}}",
    "hydra: {sweeper: {_target_: evil.Sweeper}}",
    "hydra: {job_logging: {handlers: {file: {filename: /tmp/x}}}}",
    "hydra: {hydra_logging: {handlers: {file: {class: evil.Handler}}}}",
    "hydra: {job: {env_set: {PYTHONPATH: /tmp/x}}}",
    "hydra: {job: {env_copy: [HOME]}}",
    "hydra: {job: {chdir: true}}",
    "hydra: {output_subdir: ../../x}",
    "hydra: {searchpath: [/tmp/x]}",
    "hydra: {overrides: {task: [workload.target=evil:run]}}",
    "hydra: {mode: [1]}",
    "hydra: {mode: MULTIRUN, verbose: true}",
    "outputs: /tmp/x",
    "outputs: results",
    "trust: true",
    "_target_: os.system",
    "tracking: {uri: 'sqlite:////tmp/x.db'}",
    "tracking: {uri: 'http://elsewhere:5000'}",
    "data: {root: /tmp/x}",
    "data: {root: ../x}",
    "data: {root: ~/x}",
    "workload: {name: ../../../x}",
    "workload: {optimizer: {_target_: evil.run}}",
    "task: {name: replay, timeline: /tmp/x.json}",
    "task: {name: replay, timeline: x}",
    "task: {name: replay, topology: ../x.csv}",
    "task: {name: capture, trace: x.halfstep}",
    "task: {name: validate, errors: a/b.csv}",
    "task: {name: ../evil}",
    "task: {name: replay, written: to/a/new/place}",
    "task: {name: replay, written: place.json}",
    "record: {folder: elsewhere}",
    "map: {'a.b': 3}",
]


@pytest.mark.parametrize("text", ELSEWHERE)
@pytest.mark.parametrize("group", ["experiment", "task"])
def test_code_places_and_hydra_s_own_are_refused_of_files_with_the_global_package(group, text):
    with pytest.raises(ConfigError, match=r"evil\.yaml"):
        check(group, text, "_global_")
    check(group, text, "_global_", trusted=True)


@pytest.mark.parametrize("group", [group for group in GROUPS if group not in ("workload", "experiment")])
def test_no_other_group_sets_a_target_even_of_models_shipped_here(group):
    text = "workload: {target: 'harness.training.models:lenet5'}"
    if group == "task":
        with pytest.raises(ConfigError, match="not of the group task"):
            check(group, text, "_global_")
    for package in ("workload", "workload.optimizer"):
        with pytest.raises(ConfigError, match="package"):
            check(group, "target: 'harness.training.models:lenet5'", package)


@pytest.mark.parametrize(
    "target",
    [
        *("evil:run", "os:system", "subprocess:run", "harness.tasks.job:imported", "torch:load", "torch.hub:load"),
        *(
            "builtins:eval",
            "harness.training.models_evil:run",
            "torchvision.models_evil:run",
            "torchvision.io:read_file",
        ),
        *("harness.training.models:__builtins__.eval", "harness.training.models:_x", "torchvision.models._api:x"),
        *("harness.training.models", "harness.training.models:", ":lenet5", "a b:c", "../x:y", "[1]", "3", "true", ""),
        *("harness.training.models:lenet5\n", "harness.training.models:lenet5;x", "{a: 1}"),
    ],
)
def test_a_workload_file_names_models_and_no_other_code(target):
    value = yaml.safe_load(target) if target[:1] in ("[", "{") or target in ("3", "true") else target
    for group, values, package in (
        ("workload", {"target": value}, None),
        ("workload", {"target": value}, "workload"),
        ("experiment", {"workload": {"target": value}}, "_global_"),
    ):
        with pytest.raises(ConfigError, match=r"target"):
            check_file("evil.yaml", group, package, values)
        if not isinstance(value, dict):
            check_file("evil.yaml", group, package, values, trusted=True)


@pytest.mark.parametrize("target", ["harness.training.models:lenet5", "torchvision.models:alexnet", "???"])
def test_a_workload_file_names_models_that_come_with_the_program(target):
    check_file("mine.yaml", "workload", None, {"name": "mine", "target": target, "arguments": {"a": [1, {"b": "c"}]}})
    check_file("mine.yaml", "workload", None, {"target": "torchvision.models.video:r3d_18"})


@pytest.mark.parametrize("arguments", [{"weights": "DEFAULT"}, {"weights_backbone": "x"}, {"pretrained": True}])
def test_a_workload_file_downloads_no_weights(arguments):
    with pytest.raises(ConfigError, match="a place"):
        check_file("evil.yaml", "workload", None, {"arguments": arguments})
    check_file("evil.yaml", "workload", None, {"arguments": {"weights": None, "pretrained": False, "path": "a/b"}})


@pytest.mark.parametrize(
    "text",
    [
        *("${oc.env:HOME}", "${oc.env:SECRET,none}", "${oc.decode:${oc.env:X}}", "${oc.create:x}", "${oc.select:a}"),
        *("${now:%Y}", "${hydra:runtime.cwd}", "${hydra.runtime.cwd}", "${python_version:}", "${mine:x}", "${..name}"),
        *("a${workload.batch_size}", "${workload.batch_size}${workload.batch_size}", "${workload}", "${accelerator}"),
        *("${workload.${data.name}}", "${outputs}", "${tracking.uri}", "${", "${}", "\\${oc.env:HOME}", "${env:HOME}"),
    ],
)
@pytest.mark.parametrize("place", ["value", "list", "mapping in a list", "deep"])
@pytest.mark.parametrize(("group", "key"), [("accelerator", "rows"), ("claim", "source"), ("workload", "arguments")])
def test_a_file_refers_to_no_environment_and_to_no_more_than_one_setting(group, key, place, text):
    value = {"value": text, "list": [1, text], "mapping in a list": [{"a": text}], "deep": {"a": {"b": text}}}[place]
    with pytest.raises(ConfigError, match="refers to"):
        check_file("evil.yaml", group, PACKAGED.get(group), {key: value})


def test_a_file_may_refer_to_one_plain_setting():
    check("experiment", "train: {steps: '${workload.batch_size}'}", "_global_")
    check("workload", "batch_size: ${seed}\narguments: {width: '${workload.classes}'}")


def test_a_plain_setting_is_one_value():
    """So that a reference to it stands for one value, too."""
    for text in ("batch_size: {a: 1}", "batch_size: [1, 2]"):
        with pytest.raises(ConfigError, match="give one value"):
            check("workload", text)


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "/workload/custom",
            "../../x",
            "../accelerator/seed",
            "/../x",
            "a/b",
            "x@_global_",
            "x@hydra",
            "seed@workload",
        ),
        *({"/workload": "custom"}, {"workload": "custom"}, {"override /workload": "custom"}, {"override hydra/x": "y"}),
        *({"override /hydra/callbacks": "evil"}, {"override /hydra/launcher": "joblib"}, {"/hydra/launcher": "joblib"}),
        *({"override /data@_global_.data": "../x"}, {"/explore@hydra": "x"}, {"optional x": "y"}, {"a": 1, "b": 2}, {}),
        *(3, None, ["seed"], True, "${oc.env:HOME}", {"override /claim": ["x/y"]}),
    ],
    ids=str,
)
@pytest.mark.parametrize("group", ["accelerator", "baseline", "claim", "data", "explore", "precision", "tracking"])
def test_defaults_stay_within_the_group(group, entry):
    with pytest.raises(ConfigError, match="defaults"):
        check_file("evil.yaml", group, PACKAGED.get(group), {"defaults": ["_self_", entry]})


@pytest.mark.parametrize(
    "entry",
    [
        *({"override /hydra/callbacks": "evil"}, {"override /hydra/launcher": "joblib"}, {"/workload": "custom"}),
        *({"override /hydra": "x"}, {"override /workload@hydra": "x"}, {"override /workload": "../../x"}),
        *({"override /claim": ["a"] * 3}, {"override /claim": [f"c{n}" for n in range(200)]}, {"override /claim": [1]}),
        *({"override /experiment": "other"}, {"override workload": "custom"}, "/config", "../config"),
    ],
    ids=str,
)
def test_an_experiment_chooses_by_name_and_nothing_of_hydra_s(entry):
    with pytest.raises(ConfigError, match="defaults"):
        check_file("evil.yaml", "experiment", "_global_", {"defaults": [entry]})


def test_a_file_builds_on_one_other():
    check("baseline", "defaults: [live, _self_]")
    with pytest.raises(ConfigError, match="2 other files"):
        check("baseline", "defaults: [live, published]")
    with pytest.raises(ConfigError, match="no list"):
        check("baseline", "defaults: {live: null}")


@pytest.mark.parametrize(
    "params",
    [
        *("{workload.target: 'evil:run'}", "{workload.target: evil}", "{hydra.run.dir: x}", "{hydra/launcher: joblib}"),
        *("{outputs: a}", "{trust: 'true'}", "{+workload.x: 1}", "{~claim: 1}", "{task.trace: a}", "{workload: ../x}"),
        *("{workload: '${oc.env:HOME}'}", "{batch_size: 'range(1,1000000000)'}", "{workload@hydra: a}", "[1]", "a"),
        *("{seed: 'range(0,9999)', batch_size: '1,2'}", "{batch_size: [1, 2]}", "{batch_size: {a: 1}}", "{1: 2}"),
        *("{seed: " + ",".join(["'1"] + ["1"] * 20_000) + "'}", "{workload.arguments: '{a: 1}'}", "{seed: null}"),
    ],
    ids=lambda text: text[:40],
)
def test_a_sweep_of_an_experiment_is_over_settings_of_its_own(params):
    with pytest.raises(ConfigError, match=r"evil\.yaml"):
        check("experiment", f"hydra: {{mode: MULTIRUN, sweeper: {{params: {params}}}}}", "_global_")


@pytest.mark.parametrize(
    "params",
    [
        "{batch_size: '32,64'}",
        "{workload: 'a,b', seed: 'range(0,9)'}",
        "{workload: glob(mnist_*)}",
        "{claim: '[a],[b]'}",
    ],
)
def test_a_sweep_of_an_experiment_is_taken(params):
    check("experiment", f"hydra: {{mode: MULTIRUN, sweeper: {{params: {params}}}}}", "_global_")


@pytest.mark.parametrize("group", [group for group in GROUPS if group not in PACKAGED])
@pytest.mark.parametrize(
    "name", ["../../x", "/tmp/x", "a/b", "a\\b", "..", "", "a b", "a\nb", "x" * 65, 3, True, None, [1]]
)
def test_a_name_is_no_path(group, name):
    if name is None:
        return
    with pytest.raises(ConfigError, match=r"name|give one value"):
        check_file("evil.yaml", group, None, {"name": name})


def test_a_tracking_file_keeps_its_store_in_the_working_directory_or_on_a_server():
    check("tracking", "uri: sqlite:///mine.db")
    check("tracking", "uri: https://team:5000/x")
    for uri in (
        "sqlite:////tmp/x.db",
        "sqlite:///../x.db",
        "sqlite:///a/b.db",
        "file:///tmp/x",
        "/tmp/x",
        "evil://x",
        3,
    ):
        with pytest.raises(ConfigError, match="place"):
            check_file("evil.yaml", "tracking", None, {"uri": uri})


@pytest.mark.parametrize("values", [None, [], [1], "text", 3, 1.5, True])
def test_a_file_that_holds_no_settings(values):
    with pytest.raises(ConfigError, match="holds no settings"):
        check_file("evil.yaml", "accelerator", None, values)


@pytest.mark.parametrize("group", ["claim", "experiment"])
def test_a_claim_and_an_experiment_say_their_package(group):
    with pytest.raises(ConfigError, match=r"no package.*write # @package"):
        check(group, "statement: a")


@pytest.mark.parametrize("group", GROUPS)
def test_an_error_repeats_little_of_a_long_value(group):
    long = "y" * 5000
    for values in ({long: 1}, {"a": {long: 1}}, {"name": long}, {"defaults": [long]}, {"defaults": [{long: 1}]}):
        with pytest.raises(ConfigError) as caught:
            check_file("evil.yaml", group, "hydra." + long, values)
        assert str(caught.value).count("y") < 250


def test_a_workload_that_is_read_beside_the_run_s_own_is_checked_too(tmp_path, monkeypatch):
    folder = tmp_path / "workload"
    folder.mkdir()
    text = (CONF / "workload" / "mnist_mlp.yaml").read_text()
    (folder / "evil.yaml").write_text(text.replace("harness.training.models:mlp", "evil:run"))
    monkeypatch.setattr(shipped, "CONF", tmp_path)
    with pytest.raises(ConfigError, match="names code"):
        shipped.load("evil")
    assert shipped.load("evil", trusted=True).target == "evil:run"
