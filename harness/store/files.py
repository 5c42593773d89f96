"""Result files: what a run leaves in its folder, and the record by which a sweep goes on where it was killed."""

import json
import math
from pathlib import Path

import numpy as np

from accel_model.atomic import write_bytes
from harness.settings.errors import OutputError
from harness.settings.schema import fingerprint

RESULT = "result.json"


def write(path, data):
    """Write text or bytes to `path` atomically; raises OutputError where the disk refuses."""
    try:
        write_bytes(path, data.encode() if isinstance(data, str) else data)
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


def record_path(config):
    """Where the record of a finished run with these settings lies."""
    return Path(config.outputs) / "finished" / f"{fingerprint(config)}.json"


def finished(config):
    """The folder of an earlier finished run with the same settings, or None."""
    record = read_json(record_path(config))
    if not record or not isinstance(record.get("folder"), str):
        return None
    folder = Path(record["folder"])
    return folder if (folder / RESULT).is_file() else None


def finished_run(config):
    """The id under which the finished run with these settings was last logged, or "" where it was not."""
    return (read_json(record_path(config)) or {}).get("run_id") or ""


def mark_finished(config, folder, run_id=""):
    """Record that the run with these settings is done, lies in `folder` and is logged as `run_id`."""
    write_json(record_path(config), {"folder": str(Path(folder).absolute()), "run_id": run_id})


def sweep_table(folder):
    """{column: list} of the parameters and metrics of every finished run in a sweep's folder, one row a run."""
    folders = sorted((path for path in Path(folder).iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    found = [(path.name, read_json(path / RESULT)) for path in folders]
    rows = [{"run": name} | value["params"] | value["metrics"] for name, value in found if value]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return {column: [row.get(column) for row in rows] for column in columns}


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
