"""The CSV files of this package's data folder: bounded, commented with #, every column named."""

import csv
import io
from pathlib import Path

from baselines.errors import FileError

DATA = Path(__file__).parent / "data"
MAX_BYTES = 16 * 2**20


def read_table(path, columns):
    """The rows of the CSV file at `path`, each a dict of texts with the added key "line", its line number.

    Lines that begin with # are comments. Raises FileError for a file that cannot be read, is larger than 16 MiB, lacks
    one of `columns`, or holds a row with more or fewer cells than the head line.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise FileError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: give a table of published figures")
        lines = io.StringIO(raw.decode("utf-8"), newline="").readlines()
        comments = sum(line.startswith("#") for line in lines)
        reader = csv.DictReader((line for line in lines if not line.startswith("#")), strict=True)
        rows = [row | {"line": reader.line_num + comments} for row in reader]
        head = reader.fieldnames or []
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror}): give a folder that holds it") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path} is no CSV table in UTF-8 ({error})") from None
    if missing := [name for name in columns if name not in head]:
        raise FileError(f"{path} lacks the columns {', '.join(missing)}: its head line must name them")
    if bad := [row["line"] for row in rows if None in row or None in row.values()]:
        raise FileError(f"{path}, line {bad[0]}: the row has another number of cells than the head line")
    return rows
