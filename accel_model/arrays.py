"""Array backends: every computation runs on the kind of array handed in (numpy, cupy, torch, any array-API one)."""

import array_api_compat
import array_api_compat.numpy as numpy_namespace
import numpy as np

device = array_api_compat.device


def namespace(*values):
    """The array-API namespace of the arrays among `values`; numpy's where all of them are plain numbers."""
    arrays = [value for value in values if hasattr(value, "dtype")]
    return array_api_compat.array_namespace(*arrays) if arrays else numpy_namespace


def larger(a, b):
    """Elementwise maximum of two arrays or numbers."""
    xp = namespace(a, b)
    return xp.maximum(xp.asarray(a), xp.asarray(b))


def smaller(a, b):
    """Elementwise minimum of two arrays or numbers."""
    xp = namespace(a, b)
    return xp.minimum(xp.asarray(a), xp.asarray(b))


def choose(condition, a, b):
    """`a` where `condition` holds, else `b`; arrays or numbers that broadcast."""
    xp = namespace(condition, a, b)
    return xp.where(xp.asarray(condition), xp.asarray(a), xp.asarray(b))


def largest(values):
    """The largest of an array of whole numbers, or the number itself, as an int."""
    xp = namespace(values)
    return int(xp.max(xp.asarray(values)))


def ceil_div(a, b):
    """Quotient of whole numbers above 0, rounded up."""
    return -(-a // b)


def real(values):
    """`values` as float64."""
    xp = namespace(values)
    return xp.astype(xp.asarray(values), xp.float64)


def to_numpy(values):
    """`values` as a numpy array on the host."""
    return values.get() if hasattr(values, "get") else np.asarray(values)
