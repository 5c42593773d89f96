"""The words of the report: what they mean, and links to that from where they are used."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from harness.text.shown import printable

if TYPE_CHECKING:
    from markupsafe import Markup

HEAD = re.compile(r"(?P<name>[^(]+?)(?: \((?P<other>.+)\))?")


@dataclass(frozen=True)
class Term:
    """One word of templates/glossary.md."""

    heading: str  # as the file has it: interquartile range (IQR)
    names: tuple[str, ...]  # how texts write it, in the singular
    meaning: str

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        return f"term-{re.sub('[^a-z]+', '-', self.names[0].lower())}"


def terms() -> list[Term]:
    """The Terms of templates/glossary.md, in its order: a heading `## name (other name)` and a paragraph each."""
    text = files("harness.report.claim_map").joinpath("templates", "glossary.md").read_text(encoding="utf-8")
    found = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, meaning = part.partition("\n")
        names = tuple(filter(None, HEAD.fullmatch(heading).groups()))
        found.append(Term(heading, names, " ".join(meaning.split())))
    return found


def linker(terms: list[Term]) -> Callable[[str], Markup]:
    """A function of a text that gives its HTML, in which the first use of each of `terms` so far links to its meaning.

    Everything else of the text is escaped.
    """
    from markupsafe import Markup, escape

    of_name = {name.lower(): term for term in terms for name in term.names}
    names = "|".join(re.escape(name) for name in sorted(of_name, key=len, reverse=True))
    used, word = set(), re.compile(rf"(?<![\w./-])({names})(?:s|es)?(?![\w-])", re.IGNORECASE)

    def linked(text):
        text, parts, end = printable(text, keep="\n"), [], 0
        for match in word.finditer(text):
            term = of_name[match[1].lower()]
            if term.anchor not in used:
                used.add(term.anchor)
                parts += [escape(text[end : match.start()]), link(term, match[0])]
                end = match.end()
        return Markup("").join([*parts, escape(text[end:])])

    def link(term, shown):
        return Markup('<a class="term" href="#{}">{}</a>').format(term.anchor, shown)

    return linked
