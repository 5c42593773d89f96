"""Every figure of README and docs has a generator, and stands there as the recorded data have it."""

import json
import re

import generators
import prose
import pytest
import write

PAGES = {page.relative_to(write.ROOT).as_posix(): page for page in write.pages()}
MARKERS = re.compile(r"<!-- (?:(figures?):([a-z][a-z0-9_.]*)|/(figures?)) -->")


def markers(text):
    """(kind, name) of each opening marker outside code; fails where one is not closed by its own kind."""
    opened, found = None, []
    for kind, name, closed in MARKERS.findall(
        re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    ):
        assert (opened is None) if kind else (closed == opened), f"{name or closed}: markers are not in pairs"
        opened = kind or None
        found += [(kind, name)] if kind else []
    assert opened is None, "a marker is not closed"
    return found


@pytest.mark.parametrize("name", PAGES)
def test_every_marker_has_a_generator(name):
    for kind, one in markers(PAGES[name].read_text()):
        assert one in (generators.BLOCKS if kind == "figures" else generators.INLINE), one


@pytest.mark.parametrize("name", PAGES)
def test_text_and_data_agree(name):
    text = PAGES[name].read_text()
    assert write.rewritten(text) == text, f"{name} differs from docs/figures/data: make figures"


@pytest.mark.parametrize("name", PAGES)
def test_no_marker_within_a_sentence_begins_a_line(name):
    """Markdown takes what begins a line with a comment for a block, and leaves it as it is."""
    assert not re.search(r"^\s*(?:[-*] )?<!-- figure:", PAGES[name].read_text(), re.MULTILINE)


def test_every_generator_is_used():
    used = {one for page in PAGES.values() for one in markers(page.read_text())}
    assert {name for kind, name in used if kind == "figures"} == set(generators.BLOCKS)
    assert {name for kind, name in used if kind == "figure"} == set(generators.INLINE)


def test_every_other_number_is_a_constant_with_a_reason():
    found = {(page, number) for page, text in prose.texts().items() for number in prose.numbers(text)}
    constants = prose.constants()
    assert found - set(constants) == set(), "a number outside markers: give it a generator, or list it in constants.csv"
    assert set(constants) - found == set(), "constants.csv lists what no page says"
    assert all(constants.values())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It takes 4.8 ms, or 0.463x the time.", ["4.8 ms", "0.463x"]),
        ("a rise of +32 % on 19,968 of 1088640 designs", ["+32 %", "19,968", "1088640 designs"]),
        ("3x3 filters, 7 chips, ResNet-50, fp32, Python 3.11", []),
        ("`2.35 GHz` [here](page-5000.md) <!-- figure:a -->5 ms<!-- /figure -->", []),
        ("```\n5 ms\n```\n\n<!-- figures:a -->\n\n12 %\n\n<!-- /figures -->\n", []),
        ("**(7)** cycles = K times\n5 ms\n\nand 3 ms", ["3 ms"]),
        ("2.56 TMAC/s over 12.15 GMAC makes 211 images/s", ["2.56 TMAC/s", "12.15 GMAC", "211 images/s"]),
    ],
)
def test_the_rule_finds_numbers_with_units_and_long_ones(text, numbers):
    assert prose.numbers(text) == numbers


def test_a_changed_number_is_found():
    text = "of <!-- figure:rtl.shapes -->1<!-- /figure --> shapes"
    assert write.rewritten(text) == text.replace("-->1<", f"-->{generators.INLINE['rtl.shapes']()}<")
    with pytest.raises(KeyError):
        write.rewritten("<!-- figure:nobody.wrote -->1<!-- /figure -->")


def test_recorded_data_say_what_made_them_and_no_date():
    files = sorted((write.ROOT / "docs/figures/data").glob("*.json"))
    assert files
    for file in files:
        made_by = json.loads(file.read_text())["made_by"]
        assert made_by["command"] and made_by["versions"] and re.match(r"[0-9a-f]{40}", made_by["commit"])
        assert not re.search(r"20\d\d-\d\d-\d\d|/tmp/|/home/|/work/", file.read_text()), file.name


def test_counts_add_up():
    """Verdicts by data set add up to all of a claim, in the table as it is printed."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in generators.counts().splitlines()[2:]]
    for claim in (generators.TIME, generators.RATE):
        parts = [list(map(int, row[3:])) for row in rows if row[0] == claim and row[1] != "all"]
        (total,) = [list(map(int, row[3:])) for row in rows if row[0] == claim and row[1] == "all"]
        assert [sum(column) for column in zip(*parts, strict=True)] == total
        assert sum(total[1:]) == total[0]
