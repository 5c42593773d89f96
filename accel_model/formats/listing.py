"""A few rows of a table as plain text, for people at a prompt."""

from collections.abc import Sequence

from accel_model.formats.shown import shown

ROWS = 8  # shown of a table, however long it is


def listing(title: str, head: Sequence[str], rows: Sequence[Sequence[object]], count: int) -> str:
    """`title`, the columns of `head` with their units, the first rows, and how many of `count` are left out.

    rows: of texts, which stand left, and numbers, which stand right with four digits.
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    right = [not any(isinstance(row[i], str) for row in rows) for i in range(len(head))]
    widths = [max(len(name), *(len(row[i]) for row in texts), 0) for i, name in enumerate(head)]
    lines = [title]
    for cells in (head, *texts) if texts else ():
        placed = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(cells, widths, right, strict=True)
        )
        lines.append("  " + "  ".join(placed).rstrip())
    if count > len(rows):
        lines.append(f"  ... and {count - len(rows):,} more")
    return "\n".join(lines)


def counted(count: int, noun: str) -> str:
    """`count` of what `noun` names, e.g. "1 op" or "2,000 ops"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _text(cell):
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 9999.5 and abs(cell) < 1e15 else f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else shown(cell)
