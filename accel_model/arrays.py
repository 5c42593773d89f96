"""Array backends: every computation runs on the kind of array handed in (numpy, torch, cupy, any array-API one).

Whole numbers come as int64, or as float64 that hold whole numbers below 2^53: both give the same results, and floating
point divides some ten times faster. Arrays of one computation lie on one device; what is made on the way is made there.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
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
    """`values`, an array of any library and device or a number, as a numpy array on the host."""
    if isinstance(values, _PLAIN) or not array_api_compat.is_array_api_obj(values):
        return np.asarray(values)
    if hasattr(values, "detach"):  # a torch tensor that gradients are kept for
        values = values.detach()
    found = np.asarray(values if on_host(values) else _moved_to_host(values))
    if found.dtype == object:
        raise TypeError(f"a {type(values).__name__} on {device(values)} cannot be copied to the host")
    return found


def on_host(values: Array) -> bool:
    """Whether an array lies in the host's memory; plain numbers do."""
    return isinstance(values, _PLAIN) or _is_host(device(values))


def _is_host(place):
    return "cpu" in str(place).lower()


def _moved_to_host(values):
    """An array on the host, as its own library copies it there; as it is where numpy copies it."""
    if array_api_compat.is_cupy_array(values) or array_api_compat.is_torch_array(values):
        return array_api_compat.to_device(values, "cpu")
    if hasattr(values, "asnumpy"):  # dpnp
        return values.asnumpy()
    info = getattr(namespace(values), "__array_namespace_info__", None)
    host = next((place for place in (info().devices() if info else ()) if _is_host(place)), None)
    return values if host is None else array_api_compat.to_device(values, host)


def beside(like: Array) -> AbstractContextManager:
    """A context in which arrays are made where `like` lies, in this thread.

    cupy makes arrays on the current device, each thread's own, whatever `device=` says.
    """
    if not array_api_compat.is_cupy_array(like):
        return nullcontext()
    return type(like.device)(like.device.id)  # a fresh one: a cupy.cuda.Device keeps what it is entered from


def free_bytes(like: Array) -> float | None:
    """Bytes free on the device of `like`; None where its library does not tell, and of the host's memory."""
    if on_host(like):
        return None
    library = sys.modules.get(type(like).__module__.partition(".")[0])
    if array_api_compat.is_cupy_array(like):
        return float(like.device.mem_info[0] + library.get_default_memory_pool().free_bytes())
    if array_api_compat.is_torch_array(like) and like.device.type == "cuda":
        kept = library.cuda.memory_reserved(like.device) - library.cuda.memory_allocated(like.device)
        return float(library.cuda.mem_get_info(like.device)[0] + kept)
    return None


def real(values: Array) -> Array:
    """`values` as float64."""
    xp = namespace(values)
    return xp.astype(xp.asarray(values), xp.float64, copy=False)


def larger(a: Array, b: Array) -> Array:
    """Elementwise maximum of two arrays or numbers."""
    xp = namespace(a, b)
    return np.maximum(a, b) if xp is numpy_namespace else xp.maximum(*_pair(xp, a, b, (a, b)))


def smaller(a: Array, b: Array) -> Array:
    """Elementwise minimum of two arrays or numbers."""
    xp = namespace(a, b)
    return np.minimum(a, b) if xp is numpy_namespace else xp.minimum(*_pair(xp, a, b, (a, b)))


def choose(condition: Array, a: Array, b: Array) -> Array:
    """`a` where `condition` holds, else `b`; arrays or numbers that broadcast."""
    xp = namespace(condition, a, b)
    if xp is numpy_namespace:
        return np.where(condition, a, b)
    beside_all = (condition, a, b)
    return xp.where(as_array(xp, condition, beside_all), *_pair(xp, a, b, beside_all))


def as_array(xp: Any, value: Array, beside_all: tuple[Array, ...], dtype: Any = None) -> Array:
    """`value`, a number or an array, as an array of the namespace `xp` on the device of the arrays in `beside_all`."""
    if isinstance(value, np.ndarray) and dtype is None and xp is numpy_namespace:
        return value
    if not isinstance(value, _PLAIN):
        return value if dtype is None else xp.astype(value, dtype, copy=False)
    place = next((device(one) for one in beside_all if not isinstance(one, _PLAIN)), None)
    return xp.asarray(value, dtype=dtype, device=place)


def largest(values: Array) -> int:
    """The largest of an array of whole numbers, or the number itself, as an int."""
    return int(values.max()) if isinstance(values, np.ndarray) else int(namespace(values).max(values))


def floor_div(a: Array, b: Array) -> Array:
    """Quotient of whole numbers at least 0 and above 0, rounded down."""
    return namespace(a, b).floor(a / b) if _is_real(a) or _is_real(b) else a // b


def ceil_div(a: Array, b: Array) -> Array:
    """Quotient of whole numbers at least 0 and above 0, rounded up."""
    return namespace(a, b).ceil(a / b) if _is_real(a) or _is_real(b) else -(-a // b)


def _pair(xp, a, b, beside_all):
    """Two arrays or numbers as arrays; a number takes the type of the array beside it."""
    if isinstance(a, int | float) and not isinstance(b, int | float):
        return as_array(xp, a, beside_all, b.dtype), b
    if isinstance(b, int | float) and not isinstance(a, int | float):
        return a, as_array(xp, b, beside_all, a.dtype)
    if isinstance(a, int | float):
        return as_array(xp, a, beside_all, xp.float64), as_array(xp, b, beside_all, xp.float64)
    return as_array(xp, a, beside_all), as_array(xp, b, beside_all)


def _is_real(values):
    return isinstance(values, float) or (hasattr(values, "dtype") and values.dtype == namespace(values).float64)
