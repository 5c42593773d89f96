"""The public interface: its names, that all of it is annotated, and that importing it is light."""

import ast
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import accel_model
from accel_model import chips
from accel_model.array import record
from accel_model.chips import convolutions, errors, validation
from accel_model.design import space
from accel_model.formats import scalesim_config, scalesim_topology, timeline, trace_file
from accel_model.silicon import area, energy
from accel_model.work import floors

HOME = Path(accel_model.__file__).parent
MODULES = (space, trace_file, area, energy, floors, convolutions, errors, validation, record)
PUBLIC = [
    *(getattr(accel_model, name) for name in accel_model.__all__),
    *(scalesim_config.load_config, scalesim_topology.load_topology, scalesim_topology.save_topology),
    *(timeline.timeline, timeline.save_timeline),
    *(
        value
        for module in MODULES
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__ and callable(value)
    ),
]


def functions():
    """(name, function) of every public function and method."""
    for value in PUBLIC:
        if inspect.isfunction(value):
            yield value.__qualname__, value
        elif inspect.isclass(value):
            for name, member in vars(value).items():
                member = getattr(member, "__func__", getattr(member, "fget", None) or member)
                if not name.startswith("_") and inspect.isfunction(member):
                    yield member.__qualname__, member


@pytest.mark.parametrize(("name", "function"), sorted(functions(), key=lambda pair: pair[0]))
def test_public_functions_are_annotated_and_take_at_most_eight_parameters(name, function):
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
    assert len(parameters) <= 8
    assert function.__doc__, name
    assert all(p.annotation is not p.empty for p in parameters), name
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty, name


def test_what_type_checkers_see_is_what_loads():
    tree = ast.parse((HOME / "__init__.py").read_text())
    seen = {
        alias.name: node.module
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        for alias in node.names
    }
    assert seen == accel_model._PLACES and sorted(seen) == sorted(accel_model.__all__)
    for package in ("accel_model", "baselines", "harness"):
        assert (HOME.parent / package / "py.typed").is_file()
    assert typing.get_type_hints(chips.convolutions.from_convolutions)["return"] is accel_model.Trace


def test_no_module_is_heavy_to_import():
    heavy = {"torch", "torchvision", "mlflow", "matplotlib", "scipy", "pandas", "sklearn", "pyarrow", "rich", "hydra"}
    paths = sorted(path.relative_to(HOME.parent) for path in HOME.rglob("*.py"))
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    code = f"import importlib, sys; [importlib.import_module(name) for name in {modules!r}]; "
    code += f"print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME.parent, capture_output=True, text=True, check=True)
    assert len(modules) > 40 and done.stdout.strip() == "[]"
