"""A space is Design.grid, part by part, around an accelerator whose other values stay."""

from dataclasses import fields

import numpy as np
import pytest
import yaml

from accel_model import Design
from accel_model.design import from_choices
from accel_model.design.file import FOLDER
from accel_model.design.space import Space
from accel_model.errors import DesignError

SEED = yaml.safe_load((FOLDER / "seed.yaml").read_text())
CHOICES = {
    "vector_lanes": [64, 128],
    "array": [[16, 64, 1], [8, 8, 16]],
    "dataflow": ["os", "best"],
    "buffer_bytes": {"low": 2**18, "high": 2**22, "steps": 5, "scale": "log"},
}


def test_all_of_a_space_equals_the_grid_of_its_choices():
    space = Space.around(SEED, CHOICES, "seed", "explore.space")
    assert space.count == 2 * 2 * 2 * 5
    nominal = Design.load("seed")
    own = {
        f.name: getattr(nominal, f.name).tolist()
        for f in fields(Design)
        if f.name not in ("name", "rows", "cols", "cores", "mac_rate", "mac_j", *CHOICES)
        and not f.name.endswith("_j_per_byte")
    }
    axes = {axis: CHOICES[axis] for axis in space.axes} | {"buffer_bytes": [2**18, 2**19, 2**20, 2**21, 2**22]}
    grid = from_choices({axis: axes[axis] for axis in space.axes} | own, "grid", "grid")
    found = space.at(space.digits(0, space.count))
    for f in fields(Design):
        if f.name != "name":
            np.testing.assert_array_equal(getattr(found, f.name), getattr(grid, f.name), err_msg=f.name)
    parts = Design.stack([space.at(space.digits(at, min(at + 7, space.count))) for at in range(0, space.count, 7)])
    np.testing.assert_array_equal(parts.buffer_bytes, found.buffer_bytes)
    np.testing.assert_array_equal(parts.vector_lanes, found.vector_lanes)


def test_energies_follow_the_memory_that_is_chosen():
    space = Space.around(SEED, {"buffer_bytes": [2**15, 2**20]}, "seed", "explore.space")
    found = space.at(space.digits(0, 2))
    assert found.buffer_j_per_byte[0] < found.buffer_j_per_byte[1]


def test_sides_may_vary_where_the_accelerator_states_an_array():
    space = Space.around(SEED, {"rows": [8, 64]}, "seed", "explore.space")
    found = space.at(space.digits(0, 2))
    assert (found.rows.tolist(), found.cols.tolist(), found.cores.tolist()) == ([8, 64], [32, 32], [1, 1])


def test_a_space_larger_than_any_integer_of_numpy_has_a_count():
    lanes = {"low": 1, "high": 90_000, "steps": 90_000}
    wide = {"low": 1e9, "high": 1e12, "steps": 100_000}
    choices = {"vector_lanes": lanes, "clock_hz": wide, "dram_bytes_per_s": wide, "launch_s": {**wide, "low": 0}}
    space = Space.around(SEED, choices, "seed", "explore.space")
    assert space.count == 90_000 * 100_000**3
    assert len(space.at(np.zeros((4, 3), dtype=int))) == 3


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({}, "names no field"),
        ({"wheels": [4]}, "unknown key 'wheels'"),
        ({"rows": []}, "no value for rows"),
        ({"buffer_bytes": [0]}, "buffer_bytes is 0"),
        ({"clock_hz": {"low": 2e9, "high": 1e9, "steps": 3}}, "low not above high"),
        ({"clock_hz": {"low": 1e9, "high": 2e9}}, "lacks steps"),
        ({"clock_hz": {"low": 1e9, "high": 2e9, "steps": 0}}, "clock_hz.steps is 0"),
        ({"clock_hz": {"low": 1e9, "high": 2e9, "steps": 3, "scale": "cubic"}}, "linear or log"),
        ({"launch_s": {"low": 0, "high": 1, "steps": 3, "scale": "log"}}, "above 0"),
        ({"clock_hz": {"low": "slow", "high": 2e9, "steps": 3}}, "two numbers"),
        ({"clock_hz": {"low": 1e9, "high": 2e9, "steps": 3, "ends": 1}}, "unknown part 'ends'"),
        ({"dataflow": ["xs"]}, "one of os"),
        ({"array": [[1, 2]]}, "three whole numbers"),
        ({"array": [[1, 2, 3]], "rows": [1]}, "both array and rows"),
    ],
)
def test_what_is_wrong_with_a_space_is_said(choices, says):
    with pytest.raises(DesignError, match=says) as error:
        Space.around(SEED, choices, "seed", "explore.space")
    assert "explore.space" in str(error.value)
