"""Pages, links and pictures: what is named is there, and what is there is named."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
INCLUDE = re.compile(r'^--8<-- "(.*)"$', re.MULTILINE)


def read(page):
    """A page's text without code, and with what it includes."""
    text = INCLUDE.sub(lambda match: (ROOT / match[1]).read_text(), page.read_text())
    return CODE.sub("", text)


def anchors(page):
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = INCLUDE.sub(lambda match: (ROOT / match[1]).read_text(), page.read_text())
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def nav(entries):
    """The pages of mkdocs.yml's nav, in order."""
    for entry in entries:
        for one in entry.values() if isinstance(entry, dict) else [entry]:
            yield from nav(one) if isinstance(one, list) else [one]


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_readme_says_where_the_command_is():
    text = (ROOT / "README.md").read_text()
    assert "`.venv/bin/halfstep`" in text and "source .venv/bin/activate" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", read(page)):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_file(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(found), f"{page.name}: {target}"


def test_every_page_is_in_the_nav_once():
    text = (ROOT / "mkdocs.yml").read_text()
    listed = list(nav(yaml.safe_load(text[text.index("\nnav:") :])["nav"]))
    assert sorted(listed) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_every_page_can_be_reached_from_readme():
    linked = set(re.findall(r"\]\(docs/([\w]+\.md)", (ROOT / "README.md").read_text()))
    for _ in range(2):
        linked |= {name for page in linked for name in re.findall(r"\]\((\w+\.md)", (DOCS / page).read_text())}
    assert linked >= {path.name for path in DOCS.glob("*.md")} - {"index.md"}


def test_every_picture_is_shown_and_every_picture_shown_is_there():
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text())
    }
    assert shown == set((DOCS / "pictures").glob("*.png"))


def test_every_picture_has_words_for_who_cannot_see_it():
    assert all(words for page in PAGES for words in re.findall(r"!\[([^\]]*)\]", read(page)))


def test_every_page_begins_with_its_one_title():
    for page in DOCS.glob("*.md"):
        text = INCLUDE.sub(lambda match: (ROOT / match[1]).read_text(), page.read_text())
        assert text.startswith("# "), page.name
        assert (
            len(re.findall(r"^# ", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)) == 1
        )


def test_the_reports_words_stand_once():
    """The assumptions and the glossary are included, not copied."""
    for name in ("assumptions", "glossary"):
        template = ROOT / f"harness/report/claim_map/templates/{name}.md"
        assert INCLUDE.findall((DOCS / f"{name}.md").read_text()) == [template.relative_to(ROOT).as_posix()]


def test_the_glossary_defines_what_the_pages_say():
    """A term has a heading of its own, or stands before a colon within another's."""
    text = (ROOT / "harness/report/claim_map/templates/glossary.md").read_text()
    heads = " ".join(re.findall(r"^## (.*)$", text, re.MULTILINE))
    said = [
        "completion",
        "context",
        "undecided",
        "impossible",
        "ceiling",
        "break-even",
        "anchor",
        "scope",
        "IQR",
        "MAC",
    ]
    said += ["dgrad", "wgrad", "fold", "fill", "drain", "roofline", "trace", "design", "claim", "verdict", "baseline"]
    assert [term for term in said if not re.search(rf"\b{term}\b", heads)] == []
    assert [term for term in ("Placed", "Recorded", "Published", "Live") if f"{term}: " not in text] == []
