"""Parquet files of an exploration: its front, and the checkpoint from which it goes on, rows and progress in one."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from harness.flows.explore.search import METRICS, State
from harness.settings.errors import ExploreError
from harness.store.files import write

KEY = b"halfstep.explore"
DIGIT = "choice_of_"  # and the axis: column of its digits


def save_table(path, columns, meta):
    """Write {name: array or list} as one Parquet file with the mapping `meta` in its head; raises OutputError."""
    table = pa.table(columns).replace_schema_metadata({KEY: json.dumps(meta)})
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    write(path, sink.getvalue())


def load_table(path):
    """({name: numpy array}, meta) of a file that `save_table` wrote.

    Raises FileNotFoundError where there is none, and ExploreError where it is damaged.
    """
    try:
        table = parquet.read_table(pa.BufferReader(path.read_bytes()), use_threads=False)
        meta = json.loads(table.schema.metadata[KEY])
        return {name: table[name].to_numpy() for name in table.column_names}, meta
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExploreError(f"{path} is damaged ({detail[:100]})") from None


def save_state(path, problem, state, key):
    """Write the checkpoint of a search; key: its fingerprint."""
    digits = {f"{DIGIT}{name}": row for name, row in zip(problem.space.axes, state.rows["digits"], strict=True)}
    metrics = {name: state.rows[name] for name in ("excess", *METRICS)}
    meta = {"key": key, "done": state.done, "excluded": state.excluded.tolist(), "seconds": state.seconds}
    save_table(path, digits | metrics, meta)


def load_state(path, problem, key):
    """The State in a checkpoint, or None where there is none; raises ExploreError where it is damaged or another's."""
    try:
        columns, meta = load_table(path)
    except FileNotFoundError:
        return None
    try:
        digits = np.stack([columns[f"{DIGIT}{name}"] for name in problem.space.axes]).astype(np.int64)
        rows = {"digits": digits} | {name: columns[name].astype(np.float64) for name in ("excess", *METRICS)}
        valid = meta["key"] == key and meta["done"] >= 0 and digits.min(initial=0) >= 0
        if not valid or (digits >= np.array(problem.space.sizes)[:, None]).any():
            raise ValueError
        return State(int(meta["done"]), np.array(meta["excluded"], dtype=np.int64), float(meta["seconds"]), rows)
    except (KeyError, TypeError, ValueError):
        raise ExploreError(f"{path} is not the checkpoint of this exploration") from None
