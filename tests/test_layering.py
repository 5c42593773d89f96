"""Imports go one way: harness -> accel_model, baselines; and each heavy package stays in the files made for it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("accel_model", "baselines", "harness")
FORBIDDEN = {
    "accel_model": {"torch", "hydra", "omegaconf", "mlflow", "baselines", "harness"},
    "baselines": {"accel_model", "harness", "hydra", "mlflow"},
    "harness": set(),
}
HOMES = {  # the only files that may import a package, at any depth
    "mlflow": {"harness/tracking.py"},
    "rich": {"harness/console.py"},
    "matplotlib": {"harness/pictures/"},  # one picture a file
    "pyarrow": {"accel_model/trace_file.py", "harness/front_file.py"},  # the two kinds of file in Parquet
    "optuna": {"harness/sampling.py"},
    "yaml": {"accel_model/design_file.py"},
    "cupy": {"accel_model/arrays.py"},
    "pynvml": {"baselines/nvml.py"},
    "sklearn": {"harness/data.py"},
    "hydra": {
        "harness/__main__.py",
        "harness/app.py",
        "harness/callbacks.py",
        "harness/config.py",
        "harness/failures.py",
    },
}
TORCH_OF_BASELINES = {"baselines/live.py"}
TORCH_OF_HARNESS = {"data", "models", "profile", "step", "train"}  # and everything in harness/capture


def files():
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path):
    """Top-level names of every package that a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_place_allows(path):
    place = str(path.relative_to(ROOT))
    package = place.split("/")[0]
    names = imported(path)
    assert not names & FORBIDDEN[package]
    for name in names & set(HOMES):
        at_home = place in HOMES[name] or f"{place.rpartition('/')[0]}/" in HOMES[name]
        assert at_home, f"{place} imports {name}, whose home is {HOMES[name]}"
    if "torch" in names and package == "baselines":
        assert place in TORCH_OF_BASELINES
    if "torch" in names and package == "harness" and not place.startswith("harness/capture/"):
        assert path.stem in TORCH_OF_HARNESS


def test_the_two_sides_meet_in_few_files():
    both = {p.name for p in (ROOT / "harness").rglob("*.py") if {"accel_model", "baselines"} <= imported(p)}
    # claim_map.py only names the types of both; placed.py replays what was placed and routed, so that it is a baseline
    assert both <= {"claim_map.py", "compare.py", "flow.py", "failures.py", "placed.py", "profile.py", "tasks.py"}


@pytest.mark.parametrize(
    "module", ["harness.__main__", "harness.settings.schema", "harness.tasks.failures", "accel_model", "baselines"]
)
def test_the_command_line_starts_without_heavy_packages(module):
    heavy = {"torch", "torchvision", "mlflow", "matplotlib", "scipy", "pandas", "sklearn", "pyarrow", "rich"}
    code = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
