"""What README and docs show runs, and what they name is there."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from harness.settings import shipped

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
}
PYTHON = [(name, code) for name, text in PAGES.items() for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
SHOWN = {
    line.split("  #")[0].strip()
    for text in PAGES.values()
    for line in text.splitlines()
    if re.match(r"halfstep\s", line)
}
NAMED = {one for text in PAGES.values() for one in re.findall(r"`(halfstep (?:-m )?[a-z.]+=[^`]*)`", text)}
COMMANDS = sorted(SHOWN | {one for one in NAMED if "..." not in one})
RECORDING = (ROOT / "baselines/recorded/README.md").read_text()  # a page of docs includes it


@cache
def run(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "code"), PYTHON, ids=[f"{name}:{i}" for i, (name, _) in enumerate(PYTHON)])
def test_every_python_example_runs(name, code):
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_the_python_example_prints_the_macs_of_its_layers():
    (readme,) = [code for name, code in PYTHON if name == "README.md"]
    page = next(code for name, code in PYTHON if name == "docs/python.md")
    # a 7x7 convolution of 3 to 64 channels on 32x32 outputs, and a linear layer of 64*32*32 to 10, of 4096 samples
    forward = 4096 * (32 * 32 * 64 * 147 + 65536 * 10)
    for code in (readme, page):
        done = run(code)
        assert done.returncode == 0, done.stderr
        assert f"'forward': {forward}" in done.stdout


def test_the_python_example_of_readme_is_short():
    (readme,) = [code for name, code in PYTHON if name == "README.md"]
    assert len([line for line in readme.splitlines() if line.strip()]) <= 10


def test_readme_shows_six_commands():
    assert sum(line.startswith("halfstep") for line in PAGES["README.md"].splitlines()) == 6


def arguments_of(command):
    return [one for one in re.findall(r"(?:'[^']*'|\S)+", command)[1:] if one != "-m"]


@pytest.mark.parametrize(
    "command", COMMANDS + [line for line in RECORDING.splitlines() if line.startswith("halfstep ")]
)
def test_every_command_shown_composes(command):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from harness.settings import schema

    arguments = [one.replace("'", "") for one in arguments_of(command.split("  #")[0])]
    choices = [one.split(",")[0] if "[" not in one and "{" not in one else one for one in arguments]
    getattr(schema, "register", dict)()  # where the schema is registered with Hydra
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        compose("config", overrides=choices)


def test_every_make_target_named_is_there():
    makefile = (ROOT / "Makefile").read_text()
    targets = {
        one
        for text in PAGES.values()
        for one in re.findall(r"`make ([a-z-]+)[^`]*`|^make ([a-z-]+)", text, re.MULTILINE)
    }
    named = {one for pair in targets for one in pair if one}
    assert {"run", "test", "docs", "figures", "pictures", "record-figures"} <= named
    assert all(re.search(rf"^{one}:", makefile, re.MULTILINE) for one in named)


def test_every_workload_is_listed():
    assert all(f"`{name}`" in PAGES["docs/use.md"] for name in shipped.names())
