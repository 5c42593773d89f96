"""Where an operator finds its formula: in the FORMULAS of the one file of this folder that names it.

A formula takes a `parts.Call` and returns the rows, as a list of `parts.Part`. MAC formulas are in matmul.py,
convolution.py, attention.py and recurrent.py; vector work is in norm.py and vector.py. A file that is added here with
a FORMULAS of its own, {name of the op without namespace, foreach and in-place marks: formula}, is found by its place.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules

from harness.capture import formulas
from harness.capture.formulas import vector
from harness.capture.formulas.parts import Call, OpInfo, Part
from harness.settings.errors import CaptureError

Formula = Callable[[Call], list[Part]]


@lru_cache(maxsize=1)
def all_formulas() -> dict[str, Formula]:
    """{name of an op: its formula} of every file in this folder; raises CaptureError where two files know one op."""
    found, homes = {}, {}
    for file in iter_modules(formulas.__path__):
        known = getattr(import_module(f"{formulas.__name__}.{file.name}"), "FORMULAS", {})
        if twice := sorted(known.keys() & found.keys()):
            raise CaptureError(
                f"{twice[0]} has a formula in harness/capture/formulas/{homes[twice[0]]}.py and in {file.name}.py "
                "beside it: keep one of them"
            )
        found |= known
        homes |= dict.fromkeys(known, file.name)
    return found


def formula_of(info: OpInfo) -> Formula | None:
    """The formula of an operator, or None where there is none.

    An overload that torch tags as pointwise is elementwise, whatever the table says of the name (max.other, max.dim).
    """
    found = all_formulas().get(info.base)
    tagged = found is None or (found is vector.reduce and not info.name.startswith("aten::_foreach_"))
    return vector.elementwise if info.pointwise and tagged else found
