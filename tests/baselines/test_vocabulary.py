"""Each list of words stands once, hangs together, and is what the shipped data are told in."""

import ast
import importlib
from pathlib import Path

import pytest

import baselines
from baselines import vocabulary
from baselines.errors import FileError
from baselines.tables import DATA, read_table
from baselines.vocabulary import (
    CITED,
    CLOCKS,
    CONFIDENCES,
    JUDGED_SCOPE,
    KINDS,
    LIVE_CLOCKS,
    LIVE_SCOPES,
    LOADED_KINDS,
    PARITY,
    PRECISION_CLASSES,
    RECORDED_SCOPES,
    SCOPES,
)

LISTS = {name: value for name, value in vars(vocabulary).items() if name.isupper() and not isinstance(value, str)}


def test_lists_of_a_part_are_parts_of_the_whole():
    assert set(LOADED_KINDS) < set(KINDS) and set(LIVE_CLOCKS) < set(CLOCKS) and set(CITED) < set(CONFIDENCES)
    assert {JUDGED_SCOPE} < set(RECORDED_SCOPES) < set(LIVE_SCOPES) < set(SCOPES)
    assert all(len(set(words)) == len(words) for words in LISTS.values())
    assert len(set(SCOPES.values())) == len(SCOPES)  # two scopes never read alike


def test_equal_quality_is_mutual_and_of_known_precisions():
    for ours, theirs in PARITY.items():
        assert ours in theirs and set(theirs) <= set(PRECISION_CLASSES)
        for other in set(theirs) & set(PARITY):
            assert set(PARITY[other]) == set(theirs)


def test_what_the_data_files_say_is_in_the_lists():
    assert {row["class"] for row in read_table(DATA / "precisions.csv", ("class",))} <= set(PRECISION_CLASSES)
    for row in read_table(DATA / "sources.csv", ("synthetic", "real")):
        assert {row["synthetic"], row["real"]} <= {"", *SCOPES}


def test_a_class_of_precision_that_is_none_is_refused_where_it_stands(tmp_path, monkeypatch):
    path = tmp_path / "precisions.csv"
    path.write_text("# comment\ntext,class\nfp32,fp31\n")
    monkeypatch.setattr(importlib.import_module("baselines.published"), "DATA", tmp_path)
    with pytest.raises(FileError, match=r"precisions\.csv, line 3, column class: 'fp31'"):
        baselines.published(folder=DATA)


def test_no_other_file_of_the_package_writes_a_list_out_again():
    again = []
    for path in Path(baselines.__file__).parent.rglob("*.py"):
        if path.name == "vocabulary.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 1:
                words = tuple(getattr(one, "value", None) for one in node.elts)
                again += [(path.name, name) for name, known in LISTS.items() if set(words) == set(known)]
    assert not again
