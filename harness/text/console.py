"""What people see in the terminal: progress while it runs, then tables; the one file that imports rich.

Texts are shown as they are: rich is asked for no markup of its own, and `harness.text.shown` writes out what a terminal
would obey.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.text.shown import shown
from harness.text.table import Table, as_markdown, narrowed
from harness.text.units import digits

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 220  # of output that goes to a file or a pipe
LONGEST_LINE = 2000  # characters
LONGEST_CELL = 500  # characters


class PlainConsole:
    """Standard output where rich is not installed, written to as Terminal is."""

    is_terminal = False

    def print(self, *texts: object, sep: str = " ", soft_wrap: bool = True, bold: bool = False) -> None:
        """Print `texts`, each in one line unless `sep` ends lines."""
        sys.stdout.write(f"{_joined(texts, sep)}\n")
        sys.stdout.flush()


@dataclass(frozen=True)
class Terminal:
    """rich's Console, as far as this program needs it, which shows every text as it is."""

    rich: Console

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees it, and no file or pipe."""
        return self.rich.is_terminal

    def print(self, *texts: object, sep: str = " ", soft_wrap: bool = False, bold: bool = False) -> None:
        """Print `texts`, each in one line unless `sep` ends lines."""
        self.rich.print(
            _joined(texts, sep), style="bold" if bold else None, markup=False, emoji=False, soft_wrap=soft_wrap
        )


def console() -> Terminal | PlainConsole:
    """The terminal, or standard output at a fixed width where it is none; plain where rich is not installed."""
    try:
        from rich.console import Console
    except ImportError:  # as on a GPU machine that holds little beside torch
        return PlainConsole()
    found = Console(highlight=False)
    return Terminal(found if found.is_terminal else Console(highlight=False, width=WIDTH))


@contextlib.contextmanager
def progress(out: Terminal | PlainConsole) -> Iterator[tuple[Callable, Callable]]:
    """Yields (say, on_step): what is being done, and a bar for training steps, or for anything with a text as loss."""
    if isinstance(out, PlainConsole):
        yield out.print, lambda done, total, loss: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out.rich, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task("Starting", total=None, loss="")

        def say(text):
            if not out.is_terminal:
                out.print(text)
            bar.update(task, description=shown(text, LONGEST_CELL), total=None, completed=0, loss="")

        def on_step(done, total, loss):
            note = loss if isinstance(loss, str) else "" if loss != loss else f"loss {digits(loss, 3)}"
            bar.update(task, total=total, completed=done, loss=shown(note))

        yield say, on_step


def show(
    out: Terminal | PlainConsole, tables: Sequence[Table], lines: Sequence[str], headline: Sequence[str] = ()
) -> None:
    """Print tables (harness.text.table.Table), then lines of text, first those of `headline`, in bold."""
    if isinstance(out, PlainConsole):
        sys.stdout.write("".join(f"{as_markdown(table)}\n" for table in tables))
        out.print("", *headline, *lines, sep="\n")
        return
    from rich.table import Table as Grid
    from rich.text import Text

    for table in map(_visible, tables):
        if out.is_terminal:  # a file or a pipe gets every column
            table = narrowed(table, out.rich.width)
        title, note = Text(table.title, "bold"), Text(table.note, "table.caption" if table.rows else "")
        grid = Grid(title=title, title_justify="left", caption=note if table.note else None, caption_justify="left")
        for column in table.columns:
            grid.add_column(Text(column), overflow="fold", min_width=min(len(column), 9))
        for row in table.rows:
            grid.add_row(*map(Text, row))
        out.print()
        if table.rows:
            out.rich.print(grid)
        else:
            out.rich.print(title, note, sep="\n")
    out.print()
    for line in headline:
        out.print(line, soft_wrap=True, bold=True)
    for line in lines:
        out.print(line, soft_wrap=True)


def _visible(table):
    """`table` with every text as a terminal may show it."""
    return Table(
        shown(table.title, LONGEST_CELL),
        tuple(map(shown, table.columns)),
        tuple(tuple(shown(cell, LONGEST_CELL) for cell in row) for row in table.rows),
        shown(table.note, LONGEST_LINE),
        tuple(map(shown, table.spare)),
    )


def _joined(texts, sep):
    return sep.join(shown(text, LONGEST_LINE) for text in texts)
