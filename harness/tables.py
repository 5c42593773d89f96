"""A table of texts, which the terminal and Markdown show alike."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Table:
    """A table of texts with its title; `note` stands under it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def shortened(table, most):
    """`table` with at most `most` of its rows, evenly spaced, the first and the last among them."""
    count = len(table.rows)
    if count <= most:
        return table
    kept = sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
    note = f"{table.note} {len(kept)} of {count} rows; all are in summary.md."
    return replace(table, rows=tuple(table.rows[i] for i in kept), note=note)


def as_markdown(table):
    """A Table as Markdown."""
    lines = ["", f"## {table.title}", "", _row(table.columns), _row("---" for _ in table.columns)]
    lines += [_row(row) for row in table.rows]
    return "\n".join(lines + (["", table.note] if table.note else []))


def ms(seconds):
    """Seconds as text in milliseconds."""
    return f"{1e3 * seconds:.4g} ms"


def _row(cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
