"""The calls that an execution trace file lists, each checked for what the walk uses of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from accel_model import Trace
from harness.capture.chakra.document import ExecutionTraceError, reason, shown

LARGEST_COUNT = 1_000_000  # nodes
LARGEST_NUMBER = 2**63  # of a node, a thread or a sequence
LONGEST_NAME = 4096  # characters
LONGEST_SCHEMA = 8192  # characters of an op's schema or a value's type
ROOT = ("[pytorch|profiler|execution_", "__ROOT_")  # how the names of torch's own roots begin; one is its own parent


@dataclass(frozen=True, eq=False)
class Recording:
    """A step of an execution trace file.

    calls: number of the file's node for each framework call of the trace, in the order of Ops.call. inside: numbers of
    the nodes that those calls made in turn. document: the file's content. step: (first number, number beyond) in it.
    """

    trace: Trace
    calls: tuple[int, ...]
    inside: frozenset[int]
    document: dict
    step: tuple[int, float]


class RecordedCall:
    """One node: number, parent's number, name, op's schema, sequence number, thread, kernel backend, values.

    inputs, outputs: [(value, type, shape, strides)]. on_device: whether it is a kernel that chakra_trace_link added
    below the call that launched it.
    """

    __slots__ = (
        "backend",
        "inputs",
        "name",
        "number",
        "on_device",
        "outputs",
        "parent",
        "schema",
        "sequence",
        "thread",
    )

    def __init__(self, node):
        attributes = {_text(a["name"], "an attribute's name"): a["value"] for a in node["attrs"]}
        self.number = _whole(node["id"], "id")
        self.parent = _whole(node["ctrl_deps"], "ctrl_deps")
        self.name = _text(node["name"], "name")
        self.schema = _text(attributes.get("op_schema", ""), "op_schema", LONGEST_SCHEMA)
        self.backend = _text(attributes.get("kernel_backend", ""), "kernel_backend")
        self.sequence = _whole(attributes.get("seq_id", -1), "seq_id", low=-1)
        self.thread = _whole(attributes.get("tid", 0), "tid")
        self.on_device = node.get("cat") is not None
        self.inputs, self.outputs = _values(node["inputs"]), _values(node["outputs"])


def parsed(path: object, nodes: object) -> list[RecordedCall]:
    """The RecordedCalls of a file's nodes, sorted by number.

    Raises ExecutionTraceError for a node that is damaged, is there twice, or comes before its parent.
    """
    if not isinstance(nodes, list) or not 0 < len(nodes) <= LARGEST_COUNT:
        found = len(nodes) if isinstance(nodes, list) else "no"
        raise ExecutionTraceError(
            f"{path} holds {found} nodes, and 1 to {LARGEST_COUNT} of them are read as a list: record one step"
        )
    calls = []
    for node in nodes:
        try:
            calls.append(RecordedCall(node))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            number = node.get("id") if isinstance(node, dict) else node
            raise ExecutionTraceError(
                f"{path} is damaged at node {shown(number)} ({_reason(error)}): record it again"
            ) from None
    calls.sort(key=lambda call: call.number)
    for before, call in pairwise(calls):
        if before.number == call.number:
            raise ExecutionTraceError(f"{path} is damaged: node {call.number} is there twice; record it again")
    for call in calls:
        if call.parent > call.number or (call.parent == call.number and not _is_root(call)):
            who = "itself" if call.parent == call.number else f"node {call.parent}, which begins after it"
            raise ExecutionTraceError(
                f"{path} is damaged: node {call.number}, {shown(call.name)}, is called by {who}; record it again"
            )
    return calls


def _is_root(call):
    return call.name.startswith(ROOT) and not (call.schema or call.inputs or call.outputs)


def _reason(error):
    if isinstance(error, KeyError):
        return f"it has no {shown(error.args[0])}"
    return reason(error)


def _values(side):
    """[(value, type, shape, strides)] of the inputs or outputs of a node; trailing strides may be missing."""
    values, types, shapes = (side[name] for name in ("values", "types", "shapes"))
    strides = side.get("strides") or []
    if not all(isinstance(column, list) for column in (values, types, shapes, strides)):
        raise ValueError("its values, types, shapes and strides are no lists")
    if not len(values) == len(types) == len(shapes) or len(strides) > len(values):
        raise ValueError("its values, types and shapes differ in number")
    for kind in types:
        _text(kind, "a type", LONGEST_SCHEMA * 10)
    return list(zip(values, types, shapes, strides + [None] * (len(values) - len(strides)), strict=True))


def _whole(value, name, low=0):
    if type(value) is not int or not low <= value < LARGEST_NUMBER:
        raise ValueError(f"{name} is no whole number from {low} to below 2^63: {shown(value)}")
    return value


def _text(value, name, longest=LONGEST_NAME):
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError(f"{name} is no text of at most {longest} characters: {shown(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name} is {shown(value)}, which is no text in UTF-8") from None
    return value
