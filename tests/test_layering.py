"""The laws of the house: who may import whom, what stands once, how large a thing grows."""

import ast
import importlib
import inspect
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.helpers.program import ROOT

ORDER = (  # a file imports from folders before its own, and from its own; those of one line do not know each other
    ("accel_model", "baselines"),
    ("harness",),  # harness/__init__.py alone
    ("harness/text",),
    ("harness/settings",),
    ("harness/capture", "harness/judging", "harness/store"),
    ("harness/training",),
    ("harness/flows",),
    ("harness/report",),
    ("harness/tasks",),
    ("harness/__main__.py",),
)
HEAVY = {  # what may be imported inside a function: slow to load, or not everywhere
    *("torch", "torchvision", "mlflow", "matplotlib", "mpl_toolkits", "scipy", "pandas", "sklearn", "pyarrow", "rich"),
    *("optuna", "joblib", "jinja2", "hydra", "omegaconf", "cupy", "pynvml", "psutil", "PIL", "requests", "sqlalchemy"),
    *("filelock", "yaml", "importlib", "markupsafe"),
}
NEVER = {  # packages that a folder never imports
    "accel_model": {"torch", "hydra", "omegaconf", "mlflow"},
    "baselines": {"hydra", "omegaconf", "mlflow"},
}
HOMES = {  # the only files that may import a package, at any depth
    "mlflow": {"harness/store/tracking.py"},
    "rich": {"harness/text/console.py"},
    "matplotlib": {"harness/report/pictures/"},
    "pyarrow": {"accel_model/formats/trace_file.py", "harness/flows/explore/checkpoint.py"},  # files in Parquet
    "optuna": {"harness/flows/explore/sampler.py"},
    "yaml": {"accel_model/formats/yaml_file.py"},
    "cupy": {"accel_model/arrays.py"},
    "pynvml": {"baselines/live/nvml.py"},
    "sklearn": {"harness/training/data/"},
    "hydra": {
        *("harness/__main__.py", "harness/tasks/failures.py", "harness/tasks/sources.py", "harness/tasks/sweep.py"),
    },
    "torch": {"baselines/live/", "harness/capture/", "harness/training/"},
}
MOST_ENTRIES = 14  # of a folder
MOST_PARAMETERS = 8
MOST_LINES = 400  # of a file
PACKAGES = ("accel_model", "baselines", "harness")


@cache
def files():
    return tuple(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


@cache
def tree(path):
    return ast.parse(path.read_text())


def name_of(path):
    return str(path.relative_to(ROOT))


def rank(place):
    """(position in ORDER, the entry of ORDER) of a file: the longest entry that it lies in."""
    found = [
        (len(entry), number, entry)
        for number, group in enumerate(ORDER)
        for entry in group
        if place == entry or place.startswith(f"{entry}/")
    ]
    return max(found)[1:]


def module_file(name):
    """The project's own file that is the module called `name`, or None."""
    base = ROOT / name.replace(".", "/")
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def imports(path, node=None, inside=False, typing=False):
    """Yield (imported module, is it inside a function, is it for types alone) of a file, names that are modules too."""
    for child in ast.iter_child_nodes(node or tree(path)):
        if isinstance(child, ast.Import):
            yield from ((alias.name, inside, typing) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, f"{name_of(path)} imports relatively"
            parts = [f"{child.module}.{alias.name}" for alias in child.names]
            own = [part for part in parts if module_file(part)]
            yield from ((part, inside, typing) for part in own)
            if len(own) < len(parts):
                yield child.module, inside, typing
        else:
            within = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            types = typing or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
            yield from imports(path, child, within, types)


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_a_file_imports_only_from_before_its_own_folder(path):
    place = name_of(path)
    mine, my_entry = rank(place)
    for name, *_ in imports(path):
        if target := module_file(name):
            theirs, entry = rank(name_of(target))
            assert theirs < mine or entry == my_entry, f"{place} imports {name}"


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_inside_functions_only_heavy_packages_are_imported(path):
    for name, inside, _ in imports(path):
        if inside:
            assert name.split(".")[0] in HEAVY, f"{name_of(path)} imports {name} inside a function"


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_a_package_is_imported_in_its_home_only(path):
    place = name_of(path)
    names = {name.split(".")[0] for name, *_ in imports(path)}
    assert not names & NEVER.get(place.split("/")[0], set())
    for name in names & set(HOMES):
        at_home = any(place.startswith(home) for home in HOMES[name])
        assert at_home, f"{place} imports {name}, whose home is {HOMES[name]}"


def test_the_two_sides_meet_in_judging_and_flows_alone():
    for path in files():
        both = {"accel_model", "baselines"} <= {name.split(".")[0] for name, *_ in imports(path)}
        place = name_of(path)
        # failures.py knows the errors of both
        allowed = place.startswith(("harness/judging/", "harness/flows/")) or place == "harness/tasks/failures.py"
        assert not both or allowed, place


def test_no_files_import_each_other_in_a_circle():
    arrows = {
        path: {module_file(name) for name, _, typing in imports(path) if not typing} - {None, path} for path in files()
    }
    done = set()

    def walk(path, way):
        assert path not in way, " -> ".join(name_of(one) for one in [*way[way.index(path) :], path])
        if path not in done:
            for target in sorted(arrows[path]):
                walk(target, [*way, path])
            done.add(path)

    for path in files():
        walk(path, [])


def folders():
    return sorted({path.parent for path in files()})


@pytest.mark.parametrize("folder", folders(), ids=name_of)
def test_a_folder_says_what_it_means_and_is_seen_at_a_glance(folder):
    text = ast.get_docstring(tree(folder / "__init__.py"))
    assert text
    entries = [
        path
        for path in folder.iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py") or (path.is_dir() and (path / "__init__.py").is_file())
    ]
    assert len(entries) <= MOST_ENTRIES, sorted(path.name for path in entries)


def test_no_two_classes_have_one_name():
    found = Counter(node.name for path in files() for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))
    assert [name for name, count in found.items() if count > 1] == []


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_no_file_and_no_list_of_parameters_grows_too_long(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            given = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            given = [name for name in given if name not in ("self", "cls")]
            assert len(given) <= MOST_PARAMETERS, f"{node.name} has {len(given)} parameters"


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_one_letter_names_are_a_formula_s(path):
    """A function that takes one-letter names says in its docstring what they are."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            short = [
                one.arg for one in (*node.args.args, *node.args.kwonlyargs) if len(one.arg) == 1 and one.arg != "_"
            ]
            assert not short or ast.get_docstring(node), f"{node.name} takes {short} and has no docstring"


@pytest.mark.parametrize("package", ["accel_model", "baselines", "harness.capture"])
def test_the_public_interface_is_annotated(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        thing = getattr(module, name)
        own = vars(thing).items() if inspect.isclass(thing) else [(name, thing)]
        for label, function in own:
            function = getattr(function, "__func__", function)
            if inspect.isfunction(function) and not label.startswith("_"):
                hints = set(function.__annotations__)
                wanted = set(inspect.signature(function).parameters) - {"self", "cls"} | {"return"}
                assert wanted <= hints, f"{package}.{name} {label}: {wanted - hints}"


def test_the_command_line_and_hydra_s_state_are_read_once():
    readers = {
        "sys.argv": {"harness/__main__.py", "harness/tasks/job.py", "accel_model/rtl/prove.py"},
        "HydraConfig": {"harness/__main__.py"},
    }
    for path in files():
        for word, places in readers.items():
            mains = path.read_text().count('__name__ == "__main__"')
            assert word not in code_of(path) or name_of(path) in places or mains, f"{name_of(path)} reads {word}"


def code_of(path):
    """The source of a file without its docstrings and comments."""
    return "\n".join(ast.unparse(node) for node in tree(path).body if not isinstance(node, ast.Expr))


def test_digests_of_results_are_made_in_one_file_of_the_harness():
    homes = {name_of(path) for path in files() if "hashlib" in {name for name, *_ in imports(path)}}
    assert {place for place in homes if place.startswith("harness/")} == {"harness/store/keys.py"}


@pytest.mark.parametrize(
    "module",
    [
        *("harness.__main__", "harness.settings.schema", "harness.tasks.failures", "harness.tasks.job"),
        *("harness.training", "harness.training.data", "harness.capture", "accel_model", "baselines"),
    ],
)
def test_the_command_line_starts_without_heavy_packages(module):
    heavy = {"torch", "torchvision", "mlflow", "matplotlib", "scipy", "pandas", "sklearn", "pyarrow"}
    code = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["harness.tasks.replay", "harness.tasks.explore", "harness.tasks.baselines"])
def test_a_task_that_needs_no_torch_loads_none(module):
    code = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_tests_mirror_the_folders_and_import_no_other_test_module():
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                wrong = [name for name in names if name.startswith("tests.") and ".test_" in name]
                assert not wrong, f"{path} imports {wrong}"
    kept = {"helpers", "bench", "docs"}
    for folder in sorted(path for path in (ROOT / "tests").rglob("*") if path.is_dir() and path.name != "__pycache__"):
        place = folder.relative_to(ROOT / "tests")
        assert place.parts[0] in kept or (ROOT / place).is_dir(), f"tests/{place} mirrors no folder"


def test_nothing_is_left_of_what_moved():
    assert not [path for path in (ROOT / "harness").glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    assert {path.name for path in Path(ROOT).glob("tests/*.py")} <= {
        "__init__.py",
        "conftest.py",
        "test_layering.py",
    } | {path.name for path in Path(ROOT).glob("tests/test_*.py")}
