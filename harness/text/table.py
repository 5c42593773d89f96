"""A table of texts, which the terminal and Markdown show alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.text.shown import as_cell, as_markdown_text


@dataclass(frozen=True)
class Table:
    """A table of texts with its title; `note` stands under it, `spare` columns go first where there is no room."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    spare: tuple[str, ...] = ()


def narrowed(table: Table, width: int) -> Table:
    """`table` without as many of its spare columns, in their order, as it takes to fit `width` characters."""
    left_out = []
    while _width(table) > width and len(left_out) < len(table.spare):
        left_out.append(table.spare[len(left_out)])
        kept = [i for i, column in enumerate(table.columns) if column != left_out[-1]]
        rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
        table = replace(table, columns=tuple(table.columns[i] for i in kept), rows=rows)
    if not left_out:
        return table
    return replace(table, note=f"{table.note} Left out for want of width: {', '.join(left_out)}.".strip())


def _width(table):
    cells = zip(table.columns, *table.rows, strict=True)
    return 1 + sum(3 + max(map(len, column)) for column in cells)


def shortened(table: Table, most: int) -> Table:
    """`table` with at most `most` of its rows, evenly spaced, the first and the last among them."""
    count = len(table.rows)
    if count <= most:
        return table
    kept = sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
    note = f"{table.note} {len(kept)} of {count} rows; all are in summary.md."
    return replace(table, rows=tuple(table.rows[i] for i in kept), note=note)


def as_markdown(table: Table, but: str = "_") -> str:
    """A Table as Markdown that shows its texts as they are; the marks of `but` stay bare in them."""
    texts = [tuple(as_markdown_text(cell, but) for cell in row) for row in (table.columns, *table.rows)]
    lines = ["", f"## {as_markdown_text(table.title, f'{but}|')}", "", _row(texts[0]), _row("---" for _ in texts[0])]
    lines += map(_row, texts[1:])
    return "\n".join(lines + (["", as_markdown_text(table.note, but)] if table.note else []))


def as_csv(columns: Iterable[str], rows: Iterable[dict]) -> str:
    """Rows, mappings with `columns` as keys, as CSV with a head line, in which no text is a spreadsheet's formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(as_cell, columns))
    writer.writerows([as_cell(row.get(name, "")) for name in columns] for row in rows)
    return out.getvalue()


def _row(cells):
    return f"| {' | '.join(cells)} |"
