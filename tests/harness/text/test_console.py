"""The terminal shows the same texts with and without rich."""

import sys

import pytest

from harness.text.console import PlainConsole, console, progress, show
from harness.text.table import Table

TABLE = Table("A title", ("name", "value"), (("a|b", "1"),), "A note.")


@pytest.fixture
def without_rich(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)  # as where it is not installed


def test_without_rich_the_console_is_plain(without_rich, capsys):
    out = console()
    assert isinstance(out, PlainConsole)
    with progress(out) as (say, on_step):
        say("Starting")
        on_step(1, 2, 0.5)
    show(out, [TABLE], ["[bold]done[/bold]"], ["first"])
    shown = capsys.readouterr().out
    assert shown.startswith("Starting\n")
    assert all(text in shown for text in ("A title", "a\\|b", "A note.", "first\n[bold]done[/bold]"))


def test_with_rich_the_same_texts_are_shown(capsys):
    pytest.importorskip("rich")
    out = console()
    assert not isinstance(out, PlainConsole)
    with progress(out) as (say, on_step):
        say("Starting")
        on_step(1, 2, 0.5)
    show(out, [TABLE], ["[bold]done[/bold]"], ["first"])
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("Starting", "A title", "a|b", "A note.", "first\n[bold]done[/bold]"))
