"""The one place where an operator finds its formula: to teach the capture an op, add it to a table named here.

A formula takes a `parts.Call` and returns the rows, as a list of `parts.Part`. MAC formulas are in matmul.py,
convolution.py, attention.py and recurrent.py; vector work is in norm.py and vector.py.
"""

from harness.capture.formulas import attention, convolution, matmul, norm, recurrent, vector

FORMULAS = (
    vector.FORMULAS | norm.FORMULAS | matmul.FORMULAS | convolution.FORMULAS | attention.FORMULAS | recurrent.FORMULAS
)


def formula_of(info):
    """The formula of an operator, or None where there is none.

    An overload that torch tags as pointwise is elementwise, whatever the table says of the name (max.other, max.dim).
    """
    found = FORMULAS.get(info.base)
    tagged = found is None or (found is vector.reduce and not info.name.startswith("aten::_foreach_"))
    return vector.elementwise if info.pointwise and tagged else found
