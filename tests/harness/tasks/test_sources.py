"""Files of conf that others wrote, through Hydra: none runs code, writes elsewhere or reads the environment."""

import re
import shutil
import time

import pytest
from hydra import compose as compose_of
from hydra import initialize_config_dir
from hydra._internal.sources_registry import SourcesRegistry

from harness.settings import CONF
from harness.settings.errors import ConfigError
from harness.tasks import failures, sources
from tests.helpers.house import house
from tests.helpers.program import halfstep

DESIGN = (CONF / "accelerator" / "eyeriss.yaml").read_text()
WORKLOAD = (CONF / "workload" / "mnist_mlp.yaml").read_text()
EVIL = "import os, pathlib\npathlib.Path(os.environ['MARK']).touch()\ndef run(*_, **__):\n    return None\n"


@pytest.fixture
def guarded():
    """Hydra reads conf through the sources that check it; what was there before is put back."""
    sources.install(trusted=False)
    types = SourcesRegistry.instance().types
    kept = dict(types)
    yield types
    types.update(kept)


def composed(folder, *overrides):
    """The settings that Hydra composes of the shipped files and those in `folder`."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose_of("config", overrides=[f"hydra.searchpath=[file://{folder}]", *overrides])


def put(folder, place, text):
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


FILES = {
    "a target": ("workload/evil", WORKLOAD.replace("harness.training.models:mlp", "evil:run")),
    "a target in an accelerator": ("accelerator/evil", f"# @package workload\ntarget: 'evil:run'\n{DESIGN}"),
    "a global accelerator": ("accelerator/evil", "# @package _global_\nworkload: {target: 'evil:run'}"),
    "a global package in capitals": ("accelerator/evil", "#@package   _global_\nworkload: {target: 'evil:run'}"),
    "a package after a mark": ("accelerator/evil", "\ufeff# @package _global_\nworkload: {target: 'evil:run'}"),
    "a package twice": ("accelerator/evil", "# @package accelerator\n# @package hydra\nrun: {dir: /tmp/x}"),
    "a package of two words": ("accelerator/evil", "# @package a b\nrows: 1"),
    "a package without a name": ("accelerator/evil", "# @package\nrows: 1"),
    "a run folder": ("experiment/evil", "# @package _global_\nhydra: {run: {dir: /tmp/x}}"),
    "a callback": ("precision/evil", "# @package hydra.callbacks\nevil: {_target_: evil.run}"),
    "a launcher by defaults": (
        "experiment/evil",
        "# @package _global_\ndefaults:\n  - override /hydra/launcher: joblib",
    ),
    "defaults of another group": ("baseline/evil", "defaults:\n  - /workload/custom@_global_\nname: evil"),
    "defaults above the folder": ("baseline/evil", "defaults:\n  - ../../../etc/x\nname: evil"),
    "outputs": ("experiment/evil", "# @package _global_\noutputs: /tmp/x"),
    "a sweep over targets": (
        "experiment/evil",
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {workload.target: 'evil:run'}}}",
    ),
    "the environment": ("accelerator/evil", DESIGN.replace("12 x 14", "${oc.env:SECRET}")),
    "the environment in a claim": ("claim/evil", "# @package claim.evil\nstatement: ${oc.env:SECRET}"),
    "a name that is a path": ("workload/evil", WORKLOAD.replace("name: mnist_mlp", "name: ../../../x")),
    "a list": ("accelerator/evil", "- 1\n- 2"),
    "a text": ("accelerator/evil", "hello"),
    "nothing": ("accelerator/evil", ""),
    "a syntax error": ("accelerator/evil", "rows: 1\ncols: [1, 2\nclock_hz: 3"),
    "a tag": ("accelerator/evil", "rows: !!python/name:os.system"),
    "a set": ("accelerator/evil", "rows: !!set {a, b}"),
    "a path of OmegaConf": ("accelerator/evil", "rows: !!python/object/apply:pathlib.Path [a]"),
    "a cycle": ("accelerator/evil", "rows: &a [*a]"),
    "laughs": (
        "accelerator/evil",
        "a0: &a0 [1]\n" + "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)),
    ),
    "merged laughs": (
        "accelerator/evil",
        "a0: &a0 {b: 1}\n" + "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10)),
    ),
    "depth": ("accelerator/evil", "rows: " + "[" * 3000 + "]" * 3000),
    "a NUL": ("accelerator/evil", "rows: 1\0"),
    "bytes": ("accelerator/evil", b"rows: \xff\xfe"),
    "a large file": ("accelerator/evil", "rows: 1\n" + "# x\n" * 100_000),
    "files that build on each other": ("baseline/evil", "defaults: [evil]\nname: evil"),
    "numbers as keys": ("accelerator/evil", "1: 2"),
    "an item of defaults that is a number": ("accelerator/evil", "defaults: [3]\nrows: 1"),
}


@pytest.mark.parametrize(("place", "text"), FILES.values(), ids=FILES)
def test_a_file_of_another_is_refused_before_anything_is_composed(tmp_path, monkeypatch, guarded, place, text):
    monkeypatch.setenv("SECRET", "s3cr3t-value")
    put(tmp_path, f"{place}.yaml", text)
    group = place.partition("/")[0]
    chosen = {"claim": "claim=[evil]", "experiment": "+experiment=evil"}.get(group, f"{group}=evil")
    if group == "experiment":
        chosen = "experiment=evil"
    began = time.perf_counter()
    with pytest.raises(Exception) as caught:
        composed(tmp_path, chosen)
    assert time.perf_counter() - began < 4
    told = failures.explained(caught.value)
    assert told and len(told.splitlines()) <= 12 and "s3cr3t" not in told
    if text != "defaults: [evil]\nname: evil":
        assert isinstance(caught.value, ConfigError) and "evil.yaml" in told
    assert not re.search(r"(.)\1{200}", told)


def test_a_folder_of_another_brings_nothing_of_hydra_s_and_no_main_file(tmp_path, guarded):
    put(tmp_path, "hydra/callbacks/evil.yaml", "evil: {_target_: evil.run}")
    put(tmp_path, "config2.yaml", "defaults: [config]")
    with pytest.raises(ConfigError, match="sets what is Hydra's"):
        composed(tmp_path, "hydra/callbacks=evil")
    with initialize_config_dir(str(tmp_path), version_base="1.3"), pytest.raises(ConfigError, match="main file"):
        compose_of("config2")


def test_a_link_does_not_lead_out_of_the_folder(tmp_path, guarded):
    put(tmp_path, "outside.yaml", DESIGN)
    (tmp_path / "conf" / "accelerator").mkdir(parents=True)
    (tmp_path / "conf" / "accelerator" / "evil.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(ConfigError, match="outside of"):
        composed(tmp_path / "conf", "accelerator=evil")
    for name in ("../../outside", "../workload/custom", "../hydra/callbacks/sweep"):
        with pytest.raises(ConfigError, match="leads out of"):
            composed(tmp_path / "conf", f"accelerator={name}")


def test_a_package_of_another_is_refused(tmp_path, guarded, monkeypatch):
    put(tmp_path, "someones/__init__.py", "")
    put(tmp_path, "someones/accelerator/__init__.py", "")
    put(tmp_path, "someones/accelerator/evil.yaml", DESIGN)
    monkeypatch.syspath_prepend(str(tmp_path))
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(ConfigError, match="in a package"):
        compose_of("config", overrides=["hydra.searchpath=[pkg://someones]", "accelerator=evil"])


def test_a_good_file_of_another_is_taken(tmp_path, guarded):
    put(tmp_path, "accelerator/theirs.yaml", "# of a paper\n" + DESIGN.replace("name: eyeriss", "name: theirs"))
    put(tmp_path, "workload/theirs.yaml", WORKLOAD.replace("name: mnist_mlp", "name: theirs"))
    put(tmp_path, "experiment/theirs.yaml", "# @package _global_\ndefaults:\n  - override /accelerator: theirs\n")
    found = composed(tmp_path, "workload=theirs", "experiment=theirs")
    assert (found.workload.name, found.accelerator.name) == ("theirs", "theirs")


@pytest.mark.parametrize("group", ["experiment", "task", "workload", "accelerator", "precision", "tracking"])
def test_shipped_files_compose_as_without_the_checks(guarded, group):
    names = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    checked = [composed(CONF, f"{group}={name}") for name in names]
    sources.install(trusted=True)
    assert checked == [composed(CONF, f"{group}={name}") for name in names]


def test_the_user_s_own_words_may_refer_to_the_environment(tmp_path, guarded, monkeypatch):
    monkeypatch.setenv("BATCH", "7")
    assert int(composed(tmp_path, "batch_size=${oc.env:BATCH}").batch_size) == 7


# Through the command line, in processes


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A copy of the program whose conf has files that somebody else wrote."""
    place = house(tmp_path_factory.mktemp("other"))
    for name, (where, text) in FILES.items():
        own = name.replace(" ", "_")
        put(
            place / "conf",
            f"{where.partition('/')[0]}/{own}.yaml",
            text.replace("[evil]", f"[{own}]") if isinstance(text, str) else text,
        )
    return place


def ended(done, *says):
    """The text of a short error without a traceback."""
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in text, text
    assert len(text.strip().splitlines()) <= 12, text
    assert all(one in text for one in says), text
    return text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a target", ("names code", "workload.target=evil:run")),
        ("a global accelerator", ("package",)),
        ("a syntax error", ("a_syntax_error.yaml, line 3, column 9",)),
        ("laughs", ("laughs.yaml, line", "values")),
        ("a run folder", ("hydra.run.dir",)),
        ("the environment", ("refers to",)),
        ("files that build on each other", ("defaults",)),
    ],
)
def test_the_command_line_refuses_them_in_a_few_lines(other, tmp_path, name, says, monkeypatch):
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    monkeypatch.setenv("SECRET", "s3cr3t-value")
    put(tmp_path, "evil.py", EVIL)
    group, chosen = FILES[name][0].partition("/")[0], name.replace(" ", "_")
    began = time.perf_counter()
    text = ended(halfstep(f"{group}={chosen}", "tracking=none", folder=tmp_path, root=other), *says)
    assert time.perf_counter() - began < 5
    assert "s3cr3t" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.py"]


def test_one_s_own_code_runs_where_the_command_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    put(tmp_path, "evil.py", EVIL)
    put(tmp_path, "conf/workload/mine.yaml", WORKLOAD.replace("harness.training.models:mlp", "evil:run"))
    mine = ("--config-dir=conf", "task=capture", "workload=mine", "tracking=none")
    ended(halfstep(*mine, folder=tmp_path), "names code", "trust=true")
    assert not (tmp_path / "mark").exists()
    ended(halfstep(*mine, "trust=true", folder=tmp_path), "evil:run returned a NoneType")
    assert (tmp_path / "mark").exists()
    (tmp_path / "mark").unlink()
    ended(
        halfstep("task=capture", "workload=custom", "workload.target=evil:run", folder=tmp_path), "returned a NoneType"
    )
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("workload.name=../../../x", "workload.name"),
        ("accelerator.name=../x", "accelerator.name"),
        ("precision.name=a/b", "precision.name"),
        ("batch_size=9999999999999999999999", "batch_size"),
        ("workload.target=harness.training.models:torch.os.system", "torch is a module"),
        ("accelerator.rows=" + "x" * 3000, "error:"),
        ("batch_size=" + "x" * 3000, "batch_size"),
        ("--experimental-rerun=x.pickle", "pickle"),
    ],
    ids=lambda text: text[:40],
)
def test_the_command_line_s_own_values_are_checked(tmp_path, override, says):
    text = ended(halfstep("task=capture", override, "tracking=none", folder=tmp_path), says)
    assert not re.search(r"x{200}", text)


def test_a_sweep_in_processes_reads_the_same_files(tmp_path):
    """The launchers' own processes get what was composed, and no file again."""
    put(tmp_path, "conf/accelerator/theirs.yaml", DESIGN.replace("name: eyeriss", "name: theirs"))
    done = halfstep(
        *("-m", "--config-dir=conf", "task=baselines", "accelerator=theirs", "gpu=V100,P100", "tracking=none"),
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    settings = [path.read_text() for path in tmp_path.glob("outputs/sweeps/*/*/.hydra/config.yaml")]
    assert len(settings) == 2 and all("name: theirs" in one for one in settings)


def test_a_bomb_among_the_tasks_does_not_hurt_another_command(tmp_path):
    place = house(tmp_path)
    put(place, "conf/task/evil.yaml", FILES["laughs"][1])
    ended(halfstep("batch_sizes=3", folder=tmp_path, root=place), "Did you mean batch_size")
    shutil.rmtree(place)
