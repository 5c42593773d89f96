"""A user's own step, named on the command line as package.module:function."""

import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import ModuleType

from harness.settings.errors import CaptureError, HalfstepError

FORM = "write it as package.module:function, for example my_models.unet:build"


def load_target(text: str) -> Callable:
    """The callable that `text` names as `package.module:function`, importable from the current directory too.

    A dotted function (`module:Class.method`) is looked up step by step. Raises CaptureError where the module does not
    import or raises, where there is no such attribute, and where it is not callable.
    """
    where = f"workload.target={text}"
    module_name, colon, attribute = text.partition(":")
    if not (module_name and colon and attribute):
        raise CaptureError(f"{where} names no function: {FORM}")
    module = imported(module_name, where)
    try:
        found = attrgetter(attribute)(module)
    except AttributeError as error:
        choices = _choices(module if error.obj is None else error.obj)
        raise CaptureError(f"{where}: {module_name} has no {attribute!r}. {choices}") from None
    if not callable(found):
        raise CaptureError(f"{where} is a {type(found).__name__}: name a function that builds and returns the step")
    return found


def imported(name: str, where: str, kind: type[HalfstepError] = CaptureError) -> ModuleType:
    """The module called `name`, importable from the current directory too.

    Raises `kind` where there is none, or where it does not import; where: what names it, for the error.
    """
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise kind(
                f"{where}: there is no module {error.name!r}. Run from the folder that holds it, or install it"
            ) from None
        raise kind(f"{where}: {name} needs the module {error.name!r}, which is not installed") from None
    except SyntaxError as error:
        raise kind(f"{where} has a syntax error at {error.filename}:{error.lineno}: {error.msg}") from None
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise kind(
            f"{where} does not import: {type(error).__name__}: {error} at {frame.filename}:{frame.lineno}"
        ) from error
    finally:
        if added:
            sys.path.remove(here)


def _choices(found):
    names = [n for n, value in vars(found).items() if callable(value) and not n.startswith("_")]
    return f"It has {', '.join(sorted(names)[:8])}" if names else "It has no functions"
