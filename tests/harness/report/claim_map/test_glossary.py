"""The report's words: each has one meaning in one place, and its texts link there."""

import re

from harness.report.claim_map.glossary import Term, linker, terms
from harness.report.claim_map.sections import sections, template
from harness.report.words import KEYS
from tests.helpers import claim_maps
from tests.helpers.page import Page

ONE = [Term("fold", ("fold",), "one pass"), Term("edge fold", ("edge fold",), "a smaller one")]


def test_each_word_has_one_meaning_and_one_place():
    found = terms()
    assert len({term.anchor for term in found}) == len(found) > 30
    assert all(term.meaning.endswith(".") and re.fullmatch(r"term-[a-z-]+[a-z]", term.anchor) for term in found)
    assert [term.heading.lower() for term in found] == sorted(term.heading.lower() for term in found)


def test_the_words_that_a_reader_meets_are_there():
    names = {name.lower() for term in terms() for name in term.names}
    assert names >= {"completion", "context", "undecided", "impossible", "dgrad", "wgrad", "fold", "ceiling", "iqr"}
    assert names >= {"break-even", "interquartile range", "verdict", "baseline", "roofline", "recompute", "update"}
    assert names >= set(KEYS) - {"all", "some", "none"}


def test_the_first_use_links_and_the_text_stays_as_it_was():
    linked = linker(ONE)
    first, second = linked("Folds & an edge fold <b>, a fold."), linked("two folds")
    assert first.striptags() == "Folds & an edge fold <b>, a fold."
    assert first.count("<a ") == 2 and '<a class="term" href="#term-edge-fold">edge fold</a>' in first
    assert "&lt;b&gt;" in first and second == "two folds"


def test_parts_of_other_words_are_no_use_of_a_term():
    assert "<a" not in linker(ONE)("manifold, folder, map.fold, fold_count, fold-free, ten-fold")


def test_every_section_of_the_page_links_its_words_once(written):
    text = (written / "report.html").read_text()
    parts = re.split(r'<section id="([a-z]+)">', text)
    count = 0
    for anchor, part in zip(parts[1::2], parts[2::2], strict=True):
        links = re.findall(r'<a class="term" href="#([a-z-]+)">', part)
        assert len(links) == len(set(links)), anchor
        count += len(links)
    assert count > 20
    places = {attributes["id"] for _, attributes in Page(text).tags if "id" in attributes}
    assert {term.anchor for term in terms()} <= places


def test_the_section_of_words_is_the_file(written):
    (found,) = [one for one in sections(claim_maps.empty(), "", {}) if one.anchor == "words"]
    assert [block.text for block in found.blocks if block.text] == [term.meaning for term in terms()]
    shown = "".join(Page((written / "report.html").read_text()).text)
    assert all(term.meaning in shown for term in terms())


def test_the_assumptions_stand_in_the_report_as_in_their_file(written):
    shown = "".join(Page((written / "report.html").read_text()).text)
    items = [item for block in template("assumptions.md") for item in block.items]
    assert len(items) > 15 and all(item in shown for item in items)


def test_no_meaning_leans_on_its_own_word():
    for term in terms():
        assert "<a" not in linker([term])(term.meaning), term.heading
