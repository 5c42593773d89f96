"""Every word of the vocabularies that the two sides share has one text in the report."""

import pytest

from baselines.measurement import DEVICE_KINDS, KINDS, SCOPES
from harness.report import words
from harness.report.pictures.canvas import MARKS
from tests.helpers import claim_maps


def test_every_kind_scope_and_verdict_has_its_text():
    assert set(words.SCOPES) == set(SCOPES)
    assert set(words.KINDS) == set(KINDS) and set(words.DEVICE_KINDS) == set(DEVICE_KINDS)
    assert set(words.KEYS) == set(MARKS)


def test_break_even_reads_as_a_sentence():
    found = claim_maps.one_cell().cells[0].break_even[0]
    text = words.break_even(found)
    assert text.startswith("meets it from ") and "no bandwidth does: compute alone takes 3.1 ms" in text


@pytest.mark.parametrize(("count", "text"), [(0, "ops"), (1, "op"), (2, "ops")])
def test_a_noun_agrees_with_its_number(count, text):
    assert words.plural("op", count) == text
