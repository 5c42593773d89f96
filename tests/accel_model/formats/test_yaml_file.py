"""A YAML file is read within bounds: what is endless, hidden or no data is refused quickly, with file, line, column."""

import re
import subprocess
import sys
import time

import pytest
import yaml

from accel_model import Design
from accel_model.errors import DesignError
from accel_model.formats.yaml_file import BYTES_PER_VALUE, DEEPEST, LIMIT, MOST_VALUES, read_yaml
from tests.helpers.program import CONF, ROOT


def laughs(form, levels=9, each=9):
    """Levels of lists or merged mappings, each of which names the one before `each` times."""
    lines = ["a0: &a0 {x0: 1}"]
    for level in range(1, levels + 1):
        names = ", ".join([f"*a{level - 1}"] * each)
        keys = ", ".join(f"k{level}_{one}: *a{level - 1}" for one in range(each))
        body = {"list": f"[{names}]", "merge": f"{{<<: [{names}]}}", "mapping": f"{{{keys}}}"}[form]
        lines.append(f"a{level}: &a{level} {body}")
    return "\n".join(lines)


BOMBS = {
    "lists of aliases": laughs("list"),
    "merges of aliases": laughs("merge"),
    "mappings of aliases": laughs("mapping"),
    "one alias in a long list": "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\nb: [" + ", ".join(["*a"] * 9000) + "]",
    "a long list": "a: [" + "1, " * 100_000 + "1]",
    "a long mapping": "\n".join(f"k{one}: 1" for one in range(20_000)),
    "deep lists in brackets": "a: " + "[" * 20_000 + "]" * 20_000,
    "deep mappings in brackets": "a: " + "{b: " * 5000 + "1" + "}" * 5000,
    "deep blocks": "\n".join(" " * one + "a:" for one in range(300)),
    "deep lists in blocks": "- " * 2000 + "1",
    "deep by aliases": "a0: &a0 [1]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 200)),
    "a whole number of many digits": "rows: " + "9" * 100_000,
    "a float of many digits": "rows: 1." + "9" * 100_000,
    "a hexadecimal number of many digits": "rows: 0x" + "f" * 50_000,
    "a number of base sixty": "rows: 1" + ":59" * 20_000,
    "a large file": "# " + "x" * MOST_VALUES * BYTES_PER_VALUE,
    "a long text": "rows: " + "x" * (MOST_VALUES * BYTES_PER_VALUE - 100),
    "a long key": "x" * 900 + ": 1",
    "a long tag": "rows: !" + "x" * 5000 + " 1",
    "a cyclic list": "a: &a [*a]",
    "a cyclic mapping": "a: &a {b: {c: *a}}",
    "a cyclic merge": "a: &a {<<: *a}",
    "an alias of nothing": "a: *b",
    "an anchor twice": "a: &x 1\nb: &x 2\nrows: &y [*x, &y 1]",
    "a python object": "!!python/object/apply:os.system ['true']",
    "a python name": "rows: !!python/name:os.system",
    "a python tuple": "rows: !!python/tuple [1, 2]",
    "a python tag by a directive": "%TAG !p! tag:yaml.org,2002:python/\n---\nrows: !p!object/apply:os.system ['true']",
    "a path of OmegaConf": "rows: !!python/object/apply:pathlib.Path [a, b]",
    "a set": "rows: !!set {a, b}",
    "an ordered map": "rows: !!omap [a: 1]",
    "pairs": "rows: !!pairs [a: 1]",
    "bytes": "rows: !!binary aGVsbG8=",
    "a timestamp by its tag": "rows: !!timestamp 2020-01-01",
    "a number by its tag": "rows: !!int hello",
    "a boolean by its tag": "rows: !!bool hello",
    "nothing as a number": "rows: !!int ''",
    "a tag of one's own": "rows: !mine 3",
    "a key twice": "rows: 1\ncols: 2\nrows: 3",
    "a quoted key twice": "rows: 1\n'rows': 3",
    "a list as key": "? [1, 2]\n: 3",
    "a mapping as key": "{a: 1}: 3",
    "a merge of a text": "<<: hello\nrows: 1",
    "an equals sign": "rows: =",
    "two documents": "rows: 1\n---\nrows: 2",
    "an open bracket": "rows: [1, 2\ncols: 3",
    "an open quote": "rows: 'one\ncols: 2\n",
    "a tab": "a:\n\t- 1",
    "a colon too many": "rows: 1: 2",
    "a NUL": "rows: 1\x00",
    "a NUL by escape": 'name: "a\\0b"',
    "an escape": "name: a\x1b[31mb",
    "an escape by escape": 'name: "a\\e[31mb"',
    "a C1 control": "name: a\x9bb",
    "a turned direction": "name: a\u202eb",
    "a turned direction by escape": 'name: "a\\u202eb"',
    "half a character": 'name: "a\\uD800b"',
    "not in UTF-8": b"rows: 1\nname: \xff\xfe\n",
    "in UTF-16": "rows: 1".encode("utf-16"),
    "in UTF-32": "rows: 1".encode("utf-32"),
    "binary": bytes(range(256)),
    "a list": "- 1\n- 2",
    "a text alone": "hello",
    "a number alone": "3",
    "nothing": "",
    "only a comment": "# nothing",
    "null": "~",
    "numbers as keys": "1: 2",
    "a date as rows": "rows: 2020-01-01",
    "endless rows": "rows: .inf",
    "no rows": "rows: .nan",
    "too many rows": "rows: 1" + "0" * 30,
    "a boolean as rows": "rows: yes",
    "an unknown long field": "y" * 900 + ": {value: 1}",
    "a long part": "rows: {value: 1, " + "y" * 900 + ": 2}",
    "a long list as value": "rows: {value: [" + "1, " * 900 + "1]}",
    "a long word as choice": "dataflow: " + "z" * 5000,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_file_of_another_is_refused_by_design_load(tmp_path, text):
    path = tmp_path / "evil.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    began = time.perf_counter()
    with pytest.raises(DesignError, match=r"evil\.yaml") as caught:
        Design.load(path)
    assert time.perf_counter() - began < 2
    told = str(caught.value)
    assert len(told.splitlines()) <= 12 and len(told) < 1500
    assert told.isprintable()
    assert not re.search(r"(.)\1{200}", told) and not re.search(r"(1, ){100}", told)


PLACED = {
    "rows: 1\ncols: [1, 2\nclock_hz: 3": (3, 9),
    "rows: 1\n  cols: 2": (2, 7),
    "rows: 1\ncols: !!set {a}": (2, 7),
    "rows: 1\ncols: 2\nrows: 3": (3, 1),
    "rows: 1\nname: a\x07b": (2, 8),
    "a: &a\n  - *a": (2, 5),
}


@pytest.mark.parametrize(("text", "place"), PLACED.items())
def test_what_is_wrong_is_told_with_line_and_column(tmp_path, text, place):
    path = tmp_path / "evil.yaml"
    path.write_text(text)
    with pytest.raises(DesignError, match=rf"evil\.yaml, line {place[0]}, column {place[1]}"):
        read_yaml(path, DesignError)


GOOD = {
    "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}": {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}},
    "\ufeffrows: 3": {"rows": 3},
    "day: 2020-01-01": {"day": "2020-01-01"},
    "a: !!str 3": {"a": "3"},
    "a: |\n  two\n  lines\n": {"a": "two\nlines\n"},
    "a: caf\u00e9 \u4e2d\u6587": {"a": "caf\u00e9 \u4e2d\u6587"},
    "": None,
}


@pytest.mark.parametrize(("text", "values"), GOOD.items())
def test_what_people_write_is_read(tmp_path, text, values):
    path = tmp_path / "good.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_yaml(path)[1] == values


def test_the_bounds_are_exact(tmp_path):
    path = tmp_path / "at.yaml"
    for depth, fits in ((DEEPEST, True), (DEEPEST + 1, False)):
        path.write_text("[" * depth + "1" + "]" * depth)
        assert is_read(path) is fits
    for count, fits in ((MOST_VALUES - 1, True), (MOST_VALUES, False)):
        path.write_text("[" + "1," * count + "]")
        assert is_read(path) is fits


def test_the_number_of_values_can_be_raised(tmp_path, monkeypatch):
    path = tmp_path / "large.yaml"
    path.write_text("[" + "1, " * 3 * MOST_VALUES + "]" + " " * 2 * MOST_VALUES * BYTES_PER_VALUE)
    assert not is_read(path)
    monkeypatch.setenv(LIMIT, str(10 * MOST_VALUES))
    assert is_read(path)
    for wrong in ("0", "-1", "many", "1e9", "9" * 400):
        monkeypatch.setenv(LIMIT, wrong)
        with pytest.raises(DesignError, match=LIMIT):
            read_yaml(path, DesignError)


def is_read(path):
    try:
        read_yaml(path, DesignError)
    except DesignError:
        return False
    return True


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_file_is_read_as_by_pyyaml_itself(path):
    assert read_yaml(path)[1] == yaml.safe_load(path.read_text())


def test_a_combination_of_open_values_is_bounded_before_it_is_built(tmp_path):
    path = tmp_path / "open.yaml"
    fields = ("rows", "cols", "clock_hz", "buffer_bytes", "dram_bytes_per_s", "vector_lanes", "node_nm")
    path.write_text("\n".join(f"{one}: {{value: 1, values: [{', '.join(map(str, range(1, 13)))}]}}" for one in fields))
    with pytest.raises(DesignError, match="combinations"):
        Design.completions(str(path))


@pytest.mark.parametrize("name", ["lists of aliases", "merges of aliases", "a long list", "deep lists in brackets"])
def test_a_bomb_takes_little_memory(tmp_path, name):
    path = tmp_path / "evil.yaml"
    path.write_text(BOMBS[name])
    code = (
        "import sys\nfrom accel_model import Design\nfrom accel_model.errors import DesignError\n"
        "from tests.helpers.memory import peak_bytes\nbefore = peak_bytes()\n"
        "try:\n    Design.load(sys.argv[1])\nexcept DesignError:\n"
        "    print(peak_bytes() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50e6


@pytest.mark.parametrize("name", ["no\0name.yaml", "/nowhere/" + "x" * 5000 + ".yaml", "x" * 5000])
def test_a_name_that_no_file_can_have(name):
    with pytest.raises(DesignError) as caught:
        Design.load(name)
    assert len(str(caught.value)) < 800
