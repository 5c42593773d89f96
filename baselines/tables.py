"""Data files that anyone may have written, read with suspicion: commented CSV tables, and JSON objects."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.errors import FileError

DATA = Path(__file__).parent / "data"
MAX_BYTES = 16 * 2**20
MAX_LINES, MAX_COLUMNS = 100_000, 500
MAX_QUOTE = 200  # letters of its input that an error repeats
UNITS = {"tflops": 1e12, "mhz": 1e6, "gbs": 1e9, "gb": 2**30, "mb": 2**20, "w": 1}
"""{what follows the last underscore of a column's name: the SI unit's multiple that its numbers are in}."""


@dataclass(frozen=True)
class CsvTable:
    """A CSV file: `rows` are dicts of texts by column, with the added key "line", the row's line number."""

    path: Path
    head: tuple[str, ...]
    rows: tuple[dict, ...]


def read_csv(path: Path | str) -> CsvTable:
    """The CSV file at `path` in UTF-8, with a head line; lines that begin with # are comments.

    Raises FileError for a file that cannot be read, is larger than 16 MiB or than MAX_LINES and MAX_COLUMNS, is no such
    table, or holds a row with more or fewer cells than its head line, or a NUL.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise FileError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: give a table of published figures")
        if raw.count(b"\n") > MAX_LINES:
            raise FileError(f"{path} has more than {MAX_LINES:,} lines: give a table of published figures")
        if b"\0" in raw:
            line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
            raise FileError(f"{path}, line {line}: holds a NUL, which no text has: save it as text")
        lines = io.StringIO(raw.decode("utf-8"), newline="").readlines()
        numbers = [number for number, line in enumerate(lines, 1) if not line.startswith("#")]
        reader = csv.DictReader((lines[number - 1] for number in numbers), strict=True)
        if len(reader.fieldnames or ()) > MAX_COLUMNS:
            raise FileError(f"{path} has more than {MAX_COLUMNS} columns: give a table of published figures")
        rows = tuple(row | {"line": numbers[reader.line_num - 1]} for row in reader)
        head = tuple(reader.fieldnames or ())
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror}): give a folder that holds it") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path} is no CSV table in UTF-8 ({error})") from None
    if bad := [row["line"] for row in rows if None in row or None in row.values()]:
        raise FileError(f"{path}, line {bad[0]}: the row has another number of cells than the head line")
    return CsvTable(path, head, rows)


def read_table(path: Path | str, columns: Sequence[str]) -> tuple[dict, ...]:
    """The rows of the CSV file at `path`, as `read_csv` gives them.

    Raises FileError where `read_csv` does, and for a head line that lacks one of `columns`.
    """
    table = read_csv(path)
    if missing := [name for name in columns if name not in table.head]:
        raise FileError(f"{table.path} lacks the columns {', '.join(missing)}: its head line must name them")
    return table.rows


def number(row: dict, column: str, path: Path | str, *, empty: float | None = None, above: float = -math.inf) -> float:
    """The number in a cell of a table's row, in the SI unit of what its column's name ends in (see UNITS).

    empty: what an empty cell stands for; None admits none. Raises FileError, with file, line and column, for a cell
    that holds no finite number, or none `above` what is given.
    """
    text = row[column]
    if empty is not None and not text:
        return empty
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not above < value < math.inf:
        raise bad_cell(row, column, path, "give a plain number" + (f" above {above}" if math.isfinite(above) else ""))
    return value * unit_of(column)


def unit_of(column: str) -> float:
    """The multiple of an SI unit that the numbers of a column are in, by its name's end; 1 where it names none."""
    return UNITS.get(column.rpartition("_")[2], 1)


def bad_cell(row: dict, column: str, path: Path | str, advice: str) -> FileError:
    """The error that tells of a cell: where it is, what it holds, and what to write instead."""
    return FileError(f"{path}, line {row['line']}, column {column}: {row[column][:100]!r}: {advice}")


def brief(value: object) -> str:
    """A value as Python writes it, with its middle left out where that is longer than MAX_QUOTE, for errors."""
    text = repr(value[:MAX_QUOTE] if isinstance(value, str | bytes) else value)
    return text if len(text) <= MAX_QUOTE else f"{text[: MAX_QUOTE // 2]}...{text[-MAX_QUOTE // 4 :]}"


def parse_object(text: str, where: str, largest_bytes: int, advice: str) -> dict:
    """The one JSON object in `text`: bounded, without doubled fields, without numbers that are none.

    where: the file's name; advice: what to do instead; both for errors. Raises FileError for a text of more than
    `largest_bytes` letters, and for one that is no JSON object, has a field twice, or NaN or Infinity.
    """

    def refuse_constant(name):
        raise ValueError(f"{name} is no number in JSON")

    def refuse_doubles(pairs):
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a field is given twice")
        return found

    if len(text) > largest_bytes:
        raise FileError(f"{where}: larger than {largest_bytes // 2**20} MiB: {advice}")
    try:
        data = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=refuse_doubles)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where}: not valid JSON ({str(error)[:200]}): {advice}") from None
    if not isinstance(data, dict):
        raise FileError(f"{where}: holds no JSON object: {advice}")
    return data
