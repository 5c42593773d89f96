"""A cupy without a GPU that is stricter than the real one: what works with it works there.

Arrays lie on one of two devices, refuse to be mixed with numpy's and to become them unasked, and are used on their own
device alone; each thread begins on device 0. A function that the real cupy does not have, or does not take so, is an
error: tests/helpers/cupy_namespace.json says what it has.
"""

import inspect
import json
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

NAMESPACE = json.loads((Path(__file__).parent / "cupy_namespace.json").read_text())
DEVICES = 2
OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift"),
    *("lt", "le", "gt", "ge", "eq", "ne"),
)
UNARY = ("neg", "pos", "abs", "invert")

_current = threading.local()


class FakeDevice:
    """As cupy.cuda.Device: entering it makes it the current one of this thread alone."""

    def __init__(self, device=None):
        self.id = _current_id() if device is None else int(device)
        if not 0 <= self.id < DEVICES:
            raise ValueError(f"there is no device {self.id}")
        self._entered_from = []

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, FakeDevice) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def __enter__(self):
        self._entered_from.append((threading.get_ident(), _current_id()))
        _current.id = self.id
        return self

    def __exit__(self, *_):
        thread, before = self._entered_from.pop()
        assert thread == threading.get_ident(), "two threads share one Device object"
        _current.id = before

    @property
    def mem_info(self):
        return 4 * 10**9, 8 * 10**9


def _current_id():
    return getattr(_current, "id", 0)


class FakeArray:
    """As cupy.ndarray."""

    __module__ = "cupy"
    __array_ufunc__ = None
    __array_priority__ = 100

    def __init__(self, values):
        self._values, self.device = values, FakeDevice()
        used_on[self.device.id] += 1

    def get(self):
        """A copy on the host, from any device."""
        return np.array(self._values)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __dlpack__(self, *_, **__):
        raise TypeError("the array lies on a GPU")

    def __getattr__(self, name):
        if name.startswith("__") or name not in NAMESPACE["ndarray"]:
            raise AttributeError(f"cupy.ndarray has no {name!r}")
        found = getattr(self._values, name)
        return _strict(found) if callable(found) else _wrapped(found)

    def __getitem__(self, key):
        return _wrapped(self._values[_host(key)])

    def __setitem__(self, key, value):
        self._values[_host(key)] = _host(value)

    def __len__(self):
        return len(self._values)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(_host(self))

    def __int__(self):
        return int(_host(self))

    def __float__(self):
        return float(_host(self))

    def __index__(self):
        return _host(self).__index__()

    def __hash__(self):
        raise TypeError("unhashable type: 'cupy.ndarray'")


used_on = Counter()  # arrays made on each device


def _host(value):
    """What lies in a FakeArray of the current device; refuses arrays of numpy and of another device."""
    if isinstance(value, FakeArray):
        if value.device.id != _current_id():
            raise ValueError(f"an array of device {value.device.id} is used on device {_current_id()}")
        return value._values
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, list | tuple):
        return type(value)(_host(one) for one in value)
    return value


def _wrapped(value):
    if isinstance(value, np.ndarray | np.generic):
        return FakeArray(np.asarray(value))
    return type(value)(map(_wrapped, value)) if isinstance(value, list | tuple) and not _is_shape(value) else value


def _is_shape(value):
    return all(isinstance(one, int) for one in value)


def _strict(function):
    def call(*args, **kwargs):
        return _wrapped(function(*map(_host, args), **{name: _host(value) for name, value in kwargs.items()}))

    return call


def _operator(name):
    def operate(self, other):
        if isinstance(other, np.ndarray):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        return _wrapped(getattr(_host(self), name)(_host(other)))

    return operate


for _name in OPERATORS:
    setattr(FakeArray, f"__{_name}__", _operator(f"__{_name}__"))
    if _name not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(FakeArray, f"__r{_name}__", _operator(f"__r{_name}__"))
for _name in UNARY:
    setattr(FakeArray, f"__{_name}__", lambda self, _name=_name: _wrapped(getattr(_host(self), f"__{_name}__")()))


def _asarray(obj, dtype=None, copy=None):
    """An array of the current device, of anything: what lies on another device, or on the host, is copied."""
    if isinstance(obj, FakeArray):
        if obj.device.id == _current_id() and not copy and dtype in (None, obj.dtype):
            return obj
        return FakeArray(np.array(obj._values, dtype))
    if isinstance(obj, list | tuple):
        obj = type(obj)(one.get() if isinstance(one, FakeArray) else one for one in obj)
    return FakeArray(np.array(obj, dtype))


def _function(name):
    """The function of numpy that cupy's `name` is, which takes what cupy's takes."""
    parameters = NAMESPACE["functions"].get(name)
    function = getattr(np, name)

    def call(*args, **kwargs):
        if parameters is not None:
            _bound(name, parameters, args, kwargs)
        return _strict(function)(*args, **kwargs)

    return call


def _bound(name, parameters, args, kwargs):
    """Raise TypeError where cupy's function of that name does not take these arguments."""
    signature = inspect.Signature(
        [
            inspect.Parameter(one, inspect._ParameterKind(kind), default=inspect.Parameter.empty if needed else None)
            for one, kind, needed in parameters
        ]
    )
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"cupy.{name}: {error}") from None


def _module(name, **members):
    module = ModuleType(name)
    vars(module).update(members)
    return module


def make():
    """{name in sys.modules: module} of the fake."""
    cupy = _module("cupy", ndarray=FakeArray, __version__=NAMESPACE["version"])
    for name in (*NAMESPACE["functions"], *NAMESPACE["others"]):
        found = getattr(np, name, None)
        if found is None or name in vars(cupy):
            continue
        is_function = callable(found) and not isinstance(found, type)
        vars(cupy)[name] = _function(name) if is_function else found
    cupy.asarray = lambda a, dtype=None, order=None, *, copy=None, blocking=False: _asarray(a, dtype, copy)
    cupy.array = lambda obj, dtype=None, copy=True, order="K": _asarray(obj, dtype, copy)
    pool = _module("pool", free_bytes=lambda: 10**9)
    cupy.get_default_memory_pool = lambda: pool
    cupy.cuda = _module("cupy.cuda", Device=FakeDevice)
    cupy.linalg = _module("cupy.linalg", **_known("linalg"))
    cupy.fft = _module("cupy.fft", **_known("fft"))
    cupy.cuda.device = _module("cupy.cuda.device", Device=FakeDevice)
    parts = (cupy, cupy.cuda, cupy.cuda.device, cupy.linalg, cupy.fft)
    return {part.__name__: part for part in parts}


def _known(part):
    of_numpy = getattr(np, part)
    return {name: _strict(getattr(of_numpy, name)) for name in NAMESPACE[part] if hasattr(of_numpy, name)}


@contextmanager
def installed():
    """Make `import cupy` find the fake; yields it. What array_api_compat kept of it is forgotten afterwards."""
    import array_api_compat
    from array_api_compat.common import _helpers

    def forget():
        for name in [name for name in sys.modules if name.startswith("array_api_compat.cupy")]:
            del sys.modules[name]
        vars(array_api_compat).pop("cupy", None)
        for one in vars(_helpers).values():
            if hasattr(one, "cache_clear"):
                one.cache_clear()

    modules = make()
    before = {name: sys.modules.get(name) for name in modules}
    forget()
    used_on.clear()
    sys.modules.update(modules)
    try:
        yield modules["cupy"]
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        forget()


def record():
    """What cupy_namespace.json holds, of the real cupy: names, and what its functions take.

    functions: {name: [(parameter, kind, is it needed)], or null where Python cannot tell}.
    """
    import cupy

    names = {part: sorted(_public(getattr(cupy, part))) for part in ("ndarray", "linalg", "fft")}
    names["Device"] = sorted(_public(cupy.cuda.Device))
    found = {name: getattr(cupy, name) for name in sorted(_public(cupy))}
    functions = {name: one for name, one in found.items() if callable(one) and not isinstance(one, type)}
    others = [name for name, one in found.items() if name not in functions and not isinstance(one, ModuleType)]
    return {
        "version": cupy.__version__,
        "functions": {name: _parameters(one) for name, one in functions.items()},
        "others": others,
    } | names


def _public(place):
    return [name for name in dir(place) if not name.startswith("_")]


def _parameters(function):
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [(one.name, int(one.kind), one.default is inspect.Parameter.empty) for one in given]


if __name__ == "__main__":
    (Path(__file__).parent / "cupy_namespace.json").write_text(json.dumps(record(), indent=0) + "\n")
