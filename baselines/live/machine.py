"""What the operating system tells of this machine and of this program's checkout."""

import os
import platform
import subprocess
from datetime import UTC, datetime


def machine_context():
    """python, platform, time_utc, commit, cpu, cpus and load_average, as texts and numbers."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": cpu_name(),
        "cpus": os.cpu_count() or 0,
        # processes that wanted a CPU in the last minute, on average
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
    }


def cpu_name():
    """The CPU's model name where the system tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine() or "CPU"


def commit():
    """The commit of the checkout this file lies in, "-dirty" added where files differ.

    Where that is not known (a copy without its history), what the environment variable HALFSTEP_COMMIT says, or
    "unknown".
    """
    folder = os.path.dirname(__file__)
    command = ["git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("HALFSTEP_COMMIT", "unknown")
