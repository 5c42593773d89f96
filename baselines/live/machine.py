"""What the operating system tells of this machine and of this program's checkout, and what a reader must know of it."""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime

SLOWED = ("hardware_slowdown", "software_thermal", "hardware_thermal", "hardware_power_brake")


def machine_context() -> dict:
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


def cpu_name() -> str:
    """The CPU's model name where the system tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine() or "CPU"


def commit() -> str:
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


def remarks(context: Mapping) -> list[str]:
    """Texts on other users of the device, a busy machine, a power limit that binds and clocks that were held down.

    None where all is well.

    context: what `device_context` returned.
    """
    found = []
    if context.get("other_processes"):
        found.append(f"{context['other_processes']} other processes on the device")
    load, cpus = context.get("load_average", 0.0), context.get("cpus", 0)
    if cpus and load > cpus + 0.5:
        found.append(f"the machine was busy: {load:.1f} processes wanted its {cpus} CPUs")
    if "software_power_cap" in context.get("slowdown_reasons", "").split(","):
        limit = f" of {context['power_limit_w']:.0f} W" if "power_limit_w" in context else ""
        found.append(f"bound by the board's power limit{limit}")
    if reasons := sorted(set(SLOWED).intersection(context.get("slowdown_reasons", "").split(","))):
        found.append(f"the device was slowed down: {', '.join(reasons)}")
    return found
