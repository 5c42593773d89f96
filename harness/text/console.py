"""What people see in the terminal: progress while it runs, then tables; the one file that imports rich."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from harness.text.table import Table, as_markdown, narrowed
from harness.text.units import digits

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 220  # of output that goes to a file or a pipe
MARKUP = re.compile(r"\[/?bold\]")


class PlainConsole:
    """Standard output where rich is not installed, written to as rich's Console is as far as this program goes."""

    is_terminal = False

    def print(self, *texts, sep=" ", markup=True, soft_wrap=True):
        text = sep.join(map(str, texts))
        sys.stdout.write(f"{MARKUP.sub('', text) if markup else text}\n")
        sys.stdout.flush()


def console() -> Console | PlainConsole:
    """The terminal, or standard output at a fixed width where it is none; plain where rich is not installed."""
    try:
        from rich.console import Console
    except ImportError:  # as on a GPU machine that holds little beside torch
        return PlainConsole()
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH)


@contextlib.contextmanager
def progress(out: Console | PlainConsole) -> Iterator[tuple[Callable, Callable]]:
    """Yields (say, on_step): what is being done, and a bar for training steps, or for anything with a text as loss."""
    if isinstance(out, PlainConsole):
        yield out.print, lambda done, total, loss: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task("Starting", total=None, loss="")

        def say(text):
            if not out.is_terminal:
                out.print(text)
            bar.update(task, description=text, total=None, completed=0, loss="")

        def on_step(done, total, loss):
            note = loss if isinstance(loss, str) else "" if loss != loss else f"loss {digits(loss, 3)}"
            bar.update(task, total=total, completed=done, loss=note)

        yield say, on_step


def show(out: Console | PlainConsole, tables: list[Table], lines: list[str]) -> None:
    """Print tables (harness.text.table.Table), then lines of text."""
    if isinstance(out, PlainConsole):
        out.print(*map(as_markdown, tables), "", *lines, sep="\n")
        return
    from rich.markup import escape
    from rich.table import Table as Grid

    for table in tables:
        if out.is_terminal:  # a file or a pipe gets every column
            table = narrowed(table, out.width)
        grid = Grid(
            title=table.title, title_justify="left", title_style="bold", caption=table.note, caption_justify="left"
        )
        for column in table.columns:
            grid.add_column(column, overflow="fold", min_width=min(len(column), 9))
        for row in table.rows:
            grid.add_row(*map(escape, row))
        out.print()
        if table.rows:
            out.print(grid)
        else:
            out.print(f"[bold]{table.title}[/bold]\n{table.note}")
    out.print()
    for line in lines:
        out.print(line, soft_wrap=True)
