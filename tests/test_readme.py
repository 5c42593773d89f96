"""What the README shows runs, and what it names is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.settings import shipped

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.split("#")[0].strip() for line in README.splitlines() if re.match(r"halfstep\s", line)]


def test_the_python_example_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # a 7x7 convolution of 3 to 64 channels on 32x32 outputs, and a linear layer of 64*32*32 to 10, of 4096 samples
    forward = 4096 * (32 * 32 * 64 * 147 + 65536 * 10)
    assert f"'forward': {forward}" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shown_composes(command):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from harness.settings.schema import register

    arguments = [one for one in command.split()[1:] if one != "-m"]
    choices = [one.split(",")[0] if "[" not in one else one for one in arguments]
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        compose("config", overrides=choices)


def test_every_file_linked_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_every_workload_is_listed():
    assert all(f"`{name}`" in README for name in shipped.names())
