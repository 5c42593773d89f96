"""Batches of samples, and what goes wrong while they are loaded, here or in other processes, in a line or two."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import baselines
from harness.settings.errors import DataError, HalfstepError

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader

LONGEST = 200  # characters of what somebody else's exception says
CAUGHT = re.compile(r"Caught (\w+) in (?:DataLoader worker process|pin memory thread)")
"""How torch begins the message of an exception that it carries over from a process that loads samples."""

MESSAGE = re.compile(r"(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?:: (.*))?$")
"""The line of a traceback that names the exception: its class without the module, and what it says."""

OF_PROCESSES = (  # what torch says of processes that ended or found no room, in lower case
    "dataloader worker (pid",  # "... is killed by signal: Bus error", "... exited unexpectedly"
    "pin memory thread exited",
    "</torch_",  # "unable to write to file </torch_123_456>: No space left on device (28)"
    "torch_shm_manager",
    "items of ancdata",  # too many open files to pass one on
)
WAY_OUT = (
    "set data.workers=0 to load them in the program itself, or give /dev/shm more room, e.g. docker run --shm-size=8g"
)


@dataclass(frozen=True, eq=False)
class Batches:
    """A DataLoader whose every failure is a DataError; it can be gone through more than once."""

    loader: DataLoader
    source: str  # name of a file in conf/data
    workers: int  # processes that load samples

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        try:
            yield from self.loader
        except Exception as error:  # of a data set, of its processes, or of what joins samples: all told alike
            told = loading_error(error) or self._own(error)
            if told is None:
                raise
            raise told from None

    def __len__(self) -> int:
        return len(self.loader)

    def _own(self, error):
        """The DataError of an exception that torch does not mark as one of loading, or None where memory ran out."""
        if baselines.memory_is_full(error):
            return None
        if self.workers:
            return _of_processes(described(error))
        return DataError(
            f"data={self.source} gives samples that cannot be loaded ({described(error)}): check them, or use "
            f"data=synthetic to time without them"
        )


def loading_error(error: BaseException) -> DataError | None:
    """What an exception of a loader, or of a process that it started, means to a user; None for any other."""
    caught = CAUGHT.match(str(error))
    if not caught:
        if isinstance(error, DataError):
            return error
        ended = isinstance(error, RuntimeError) and any(words in str(error).lower() for words in OF_PROCESSES)
        return _of_processes(described(error)) if ended else None
    name, message = _inner(str(error))
    if isinstance(error, HalfstepError):
        return DataError(message)
    if any(words in message.lower() for words in (*OF_PROCESSES, "shared memory")):
        return _of_processes(f"{name}: {message}"[:LONGEST])
    return DataError(
        f"a process that loads samples failed ({f'{name}: {message}'[:LONGEST]}): check the samples; data.workers=0 "
        f"loads them in the program itself"
    )


def described(error: BaseException) -> str:
    """The class of an exception and the first line of what it says, as a short text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join([type(error).__name__, *lines[:1]])[:LONGEST]


def read_image(path: str) -> Image.Image:
    """The image in a file, in RGB; raises DataError, which names the file, for one that cannot be read whole."""
    from PIL import Image

    try:
        with open(path, "rb") as file:
            return Image.open(file).convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error and their own
        raise DataError(
            f"{path} cannot be read as an image ({described(error)}): replace the file, or remove it"
        ) from None


def _of_processes(detail):
    return DataError(f"the processes that load samples ended, or found no room: {WAY_OUT} ({detail})")


def _inner(text):
    """(class, first line of its message) of the exception at the end of the traceback in `text`."""
    lines = text.splitlines()
    last = max((i for i, line in enumerate(lines) if line.startswith("  ")), default=-1)
    for line in lines[last + 1 :]:
        if found := MESSAGE.match(line):
            return found[1], found[2] or ""
    return "", (lines[-1] if lines else "")
