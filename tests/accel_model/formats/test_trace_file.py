"""Trace files: what is saved is loaded, files of earlier versions load, and a file that is no trace says so."""

import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from accel_model import Trace
from accel_model.errors import TraceError
from accel_model.tables import SCHEMA_VERSION
from tests.helpers.traces import random_traces

EARLIER = Path(__file__).parent / "schema_1.halfstep"
"""random_traces(np.random.default_rng(7))[2] as version 0.1.0 wrote it, with layers, names, uncounted and meta."""


def labelled(trace):
    """`trace` with every part of the file in use."""
    count = len(trace)
    ops = replace(trace.ops, layer=np.arange(count, dtype=np.int32) % 3, name=np.arange(count, dtype=np.int32) % 2)
    meta = {"model": "m", "batch_size": 4, "versions": {"torch": "2"}}
    return replace(trace, ops=ops, layers=("", "a", "b.c"), names=("x", "y"), uncounted={"z": (2, 30)}, meta=meta)


def assert_same(a, b):
    for name in ("ops", "tensors", "uses"):
        for f in fields(getattr(a, name)):
            ours, theirs = getattr(getattr(a, name), f.name), getattr(getattr(b, name), f.name)
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs, err_msg=f"{name}.{f.name}")
    assert (a.layers, a.names, a.uncounted, a.meta) == (b.layers, b.names, b.uncounted, b.meta)


@pytest.mark.parametrize("which", range(3))
def test_a_saved_trace_loads_as_it_was(tmp_path, which):
    trace = labelled(random_traces(np.random.default_rng(which))[which])
    trace.save(tmp_path / "deep" / "step.halfstep")
    assert_same(Trace.load(tmp_path / "deep" / "step.halfstep"), trace)


def test_a_file_of_an_earlier_version_loads():
    assert SCHEMA_VERSION == 1
    assert_same(Trace.load(EARLIER), labelled(random_traces(np.random.default_rng(7))[2]))


def rewritten(tmp_path, change):
    """A trace file whose head is changed by `change`, a function of the mapping."""
    path = tmp_path / "changed.halfstep"
    with zipfile.ZipFile(EARLIER) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "trace.json":
                head = json.loads(data)
                change(head)
                data = json.dumps(head)
            new.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda head: head.update(schema=99), "is a trace of schema 99, this version reads schema 1"),
        (lambda head: head.update(layers=["only one"]), "is not a valid trace: ops.layer holds 1 in row 1"),
        (lambda head: head.update(layers="text"), "its layers are not a list of texts"),
        (lambda head: head.update(uncounted={"z": [1]}), "its uncounted entry 'z' is not a pair"),
        (lambda head: head.pop("meta"), "its meta is not a mapping"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_by_name(tmp_path, change, says):
    path = rewritten(tmp_path, change)
    with pytest.raises(TraceError, match=says) as error:
        Trace.load(path)
    assert str(path) in str(error.value)


def test_what_is_missing_cut_or_no_trace_is_refused_by_name(tmp_path):
    cut, other = tmp_path / "cut.halfstep", tmp_path / "other.zip"
    cut.write_bytes(EARLIER.read_bytes()[:-200])
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("trace.json", json.dumps({"schema": 1}))
    for path, says in ((tmp_path / "none", "there is no trace"), (cut, "is damaged"), (other, "is damaged")):
        with pytest.raises(TraceError, match=says) as error:
            Trace.load(path)
        assert str(path) in str(error.value)


def test_a_folder_that_refuses_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TraceError, match="cannot write the trace"):
        Trace.from_gemms(4, 4, 4).save(tmp_path / "file" / "step.halfstep")
