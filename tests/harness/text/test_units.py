"""Numbers read back as what they were, each value has one unit, and only one file of the program writes units."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.text.units import (
    UNITS,
    bare,
    digits,
    duration,
    grouped,
    heading,
    milli,
    ms,
    number,
    phrase,
    quantity,
    times,
    times_in_full,
    unit,
    with_unit,
)

FOLDER = Path(harness.__file__).parent
VALUES = np.random.default_rng(0).uniform(1, 10, 200) * 10.0 ** np.random.default_rng(1).integers(-9, 13, 200)


def read(text):
    """The number at the start of a text."""
    return float(re.match(r"[-+\d.,e]+", text)[0].replace(",", ""))


@pytest.mark.parametrize("ending", list(UNITS))
def test_a_value_reads_back_to_four_digits_in_the_unit_of_its_name(ending):
    name = f"some{ending}" if ending.startswith("_") else ending
    one = unit(name)
    for value in VALUES:
        text = with_unit(name, float(value))
        assert read(text) * one.size == pytest.approx(value, rel=6e-4)
        assert text == f"{bare(name, float(value))} {one.name}"
        assert heading(name).endswith(f"({one.name})")


def test_the_longest_ending_gives_the_unit():
    assert unit("dram_bytes_per_s").name == "GB/s" and unit("launch_s").name == "µs"
    assert unit("dram_j_per_byte").name == "pJ/B" and unit("buffer_bytes").name == "MiB"
    assert unit("dataflow") is None and with_unit("dataflow", "os") == "os"


def test_every_way_of_writing_a_number_reads_back():
    for value in VALUES:
        for write, size, relative in (
            (digits, 1, 6e-4),
            (grouped, 1, 6e-4),
            (number, 1, 6e-4),
            (milli, 1e-3, 6e-4),
            (ms, 1e-3, 6e-4),
            (times, 1, 6e-3),
            (times_in_full, 1, 6e-3),
        ):
            assert read(write(value)) * size == pytest.approx(value, rel=relative), write.__name__
        assert read(duration(value)) == pytest.approx(value if value >= 1 else 1e3 * value, rel=6e-4)


@pytest.mark.parametrize("write", [number, times_in_full])
def test_a_large_number_is_written_in_full(write):
    assert all("e" not in write(value) for value in VALUES if value >= 1e4)


def test_a_quantity_has_its_unit():
    assert quantity("macs", 1048576) == "1,048,576 MAC units"
    assert quantity("clock_hz", 2.5e9) == "2.5 GHz"
    assert quantity("dram_bytes_per_s", 20e12) == "20,000 GB/s"
    assert quantity("buffer_bytes", 3 * 2**19) == "1.5 MiB"


def test_a_field_with_its_value_is_a_phrase():
    assert phrase("fusion", False) == "no fusion" and phrase("fusion", True) == "fusion"
    assert phrase("array", (16, 16, 4)) == "4 x (16 x 16)" and phrase("dataflow", "ws") == "ws"
    assert phrase("buffer_bytes", 2**18) == "on-chip memory 0.25 MiB"
    assert phrase("vector_lanes", 16384) == "vector lanes 16384"


def test_no_other_file_of_the_program_writes_these_units():
    """Texts of the program, docstrings apart, that hold a unit of the table whose size is not 1."""
    names = "|".join(re.escape(one.name) for one in UNITS.values() if one.size != 1)
    for path in FOLDER.rglob("*.py"):
        tree = ast.parse(path.read_text())
        notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        texts = [node.value for node in strings if id(node) not in notes]
        found = [text for text in texts if re.search(rf"(?<!\w)({names})(?!\w)", text)]
        assert not found or path.name == "units.py", (path, found)


@pytest.mark.parametrize("room", ["report", "text"])
def test_a_room_of_texts_formats_digits_in_one_file(room):
    for path in (FOLDER / room).rglob("*.py"):
        assert path.name == "units.py" or not re.search(r":,?\.\d?g\}", path.read_text()), path
