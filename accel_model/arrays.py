"""Array backends: every computation runs on the kind of array handed in (numpy, torch, cupy, any array-API one).

Whole numbers come as int64, or as float64 that hold whole numbers below 2^53: both give the same results, and floating
point divides some ten times faster.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import array_api_compat.numpy as numpy_namespace
import numpy as np

Array = Any  # an array of any of these kinds, or a number where it broadcasts
device = array_api_compat.device
_PLAIN = (np.ndarray, np.generic, int, float, bool)


def namespace(*values: Array) -> Any:
    """The array-API namespace of the arrays among `values`; numpy's where all of them are plain numbers."""
    arrays = [value for value in values if not isinstance(value, _PLAIN)]
    return array_api_compat.array_namespace(*arrays) if arrays else numpy_namespace


def to_numpy(values: Array) -> np.ndarray:
    """`values` as a numpy array on the host."""
    return values.get() if hasattr(values, "get") else np.asarray(values)


def real(values: Array) -> Array:
    """`values` as float64."""
    xp = namespace(values)
    return xp.astype(xp.asarray(values), xp.float64, copy=False)


def larger(a: Array, b: Array) -> Array:
    """Elementwise maximum of two arrays or numbers."""
    xp = namespace(a, b)
    return np.maximum(a, b) if xp is numpy_namespace else xp.maximum(*_pair(xp, a, b))


def smaller(a: Array, b: Array) -> Array:
    """Elementwise minimum of two arrays or numbers."""
    xp = namespace(a, b)
    return np.minimum(a, b) if xp is numpy_namespace else xp.minimum(*_pair(xp, a, b))


def choose(condition: Array, a: Array, b: Array) -> Array:
    """`a` where `condition` holds, else `b`; arrays or numbers that broadcast."""
    xp = namespace(condition, a, b)
    if xp is numpy_namespace:
        return np.where(condition, a, b)
    return xp.where(xp.asarray(condition), *_pair(xp, a, b))


def largest(values: Array) -> int:
    """The largest of an array of whole numbers, or the number itself, as an int."""
    return int(values.max()) if isinstance(values, np.ndarray) else int(namespace(values).max(values))


def floor_div(a: Array, b: Array) -> Array:
    """Quotient of whole numbers at least 0 and above 0, rounded down."""
    return namespace(a, b).floor(a / b) if _is_real(a) or _is_real(b) else a // b


def ceil_div(a: Array, b: Array) -> Array:
    """Quotient of whole numbers at least 0 and above 0, rounded up."""
    return namespace(a, b).ceil(a / b) if _is_real(a) or _is_real(b) else -(-a // b)


def _pair(xp, a, b):
    """Two arrays or numbers as arrays; a number takes the type of the array beside it."""
    if isinstance(a, int | float) and not isinstance(b, int | float):
        return xp.asarray(a, dtype=b.dtype), b
    if isinstance(b, int | float) and not isinstance(a, int | float):
        return a, xp.asarray(b, dtype=a.dtype)
    if isinstance(a, int | float):
        return xp.asarray(a, dtype=xp.float64), xp.asarray(b, dtype=xp.float64)
    return a, b


def _is_real(values):
    return isinstance(values, float) or (hasattr(values, "dtype") and values.dtype == namespace(values).float64)
