"""A picture of the claim map is one file, found by its place."""

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from harness.report import pictures
from harness.report.claim_map.sections import SECTIONS
from harness.report.pictures import gallery
from tests.helpers import claim_maps

ROOT = Path(__file__).resolve().parents[4]
WATERFALL = '''"""A picture that a test adds."""

from functools import partial

from harness.report.pictures.canvas import Picture, Slot, figure, finish

SLOT = Slot(section="waterfall", order=45, title="A waterfall", text="Water falls.")


def pictures(claim_map):
    """One Picture, whatever the claim map."""
    return [Picture("waterfall", "a title", f"water under {claim_map.accelerator}", partial(waterfall, 3))]


def waterfall(height, theme):
    """A Figure of a line that falls."""
    canvas = figure(4, 3)
    canvas.subplots().plot([0, 1], [height, 0], color=theme.blue)
    return canvas
'''
SCRIPT = """
from harness.report.claim_map.page import write
from harness.report.claim_map.sections import sections
from harness.report.pictures import waterfall
from tests.helpers import claim_maps
print(*(one.anchor for one in sections(claim_maps.one_cell(), "", {})))
write(claim_maps.empty(), "found", "halfstep task=claims", {})
"""


@pytest.fixture
def tree(tmp_path):
    """A copy of the packages, and of what the tests share."""
    for name in ("harness", "accel_model", "baselines", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "helpers", tmp_path / "tests" / "helpers")
    return tmp_path


def test_one_file_adds_a_picture_to_the_report(tree):
    (tree / "harness" / "report" / "pictures" / "waterfall.py").write_text(WATERFALL)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    anchors = done.stdout.split()
    assert anchors.index("layers") < anchors.index("waterfall") < anchors.index("time")
    page = (tree / "found" / "report.html").read_text()
    assert '<section id="waterfall">\n<h2>A waterfall</h2>' in page and "Water falls." in page
    assert re.search(r'<img src="data:image/png;base64,[^"]+" alt="water under seed">', page)
    assert (tree / "found" / "pictures" / "waterfall.png").read_bytes().startswith(b"\x89PNG")
    assert "![water under seed](pictures/waterfall.png)" in (tree / "found" / "report.md").read_text()


def test_every_picture_of_the_program_has_its_section():
    found = gallery.found(claim_maps.one_cell())
    assert len(found) >= 8 and {slot.section for slot, _ in found} <= set(SECTIONS)
    assert all(shown for _, shown in found)


def test_nothing_to_show_gives_no_picture():
    assert [one.name for _, shown in gallery.found(claim_maps.empty()) for one in shown] == []


def test_every_file_of_the_folder_starts_without_matplotlib():
    names = [path.stem for path in Path(pictures.__file__).parent.glob("*.py") if path.stem != "__init__"]
    modules = [import_module(f"{pictures.__name__}.{name}").__name__ for name in names]
    code = f"import sys, {', '.join(modules)}; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
