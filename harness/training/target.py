"""A user's own step, named on the command line as package.module:function."""

import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from harness.settings.errors import CaptureError, HalfstepError
from harness.settings.groups import is_models
from harness.text.shown import quoted, shown

SHORT = 60  # characters of a name that the words before it show already
FORM = "write it as package.module:function, for example my_models.unet:build"


def load_target(text: str) -> Callable:
    """The callable that `text` names as `package.module:function`, importable from the current directory too.

    A dotted function (`module:Class.method`) is looked up in classes, never in a module that the named one imports.
    Raises CaptureError where the module does not import or raises, where there is no such attribute, and where it is
    not callable.
    """
    where = f"workload.target={shown(text)}"
    module_name, colon, attribute = text.partition(":")
    if not (module_name and colon and attribute):
        raise CaptureError(f"{where} names no function: {FORM}")
    if not all(part.isidentifier() and not part.startswith("__") for part in attribute.split(".")):
        raise CaptureError(f"{where} is no name: {FORM}")
    found = module = imported(module_name, where)
    for part in attribute.split("."):
        if found is not module and not isinstance(found, type):
            raise CaptureError(f"{where} looks into a {type(found).__name__}: name a function, or one of a class")
        if not hasattr(found, part):
            raise CaptureError(f"{where}: {shown(module_name)} has no '{shown(attribute, SHORT)}'. {_choices(found)}")
        found = getattr(found, part)
        if isinstance(found, ModuleType):
            raise CaptureError(f"{where}: {part} is a module that {module_name} imports: name it before the colon")
    if is_models(module_name) and not str(getattr(found, "__module__", "")).startswith(module_name):
        raise CaptureError(f"{where}: {module_name} imports {attribute!r} from elsewhere: name a model of its own")
    if not callable(found):
        raise CaptureError(f"{where} is a {type(found).__name__}: name a function that builds and returns the step")
    return found


def imported(name: str, where: str, kind: type[HalfstepError] = CaptureError) -> ModuleType:
    """The module called `name`, importable from the current directory too.

    Raises `kind` where there is none, or where it does not import; where: what names it, for the error.
    """
    here = str(Path.cwd())
    added = here not in sys.path and not is_models(name)  # those are never a folder's own
    if added:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise kind(
                f"{where}: there is no module {quoted(error.name)}. Run from the folder that holds it, or install it"
            ) from None
        raise kind(f"{where}: {shown(name)} needs the module {quoted(error.name)}, which is not installed") from None
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
