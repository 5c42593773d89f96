"""docs/settings.md is read off conf/ and the schemas."""

from dataclasses import dataclass, field, fields

import pytest
import settings_page
import yaml

FILE = """\
# What it is for.
# @package _global_
name: one
train:
  steps: null # at most
  deep: {rate: 0.5, flag: false} # of it
  list: # several
    - 1 # the first
    - 2
plain: 0
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(FILE)
    return path


def test_settings_and_their_comments_are_read_from_yaml(file):
    expected = {("train", "steps"): None, ("train", "deep", "rate"): 0.5, ("train", "deep", "flag"): False}
    assert settings_page.leaves(file) == expected | {("train", "list"): [1, 2], ("plain",): 0}
    assert settings_page.comments(file) == {
        ("train", "steps"): "at most",
        ("train", "deep"): "of it",
        ("train", "list"): "several",
    }
    assert settings_page.head(file) == "What it is for."


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "`null`"), (0, "`0`"), (False, "`false`"), ([1, "a"], "`[1, a]`"), ("???", "none: give one")],
)
def test_values_read_as_in_yaml(value, text):
    assert settings_page.shown(value) == text


@dataclass(frozen=True)
class MadeUpBound:
    unit: str = ""
    words: tuple = ()
    above_zero: bool = False
    low: float = -float("inf")
    high: float = float("inf")
    filled: bool = False


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (MadeUpBound(above_zero=True), "above 0"),
        (MadeUpBound(low=0, high=1), "0 to below 1"),
        (MadeUpBound(words=("a", None)), "a, null"),
        (MadeUpBound(filled=True), "one at least"),
        (MadeUpBound(), ""),
    ],
)
def test_bounds_read_in_words(bound, text):
    assert settings_page.bound_text(bound) == text


@dataclass
class MadeUpSchema:
    steps: int = field(metadata={"bound": MadeUpBound()})  # at most
    other: int = 0


def test_a_schemas_comment_is_its_meaning():
    one, other = fields(MadeUpSchema)
    assert settings_page.remark(MadeUpSchema, one) == "at most"
    assert settings_page.remark(MadeUpSchema, other) == ""


def test_every_setting_of_conf_is_listed():
    text = settings_page.settings()
    for name in (
        "config.yaml",
        "baseline/live.yaml",
        "precision/fp32.yaml",
        "task/replay.yaml",
        "explore/around_seed.yaml",
    ):
        for path in settings_page.leaves(settings_page.CONF / name):
            assert f"{path[-1]}`" in text, (name, path)
    for folder in settings_page.GROUPS:
        for path in (settings_page.CONF / folder).glob("*.yaml"):
            assert f"| `{path.stem}`" in text


def test_every_group_of_conf_has_its_tables():
    folders = {path.name for path in settings_page.CONF.iterdir() if path.is_dir()}
    assert folders - {"hydra", "experiment"} == set(settings_page.GROUPS)
    defaults = {
        key.split("@")[0]: value
        for one in yaml.safe_load((settings_page.CONF / "config.yaml").read_text())["defaults"]
        if isinstance(one, dict)
        for key, value in one.items()
    }
    for folder, (_, default) in settings_page.GROUPS.items():
        assert default in defaults.get(folder, default)
