"""docs/model.md and the code: every formula's number is cited where it is computed, and every number cited is there."""

import re
from pathlib import Path

import accel_model

HOME = Path(accel_model.__file__).parent
PAGE = HOME.parent / "docs" / "model.md"
CITED = re.compile(r"docs/model\.md, (\(\d+\)(?:(?:,| and) \(\d+\))*)")
NUMBER = re.compile(r"\((\d+)\)")


def stated():
    return [int(number) for number in re.findall(r"^\*\*\((\d+)\)\*\*", PAGE.read_text(encoding="utf-8"), re.M)]


def cited():
    """{number: files that cite it}."""
    found = {}
    for path in sorted(HOME.rglob("*.py")):
        text = " ".join(path.read_text(encoding="utf-8").split())
        places = CITED.findall(text)
        assert text.count("docs/model.md") == len(places), f"{path} names docs/model.md without a formula's number"
        for place in places:
            for number in NUMBER.findall(place):
                found.setdefault(int(number), []).append(path.name)
    return found


def test_every_formula_has_a_number_of_its_own_without_gaps():
    assert sorted(stated()) == list(range(1, len(stated()) + 1)) and len(stated()) >= 30


def test_code_and_page_have_the_same_numbers():
    assert set(cited()) == set(stated())


def test_the_page_refers_only_to_formulas_that_it_has():
    text = re.sub(r"```.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.S)
    assert {int(number) for number in NUMBER.findall(text)} <= set(stated())
