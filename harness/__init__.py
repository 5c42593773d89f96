"""The program: settings, training, capture, judging, results and the command line, over both sides."""

from collections.abc import Callable, Iterable
from importlib import import_module
from types import ModuleType


def on_first_use(package: str, names: Iterable[str]) -> Callable[[str], ModuleType]:
    """A `__getattr__` for `package` that loads those of its modules that are slow to import on first use."""
    slow = frozenset(names)

    def load(name):
        if name not in slow:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return import_module(f"{package}.{name}")

    return load
