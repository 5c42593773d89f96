"""Which operator a recorded call is, what it writes, and whether the recording shows what it is made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from harness.capture import torch_private
from harness.capture.chakra.document import printable, shown
from harness.capture.chakra.nodes import LARGEST_NUMBER, RecordedCall
from harness.capture.chakra.shadow import Shadow, tensors_in
from harness.capture.formulas.parts import OpInfo, info_of

SCHEMA = re.compile(r"(\w+)::(\w+)(?:\.(\w+))?\((.*)\) *->", re.DOTALL)
DEFAULT = re.compile(r"=\[[^\]]*\]")
KERNEL = re.compile(r"(triton_|(graph_\d+_)?(cpp|triton)_fused_|(extern_kernels|aoti_torch_|inductor_))")
COLLECTIVES = ("c10d", "_c10d_functional", "_c10d_functional_autograd", "c10d_functional", "symm_mem", "torch_ucc")
COMMUNICATION = re.compile(r"record_param_comms$|(nccl|gloo|mpi|ucc|xccl|hccl|rccl|cncl):")


class RecordedOp:
    """An operator: its OpInfo, whether torch decomposes it above autograd, and the kinds of its plain arguments.

    exchanges: whether it moves data between devices; what it calls in turn is how, not what.
    """

    __slots__ = ("composite", "exchanges", "info", "kinds")

    def __init__(self, info, composite, kinds, exchanges=False):
        self.info, self.composite, self.kinds = info, composite, kinds
        self.exchanges = exchanges or info.name.partition("::")[0] in COLLECTIVES

    def written(self, arguments: dict) -> list[Shadow]:
        """The tensors that a call writes in place.

        An op whose name ends in an underscore and whose schema marks nothing (collectives are such) writes them all.
        """
        names = self.info.mutated
        in_place = re.search(r"[^_]_$", self.info.name)
        return list(
            tensors_in([arguments.get(name) for name in names] if names or not in_place else arguments.values())
        )

    def check(self, arguments: dict) -> None:
        """Raise ValueError where a plain argument is not of the kind that the schema says."""
        for name, kind in self.kinds:
            value = arguments.get(name)
            values = value if kind == "List[int]" and isinstance(value, list) else [value]
            if value is not None and not all(type(x) is int and -LARGEST_NUMBER <= x < LARGEST_NUMBER for x in values):
                raise ValueError(f"{name} is {shown(value)} and no whole number")


@lru_cache(maxsize=4096)
def op_of(schema: str) -> RecordedOp | None:
    """The RecordedOp of the text of a schema; None for what is no framework call."""
    named = SCHEMA.match(schema)
    if named is None:
        return None
    space, name, overload, arguments = named.groups()
    op = torch_private.operator(space, name, overload or "default")
    if op is not None:
        kinds = tuple((a.name, str(a.type)) for a in torch_private.schema_of(op).arguments)
        kinds = tuple((name, kind.removeprefix("Optional[").removesuffix("]")) for name, kind in kinds)
        kinds = tuple((name, "List[int]" if kind == "List[int" else kind) for name, kind in kinds)
        return RecordedOp(
            info_of(op), torch_private.is_composite(op), tuple(k for k in kinds if k[1] in ("int", "List[int]"))
        )
    known = [part.partition("=")[0].rsplit(None, 1) for part in DEFAULT.sub("", arguments).split(",")]
    known = [one for one in known if len(one) == 2]
    mutated = tuple(name for kind, name in known if "!" in kind)
    names = tuple(name for _, name in known)
    info = OpInfo(f"{space}::{name}", f"{space}::{name}", names, {}, mutated, (), False, False, False)
    return RecordedOp(info, False, ())


def uncounted(info: OpInfo) -> OpInfo:
    """The same operator without a formula."""
    return replace(info, base="", pointwise=False)


def kernel_of(call: RecordedCall, tensors: Sequence[Shadow]) -> RecordedOp | None:
    """A RecordedOp without formula for a call that names no operator and does work: a compiled kernel, a collective."""
    exchanges = bool(tensors and COMMUNICATION.match(call.name))
    if not (call.backend or KERNEL.match(call.name) or exchanges):
        return None
    return RecordedOp(OpInfo(printable(call.name), "", (), {}, (), (), False, False, False), False, (), exchanges)
