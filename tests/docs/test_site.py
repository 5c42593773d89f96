"""The site builds with every link checked, and opens from the disk without the network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for package in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(package, reason="make docs installs it")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\bsrc=\"?([^\" >]+)", page.read_text())
        loaded += re.findall(r"<link[^>]*rel=\"?(?:stylesheet|preload)[^>]*href=\"?([^\" >]+)", page.read_text())
        assert loaded and not [one for one in loaded if re.match(r"https?:|//", one)], page.name


def test_the_search_works_without_a_server(site):
    assert (site / "search" / "search_index.js").read_text().startswith("var __index = ")
    assert "iframe-worker.js" in (site / "index.html").read_text()


def test_the_public_interface_is_in_the_reference(site):
    text = (site / "api.html").read_text()
    for name in ("Trace", "Design", "Report", "replay", "replay_all"):
        assert re.search(rf'id="accel_model\.[a-z_.]*\b{name}"', text), name
    assert all(f'id="harness.capture.{name}"' in text for name in ("capture", "capture_model"))


def test_no_figure_of_the_data_is_published_as_a_file(site):
    assert not list(site.rglob("*.py")) and not list(site.rglob("*.csv"))
