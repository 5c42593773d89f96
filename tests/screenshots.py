"""Pictures of MLflow's pages for the README, by a real Chromium: python tests/screenshots.py FOLDER [PICTURES]

FOLDER holds the mlflow.db of at least a sweep (`halfstep -m ...`) and a claim map (`halfstep
experiment=reproduce_claims`); the newest of each is shown. Four PNG files of at most 256 colours go to PICTURES, or to
pictures/ of this checkout. No test runs this. Without a chromium on the PATH it says so and does nothing. The browser
is driven over its own pipe, so nothing has to be installed for it.
"""

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE = (1600, 1000)  # pixels
LONGEST_S = 120  # that a page may take to show what is waited for
QUIET_S = 3  # for what a page draws after its text is there
SHUT_ASSISTANT = "".join(
    f"localStorage['mlflow.assistant.{key}'] = '{value}';"
    for key, value in {"fab.autoOpenedOnFirstLoad_v1": "true", "panelOpen_v1": "false"}.items()
)
UNFOLD = "[...document.querySelectorAll('button')].find(e => e.innerText == 'Show more')?.click()"


def main(folder, pictures):
    """Write mlflow_runs.png, mlflow_charts.png, mlflow_claims.png and mlflow_report.png into the folder `pictures`."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("skipped: no chromium is on the PATH")
    from mlflow import MlflowClient

    from harness.store import pages

    uri = f"sqlite:///{Path(folder).absolute()}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("halfstep").experiment_id
    parents = client.search_runs([experiment], "tags.sweep_parent = 'true'", order_by=["attributes.start_time DESC"])
    claims = next(run for run in parents if run.info.run_name.startswith("claims"))
    sweep = next(run for run in parents if run.info.run_name.startswith("sweep"))
    claims_page = pages.run_path(experiment, claims.info.run_id)
    report = pages.run_path(experiment, claims.info.run_id, "report.html")
    shots = {  # name: (address behind the #, text to wait for, script)
        "mlflow_runs": (pages.view_path(experiment), "claims", ""),
        "mlflow_charts": (pages.view_path(experiment, sweep.data.tags["sweep"], charts=True), "simulated_step_ms", ""),
        "mlflow_claims": (claims_page, "Description", UNFOLD),
        "mlflow_report": (report, "report.html", ""),
    }
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        server, address = served(uri, home)
        try:
            browser = Browser(chromium, home)
            for name, (path, text, script) in shots.items():
                browser.open(f"{address}/#{path}", text)
                browser.run(script)
                time.sleep(QUIET_S)
                target = Path(pictures) / f"{name}.png"
                target.write_bytes(few_colours(browser.picture()))
                sys.stdout.write(f"{target}: {target.stat().st_size // 1024} KiB\n")
            browser.close()
        finally:
            server.terminate()
            server.wait()


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
    sys.exit(f"mlflow ui did not start in {LONGEST_S} s")


class Browser:
    """A headless Chromium with one page; commands and answers are JSON, each ended by a zero byte, on a pipe."""

    def __init__(self, chromium, home):
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
        options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        options += ["--remote-debugging-pipe", f"--user-data-dir={home}/chromium", "about:blank"]
        placed = f'exec 3<&{commands} 4>&{answers}; exec "$@"'  # of a shell: descriptors of the child
        self.process = subprocess.Popen(
            ["bash", "-c", placed, "bash", chromium, *options],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self.read, self.count, self.session = b"", 0, {}
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]}
        self.call("Page.enable")
        width, height = SIZE
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.addScriptToEvaluateOnNewDocument", source=SHUT_ASSISTANT)

    def call(self, method, **params):
        """The result of one command; events that come in between are dropped."""
        self.count += 1
        command = {"id": self.count, "method": method, "params": params} | self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            while b"\0" not in self.read:
                if not (more := os.read(self.answers, 1 << 20)):
                    sys.exit("chromium ended early")
                self.read += more
            one, _, self.read = self.read.partition(b"\0")
            answer = json.loads(one)
            if answer.get("id") == self.count:
                if "error" in answer:
                    sys.exit(f"chromium refused {method}: {answer['error']}")
                return answer["result"]

    def run(self, script):
        """The value of a script on the page."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def open(self, address, text):
        """Open an address and wait until the page shows `text`."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        end = time.monotonic() + LONGEST_S
        while text not in (self.run("document.body ? document.body.innerText : ''") or ""):
            if time.monotonic() > end:
                sys.exit(f"{address} did not show {text!r} in {LONGEST_S} s")
            time.sleep(0.5)
        time.sleep(QUIET_S)

    def picture(self):
        """PNG bytes of the page."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self):
        """End the browser."""
        self.call("Browser.close")
        self.process.wait()


def few_colours(data):
    """PNG bytes of the same picture in 256 colours, a third of the size."""
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").quantize(256).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(root))
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else root / "pictures")
