"""What changes about a device while it works: clocks, power and reasons of slowing, read while steps are queued."""

import contextlib
import threading
import time
from collections.abc import Iterator

import torch

from baselines.live.device import device_context, device_state

LOOK_EVERY_S = 1.0  # between looks from a loop of steps: each costs the host some milliseconds
BESIDE_EVERY_S = 0.1  # between looks from a thread
REASONS = "slowdown_reasons"


class Watch:
    """Looks at a device now and then while it works: once its steps are done, a GPU lowers its clocks and is idle."""

    def __init__(self, device: torch.device | str):
        self._device, self._due_s = torch.device(device), 0.0
        self._seen, self._reasons = {}, {}

    def look(self) -> None:
        """Read the state of a GPU, LOOK_EVERY_S after the last time at the earliest; steps should be queued."""
        if self._device.type == "cuda" and time.monotonic() >= self._due_s:
            self._read()
            self._due_s = time.monotonic() + LOOK_EVERY_S

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """Read the state of a GPU from another thread for as long as what is inside runs."""
        if self._device.type != "cuda":
            yield
            return
        done = threading.Event()

        def looking():
            while not done.wait(BESIDE_EVERY_S):
                self._read()

        thread = threading.Thread(target=looking, name="halfstep watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def context(self) -> dict:
        """What `device_context` tells now, but for what was seen at work: the last state, all reasons of slowing."""
        return device_context(self._device) | self.seen()

    def seen(self) -> dict:
        """The state seen at work, empty where none was."""
        if not self._seen:
            return {}
        reasons = {REASONS: ",".join(self._reasons) or "none"} if REASONS in self._seen else {}
        return self._seen | reasons | {"state_read": "while steps ran"}

    def _read(self):
        self._seen = device_state(self._device)
        self._reasons |= dict.fromkeys(str(self._seen.get(REASONS, "none")).split(","))
        self._reasons.pop("none", None)
