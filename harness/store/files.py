"""Result files: what a run leaves in its folder, the record by which it is found again, and what is logged of it."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

from accel_model.formats.atomic import write_bytes
from harness.settings.errors import OutputError
from harness.store import tracking
from harness.store.tracking import Entry, Place

RESULT = "result.json"
TRACE = "trace.halfstep"
ENTRY = "logged.json"  # what is logged of the run
OF_A_RUN = (RESULT, ENTRY, "summary.md", "layers.json", "layers.png", "speedups.png", TRACE)  # what task=run writes
PARENT = "mlflow_parent.json"  # of a sweep: where its jobs log
AWAY = "The store went away while this was logged; resume=true logged it anew."


def write(path, data):
    """Write text, in UTF-8 whatever it holds, or bytes to `path` atomically; raises OutputError where that fails."""
    try:
        write_bytes(path, data.encode(errors="backslashreplace") if isinstance(data, str) else data)
    except OSError as error:
        raise OutputError(
            f"cannot write {path} ({error.strerror or error}): free some space or give another folder, e.g. "
            f"outputs=/another/folder; what is there already is untouched"
        ) from None


def write_json(path, value):
    """Write `value` as JSON to `path`, atomically; NaN and infinities become null."""
    write(path, json.dumps(_plain(value), indent=1, allow_nan=False) + "\n")


def read_json(path):
    """The JSON object in a file that this program wrote, or None where there is none or it is damaged."""
    try:
        value = json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def record_path(outputs: str, key: str) -> Path:
    """Where the record of the finished run with that key (harness.store.keys.run_key) lies."""
    return Path(outputs) / "finished" / f"{key}.json"


def finished(outputs: str, key: str) -> Path | None:
    """The folder of an earlier finished run with that key, or None."""
    record = read_json(record_path(outputs, key))
    if not record or not isinstance(record.get("folder"), str):
        return None
    folder = Path(record["folder"])
    return folder if key and made_by(folder) == key else None


def made_by(folder: Path) -> str:
    """The key of the run whose result lies in `folder`, or "": another run may have used the folder since."""
    params = (read_json(Path(folder) / RESULT) or {}).get("params")
    return str(params.get("fingerprint", "")) if isinstance(params, dict) else ""


def make_way(folder: Path, key: str) -> None:
    """Remove what a run with another key left in `folder`, which is to hold the results of the run with `key` alone.

    Its result goes first, so that nobody takes the rest for a finished run. Raises OutputError.
    """
    if not (folder / RESULT).is_file() or made_by(folder) == key:
        return
    try:
        for name in OF_A_RUN:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot remove the results of another run in {folder} ({error.strerror or error}): give another folder, "
            f"e.g. hydra.run.dir=/another/folder"
        ) from None


def mark_finished(outputs: str, key: str, folder: Path, run_id: str = "") -> None:
    """Record that the run with that key is done, lies in `folder` and is logged as `run_id`."""
    write_json(record_path(outputs, key), {"folder": str(Path(folder).absolute()), "run_id": run_id})


def log(outputs: str, key: str, folder: Path, place: Place | None, run_id: str, entry: Entry) -> None:
    """Record the run in `folder` as finished, and log `entry` and its files.

    What is logged is written beside the results first, so that a store that goes away loses nothing.
    Raises TrackingError; resume=true then logs the same later, without computing it again.
    """
    write_json(folder / ENTRY, vars(entry))
    mark_finished(outputs, key, folder, run_id)
    tracking.log(place, run_id, entry, folder)


def missing(outputs: str, key: str, earlier: Path, place: Place | None) -> Entry | None:
    """The entry of the run that finished in the folder `earlier`, if the store at `place` lacks it, or None.

    A run that the store has joins the sweep of `place`, where that is a sweep's.
    """
    entry = read_json(earlier / ENTRY)
    if place is None or entry is None:
        return None
    run_id = (read_json(record_path(outputs, key)) or {}).get("run_id") or ""
    status = tracking.status(place, run_id)
    if status == "FINISHED":
        tracking.join(place, run_id)
        return None
    if status:
        tracking.abandon(place, run_id, "FAILED", AWAY)
    return Entry(**entry)


def write_parent(folder: Path, place: Place) -> None:
    """Write the Place of a sweep into its folder, for its jobs."""
    write_json(folder / PARENT, asdict(place))


def read_parent(folder: Path) -> Place | None:
    """The Place that `write_parent` wrote into a sweep's folder, or None where there is none."""
    found = read_json(folder / PARENT)
    return Place(**found) if found else None


def sweep_table(folder):
    """{column: list} of the parameters and metrics of every finished run in a sweep's folder, one row a run."""
    folders = sorted((path for path in Path(folder).iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    found = [(path.name, read_json(path / RESULT)) for path in folders if _is_of_this_sweep(path)]
    rows = [{"run": name} | value["params"] | value["metrics"] for name, value in found if value]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return {column: [row.get(column) for row in rows] for column in columns}


def _is_of_this_sweep(folder):
    """Whether the result in a job's folder is newer than the sweep's start, where that is known."""
    try:
        return (folder / RESULT).stat().st_mtime_ns >= (folder.parent / PARENT).stat().st_mtime_ns
    except OSError:
        return True


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
