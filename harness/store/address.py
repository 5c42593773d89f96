"""The address of a tracking store: the database file that it names, and how it is written, shown and checked.

A database file is named as SQLAlchemy reads addresses: what stands behind `sqlite:///` is a path in which `%41` stands
for a character and behind whose `?` options stand. A `%` or `?` of a path is therefore written %25 and %3F.
"""

import contextlib
import re
import shlex
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from harness.settings.errors import TrackingError

SQLITE = "sqlite:///"
ESCAPED = "sqlite+pysqlite:///"  # MLflow makes a folder of what stands behind SQLITE, escapes and all
NEW = "tracking.uri=sqlite:///new.db"
LOCK_WAIT_S = 10  # that another program may hold a database file
LEFT_BEHIND = "_alembic_tmp_"  # start of the name of a table that a migration makes and renames when it is done
MOST_NAMED = 3  # tables in an error


@dataclass(frozen=True)
class Schema:
    """The tables of MLflow's database, and the versions of them that this MLflow knows, the newest one by itself."""

    tables: Collection[str]
    newest: str
    versions: Collection[str]


def absolute(uri: str) -> str:
    """The address with the path of a database file made absolute, so that processes elsewhere find the same one.

    A path that is written without escapes is taken as it is where its folder is there and the one it would be read as
    is not. Raises TrackingError for an address that names no file.
    """
    if not uri.startswith("sqlite"):
        return uri
    scheme, _, written = uri.partition(":///")
    path, _, options = written.partition("?")
    is_path = "/" in options or (options and "=" not in options)
    as_read = unquote(path)
    if written in ("", ":memory:"):
        raise TrackingError(f"tracking.uri={uri} is a database in memory, which keeps nothing: give a file, e.g. {NEW}")
    as_written, options = (written, "") if is_path else (path, options)
    if is_path or not Path(as_read).absolute().parent.is_dir():
        if Path(as_written).absolute().parent.is_dir():
            as_read = as_written
        elif is_path:
            raise TrackingError(
                f"tracking.uri={uri} has a `?`, behind which options stand: write one of the path as %3F, e.g. "
                f"tracking.uri={SQLITE}{escaped(written)}"
            )
    text = str(Path(as_read).absolute())
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TrackingError(f"{text!r} is no text in UTF-8, as an address must be: give another, e.g. {NEW}") from None
    start = f"{scheme}:///" if escaped(text) == text or "+" in scheme else ESCAPED
    return start + escaped(text) + (f"?{options}" if options else "")


def escaped(path: str) -> str:
    """A path as it stands in the address of a database file; what need not be escaped is left as it is."""
    return path.replace("%", "%25").replace("?", "%3F")


def database(uri: str) -> Path | None:
    """The database file that an absolute address names; None for another store."""
    if not uri.startswith("sqlite"):
        return None
    return Path(unquote(uri.partition(":///")[2].partition("?")[0]))


def artifact_root(uri: str, experiment: str) -> str | None:
    """Where the artifacts of an experiment lie, as MLflow reads it; None where it finds the usual place by itself.

    MLflow unescapes a plain path too, so that a `%2F` in the working directory's name would lead elsewhere.
    """
    root = str(Path.cwd() / "mlruns")
    if database(uri) is None or not set(root) & set("%?#"):
        return None
    return f"file://{quote(root)}/{quote(experiment, safe='')}"


def shown(uri: str) -> str:
    """An address as people and logs may see it: without its password."""
    return re.sub(r"(://[^/@:\s]*):[^/@\s]*@", r"\1:***@", uri)


def check_file(path: Path, schema: Schema | None, program: str = "mlflow") -> None:
    """Raise what is wrong with a database file at once, where MLflow would try again for minutes, or migrate halfway.

    schema: None where MLflow does not tell it. program: how its command line is called. Raises OSError, sqlite3.Error
    for a file that is locked, read-only or no database, and TrackingError for one that is migrated halfway, or by
    another MLflow; nothing is written to it.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not a file")
    if not path.exists():
        return
    with contextlib.closing(sqlite3.connect(path, timeout=LOCK_WAIT_S)) as opened:
        opened.execute("BEGIN IMMEDIATE")
        tables = {name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        rows = opened.execute("SELECT * FROM alembic_version").fetchall() if "alembic_version" in tables else []
        opened.rollback()
    if schema is not None:
        _check_tables(path, tables, [str(row[0]) for row in rows], schema, program)


def _check_tables(path, tables, versions, schema, program):
    """Raise TrackingError unless a database has no table of MLflow yet, or all of the newest version."""
    missing = sorted(set(schema.tables) - tables)
    left = sorted(name for name in tables if name.startswith(LEFT_BEHIND))
    if not versions and not left and len(missing) == len(schema.tables):
        return
    if versions == [schema.newest] and not missing and not left:
        return
    other = f"give another file, e.g. {NEW}; {path} stays as it is"
    upgrade = f"{program} db upgrade {shlex.quote(absolute(SQLITE + escaped(str(path))))}"
    if unknown := [version for version in versions if version not in schema.versions]:
        raise TrackingError(
            f"{path} is of a newer MLflow, or of another program (its version is {unknown[0][:40]!r}, and this MLflow "
            f"goes up to {schema.newest}): use the MLflow that wrote it, or {other}"
        )
    if left or len(versions) != 1 or versions == [schema.newest]:
        lacks = f"{len(missing)} tables are missing, such as {', '.join(missing[:MOST_NAMED])}" if missing else ""
        leaves = f"it left {left[0]} behind" if left else ""
        says = "it says of no version which it is" if not versions else ""
        raise TrackingError(
            f"{path} was migrated halfway ({'; '.join(filter(None, (lacks, leaves, says)))}): go back to a backup of "
            f"it, try `{upgrade}` on a copy, or {other}"
        )
    raise TrackingError(
        f"{path} is of an older MLflow (version {versions[0]}, and this MLflow needs {schema.newest}): back it up and "
        f"run `{upgrade}`, or {other}"
    )
