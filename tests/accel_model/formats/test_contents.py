"""What kept results are found by: a change of the model, a trace or a design changes it, and nothing else does."""

from dataclasses import replace

import numpy as np
import pytest

from accel_model import Design, Trace
from accel_model.formats import contents
from tests.helpers.house import house, python

DIGEST = """
import hashlib
from accel_model.formats import contents
print(hashlib.sha256(contents.of_model()).hexdigest())
"""
PATHS = ("array/cost.py", "array/dataflows/ideal.py", "chips/new.py", "engine.py", "data/energy_per_op.csv")


@pytest.mark.parametrize("path", PATHS)
def test_a_change_of_any_file_of_the_model_changes_its_digest(tmp_path, path):
    place = house(tmp_path)
    before = python(DIGEST, place)
    assert python(DIGEST, place) == before
    with (place / "accel_model" / path).open("a") as file:
        file.write("# changed\n")
    assert python(DIGEST, place) != before


def test_a_file_that_moves_changes_the_digest(tmp_path):
    place = house(tmp_path)
    before = python(DIGEST, place)
    (place / "accel_model" / "chips" / "gemmini.py").rename(place / "accel_model" / "chips" / "gemmini_two.py")
    assert python(DIGEST, place) != before


def test_traces_and_designs_are_told_apart_by_their_values():
    trace = Trace.from_gemms([4, 8], [4, 8], [4, 8])
    named = replace(trace, names=("something else",), meta={"model": "other"})
    larger = Trace.from_gemms([4, 8], [4, 8], [4, 9])
    one, other, third = (b"".join(contents.of_trace(each)) for each in (trace, named, larger))
    assert one == other != third
    design = Design.grid(rows=[4, 8])
    changed = replace(design, rows=np.array([8, 4]))
    assert b"".join(contents.of_table(design)) != b"".join(contents.of_table(changed))
