"""The peak memory of a process, in bytes."""

import resource
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_bytes():
    """Bytes that this process held at most.

    On Linux from /proc, since what getrusage says of a new process starts at the memory of the one that started it.
    """
    if STATUS.is_file():
        return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
