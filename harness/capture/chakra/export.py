"""A Recording's document with the simulated duration of every call, for simulators of clusters.

A node gets `inclusive_dur` and `exclusive_dur`, both in microseconds: what chakra_trace_link writes there of a measured
run, and chakra_converter takes (the whole microseconds of exclusive_dur) as the duration_micros that simulators read.
Source: mlcommons/chakra, src/trace_link/trace_linker.py (process_op_and_dependents), src/converter/pytorch_node.py and
pytorch_converter.py (convert_json_to_protobuf_node), schema/protobuf/et_def.proto (Node.duration_micros).
"""

import gzip
import json
from collections import Counter
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike

from accel_model.formats.atomic import write_bytes
from harness.capture.chakra.document import printable
from harness.capture.chakra.nodes import Recording
from harness.settings.errors import OutputError

INCLUSIVE, EXCLUSIVE = "inclusive_dur", "exclusive_dur"
MOST_NAMES = 8  # of calls without a simulated duration that are listed


@dataclass(frozen=True)
class Exported:
    """What was written: nodes with a simulated duration and their sum; calls outside of the step, which kept theirs.

    left: {name of an operator: calls in the step without a simulated duration}, the most frequent first.
    """

    nodes: int
    total_s: float
    left: dict[str, int]
    outside: int

    @property
    def text(self) -> str:
        """What was left as it was, in one line."""
        names = [f"{name} ({count})" for name, count in list(self.left.items())[:MOST_NAMES]]
        more = [f"{len(self.left) - MOST_NAMES} others"] if len(self.left) > MOST_NAMES else []
        parts = [f"{sum(self.left.values())} that move nothing: {', '.join(names + more)}"] if self.left else []
        parts += [f"{self.outside} outside of the step"] if self.outside else []
        return f"Calls without a simulated duration: {'; '.join(parts)}." if parts else ""


def with_durations(recording: Recording, op_s: ArrayLike) -> tuple[dict, Exported]:
    """(a copy of the document with durations, what was written).

    op_s: float64 (ops,), seconds of each op of the recording's trace; those of a fused group stand at its first op.
    """
    seconds = np.bincount(recording.trace.ops.call, weights=op_s, minlength=len(recording.calls))
    by_node = dict(zip(recording.calls, seconds.tolist(), strict=True))
    first, beyond = recording.step
    around = _around(recording.document["nodes"], by_node)
    nodes, left, outside = [], Counter(), 0
    for node in recording.document["nodes"]:
        number = node["id"]
        in_step = first <= number < beyond
        if number in by_node:
            node = node | dict.fromkeys((INCLUSIVE, EXCLUSIVE), by_node[number] * 1e6)
        elif (number in recording.inside or node["ctrl_deps"] in by_node) and EXCLUSIVE in node:
            node = node | {EXCLUSIVE: 0}  # its time is in the call that made it
        elif number not in recording.inside and number not in around and _is_call(node):
            left[printable(node["name"])] += in_step
            outside += not in_step
        nodes.append(node)
    left = {name: count for name, count in left.most_common() if count}
    return recording.document | {"nodes": nodes}, Exported(len(by_node), float(seconds.sum()), left, outside)


def _around(nodes, by_node):
    """The numbers of the nodes that a call with a duration was made by, and what made those."""
    parents, found = {node["id"]: node["ctrl_deps"] for node in nodes}, set()
    for number in by_node:
        above = parents[number]
        while above in parents and above not in found:
            found.add(above)
            above = parents[above]
    return found


def _is_call(node):
    return any(a["name"] == "op_schema" and a["value"] for a in node["attrs"])


def save(path: str | PathLike, recording: Recording, op_s: ArrayLike) -> Exported:
    """Write the document of `with_durations` to a JSON file at `path`, atomically, packed where it ends in .gz.

    Raises OutputError where it cannot be written.
    """
    document, exported = with_durations(recording, op_s)
    try:
        data = json.dumps(document, allow_nan=False).encode()
        write_bytes(path, gzip.compress(data, mtime=0) if str(path).endswith(".gz") else data)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write the execution trace to {path}: {reason}") from None
    return exported
