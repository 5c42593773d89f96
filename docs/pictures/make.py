"""Pictures of the report and of MLflow's pages, by a real Chromium: python docs/pictures/make.py [FOLDER]

FOLDER holds the mlflow.db of a sweep (`halfstep -m ...`) and a claim map (`halfstep experiment=reproduce_claims`); the
newest of each is shown. It is build/figures by default, where `make record-figures` leaves the map. What it lacks is
made there first, small. Five PNG files of at most 256 colours go to docs/pictures. No test runs this.
"""

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURES = Path(__file__).resolve().parent
LONGEST_S = 120  # that a page may take to show what is waited for
MARGIN = 12  # pixels below what a picture is cut at
QUIET_S = 3  # for what a page draws after its text is there
BROWSER = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SMALL = {  # what a folder without a sweep or a claim map gets
    "sweep": ["-m", "workload=mnist_mlp,mnist_lenet5", "batch_size=32,256", "train.budget_s=4"],
    "claims": [
        *("experiment=reproduce_claims", "baseline=published", "map.train_steps=0", "map.batches=[1,64]"),
        "map.workloads=[mnist_lenet5,cifar10_resnet20,imagenet_alexnet]",
    ],
}
SHUT_ASSISTANT = "".join(
    f"localStorage['mlflow.assistant.{key}'] = '{value}';"
    for key, value in {"fab.autoOpenedOnFirstLoad_v1": "true", "panelOpen_v1": "false"}.items()
)
TIDY = """() => {
  for (const one of document.querySelectorAll('body *')) {
    const box = one.getBoundingClientRect(), fixed = getComputedStyle(one).position == 'fixed'
    const button = fixed && box.width < 100 && box.height < 100 && box.bottom > innerHeight - 100 // the assistant's
    const place = !one.children.length && one.textContent.startsWith('Path:') // where the file lies on this machine
    if (button) one.style.display = 'none'
    if (place) {
      let row = one
      while (row && !row.querySelector('button')) row = row.parentElement // with the button that copies it
      row.style.visibility = 'hidden'
    }
  }
}"""
UNFOLD = "[...document.querySelectorAll('button')].find(e => e.innerText == 'Show more')?.click()"


@dataclass(frozen=True)
class Shot:
    """One picture: an address, a text to wait for, what to do then, and the size of the page in pixels.

    until: CSS selector of the first element below which the picture is cut; "" shows the whole page.
    """

    address: str
    text: str
    height: int
    width: int = 1600
    script: str = ""
    until: str = ""


def main(folder):
    """Write report.png, mlflow_runs.png, mlflow_charts.png, mlflow_claims.png and mlflow_report.png."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("error: no chromium is on the PATH: apt install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    sweep, claims = (newest(folder, kind) or made(folder, kind) for kind in ("sweep", "claims"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        server, address = served(store(folder), home)
        try:
            photograph(chromium, shots(address, sweep, claims))
        finally:
            server.terminate()
            server.wait()


def store(folder):
    """The address of the database in a folder."""
    return f"sqlite:///{folder.absolute()}/mlflow.db"


def newest(folder, kind):
    """The newest run of a folder's database that is the parent of a sweep or a claim map, None where there is none."""
    if not (folder / "mlflow.db").is_file():
        return None
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store(folder))
    if not (experiment := client.get_experiment_by_name("halfstep")):
        return None
    order = ["attributes.start_time DESC"]
    runs = client.search_runs([experiment.experiment_id], "tags.sweep_parent = 'true'", order_by=order)
    return next((run for run in runs if run.info.run_name.startswith(kind)), None)


def made(folder, kind):
    """The run of a small sweep or claim map that is made now."""
    command = [sys.executable, "-m", "harness", *SMALL[kind]]
    environment = os.environ | {"PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))}
    sys.stdout.write(f"{folder} has no {kind} yet: {' '.join(command[1:])}\n")
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    return newest(folder, kind)


def shots(address, sweep, claims):
    """{name of a picture: Shot}; sweep, claims: runs of MLflow."""
    sys.path.insert(0, str(ROOT))
    from harness.store import pages

    experiment, run = claims.info.experiment_id, claims.info.run_id
    report = Path(claims.info.artifact_uri.removeprefix("file://")) / "report.html"
    tag = sweep.data.tags["sweep"]
    return {
        "report": Shot(report.as_uri(), "The claim map", height=1500, width=1280, until="table"),
        "mlflow_runs": Shot(f"{address}/#{pages.view_path(experiment)}", "claims", height=900),
        "mlflow_charts": Shot(
            f"{address}/#{pages.view_path(experiment, tag, charts=True)}", "simulated_step_ms", height=1000
        ),
        "mlflow_claims": Shot(
            f"{address}/#{pages.run_path(experiment, run)}", "Description", height=1100, script=UNFOLD
        ),
        "mlflow_report": Shot(
            f"{address}/#{pages.run_path(experiment, run, 'report.html')}", "report.html", height=1000
        ),
    }


def served(uri, folder):
    """(process of `mlflow ui` on a free port of this machine, its address)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("mlflow")
    command = [program, "ui", "--backend-store-uri", uri, "--port", str(port), "--workers", "1"]
    with (Path(folder) / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    end = time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return process, f"http://127.0.0.1:{port}"
        time.sleep(1)
    process.terminate()
    sys.exit(f"error: mlflow ui did not start in {LONGEST_S} s")


def photograph(chromium, wanted):
    """Write a PNG for each Shot of `wanted`, {name: Shot}."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER))
        for name, shot in wanted.items():
            context = browser.new_context(viewport={"width": shot.width, "height": shot.height}, color_scheme="light")
            context.add_init_script(SHUT_ASSISTANT if shot.address.startswith("http") else "")
            page = context.new_page()
            page.goto(shot.address)
            page.wait_for_function(
                "text => document.body.innerText.includes(text)", arg=shot.text, timeout=1e3 * LONGEST_S
            )
            page.evaluate(shot.script or "null")
            time.sleep(QUIET_S)
            page.evaluate(TIDY)
            clip = {"x": 0, "y": 0, "width": shot.width, "height": shot.height}
            if shot.until:
                box = page.locator(shot.until).first.bounding_box()
                clip["height"] = min(shot.height, round(box["y"] + box["height"]) + MARGIN)
            target = PICTURES / f"{name}.png"
            target.write_bytes(few_colours(page.screenshot(clip=clip)))
            sys.stdout.write(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} KiB\n")
            context.close()
        browser.close()


def few_colours(data):
    """PNG bytes of the same picture in 256 colours, a third of the size."""
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").quantize(256).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]) if len(sys.argv) == 2 else ROOT / "build" / "figures")
