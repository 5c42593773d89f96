"""Import of PyTorch's execution traces (Chakra, schema 1.1.x), as torch.profiler.ExecutionTraceObserver writes them.

A file holds every framework call with nested ones, shapes and storage numbers, but not when storages die, which module
ran, or which tensors are parameters. Parameters are what an optimiser changes or an op takes as its weight; a storage
dies after its last use. Recomputed forward work is not told from the backward pass.
"""

import json
from pathlib import Path

from accel_model import Trace
from accel_model.errors import TraceError
from harness.capture.chakra.walk import Walk
from harness.settings.errors import CaptureError

SCHEMA = "1.1."
LARGEST_FILE = 512 * 2**20  # bytes
LARGEST_COUNT = 1_000_000  # nodes


def load(path: str | Path) -> Trace:
    """The Trace of the training step in an execution trace file; executes nothing that it holds.

    Raises CaptureError where the file is missing, too large, of another schema, damaged, or holds no framework call.
    """
    nodes, schema = _read(Path(path))
    try:
        roles = Walk(path, {}).over(nodes).roles()
        walk = Walk(path, roles).over(nodes)
        return walk.trace({"source": "chakra", "schema": schema, "file": Path(path).name})
    except TraceError as error:
        raise CaptureError(f"{path} makes no valid trace: {error}") from None


def _read(path):
    """(nodes sorted by id, schema) of the file; every node is checked for what the walk uses."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CaptureError(f"{path} has more than {LARGEST_FILE} bytes: record fewer steps")
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CaptureError(f"there is no execution trace at {path}: check the path") from None
    except OSError as error:
        raise CaptureError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise CaptureError(f"{path} is no JSON file ({error}): unpack it, or record it again") from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, str) or not schema.startswith(SCHEMA):
        raise CaptureError(
            f"{path} is of schema {schema!r}, this version reads {SCHEMA}x: record it with "
            "torch.profiler.ExecutionTraceObserver of torch 2.5 or newer"
        )
    nodes = document.get("nodes")
    if not isinstance(nodes, list) or not 0 < len(nodes) <= LARGEST_COUNT:
        raise CaptureError(f"{path} holds no list of 1 to {LARGEST_COUNT} nodes: record one step")
    parsed = [_Node(path, node) for node in nodes]
    return sorted(parsed, key=lambda node: node.number), schema


class _Node:
    """One call: number, parent's number, name, schema of the op, sequence number, inputs and outputs."""

    __slots__ = ("inputs", "name", "number", "outputs", "parent", "schema", "sequence")

    def __init__(self, path, node):
        try:
            attributes = {a["name"]: a["value"] for a in node["attrs"]}
            self.number, self.parent, self.name = node["id"], node["ctrl_deps"], node["name"]
            self.schema, self.sequence = attributes.get("op_schema", ""), attributes.get("seq_id", -1)
            self.inputs, self.outputs = (_values(node[side]) for side in ("inputs", "outputs"))
            kinds = ((self.number, int), (self.parent, int), (self.name, str), (self.schema, str), (self.sequence, int))
            if not all(isinstance(value, kind) for value, kind in kinds):
                raise TypeError("a field is of the wrong type")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            number = node.get("id") if isinstance(node, dict) else None
            raise CaptureError(f"{path} is damaged at node {number!r} ({error}): record it again") from None


def _values(side):
    """[(value, type, shape, strides)] of the inputs or outputs of a node."""
    columns = [side[name] for name in ("values", "types", "shapes")]
    columns.append(side.get("strides") or [None] * len(columns[0]))
    if not all(isinstance(column, list) for column in columns) or len({len(column) for column in columns}) > 1:
        raise ValueError("its values, types and shapes differ in number")
    return list(zip(*columns, strict=True))
