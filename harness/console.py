"""What people see in the terminal: progress while it runs, then tables; the one file that imports rich."""

import contextlib
import time

from harness.plain import PlainConsole
from harness.tables import as_markdown, narrowed

try:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.table import Table
except ImportError:  # as on a GPU machine that holds little beside torch
    Console = None

WIDTH = 220  # of output that goes to a file or a pipe
EVERY_S = 10  # seconds between lines of progress there


def console():
    """The terminal, or standard output at a fixed width where it is none."""
    if Console is None:
        return PlainConsole()
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH)


@contextlib.contextmanager
def progress(out):
    """Yields (say, on_step): what is being done, and a bar for training steps."""
    if isinstance(out, PlainConsole):
        yield out.print, lambda done, total, loss: None
        return
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
            bar.update(task, total=total, completed=done, loss="" if loss != loss else f"loss {loss:.3g}")

        yield say, on_step


@contextlib.contextmanager
def counting(out, text, total, done=0):
    """Yields on_done(done): a bar with rate and time left, or a line now and then where there is no terminal."""
    began = said = time.monotonic()

    def rate(now_done):
        return (now_done - done) / max(time.monotonic() - began, 1e-9)

    if isinstance(out, PlainConsole) or not out.is_terminal:

        def on_done(now_done):
            nonlocal said
            if time.monotonic() - said >= EVERY_S:
                said, per_s = time.monotonic(), rate(now_done)
                left = (total - now_done) / per_s if per_s else 0
                out.print(f"{text}: {now_done:,} of {total:,}, {per_s:,.0f}/s, {left:,.0f} s left")

        yield on_done
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), console=out, transient=True
    ) as bar:
        task = bar.add_task(text, total=total, completed=done, rate="")
        yield lambda now_done: bar.update(task, completed=now_done, rate=f"{rate(now_done):,.0f}/s")


def show(out, tables, lines):
    """Print tables (harness.tables.Table), then lines of text."""
    if isinstance(out, PlainConsole):
        out.print(*map(as_markdown, tables), "", *lines, sep="\n")
        return
    for table in tables:
        if out.is_terminal:  # a file or a pipe gets every column
            table = narrowed(table, out.width)
        grid = Table(
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
