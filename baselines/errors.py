"""Errors that a user of the baselines can cause and mend."""

LONGEST = 3000  # characters of an error


class BaselineError(Exception):
    """Base of every error that input to this package, or a device, can cause; says what, where and how to fix.

    Of what a terminal would obey, escapes are shown.
    """

    def __init__(self, text: str = ""):
        text = str(text)[:LONGEST]
        super().__init__("".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text))


class MeasurementError(BaselineError):
    """A measurement's values contradict each other or cannot be."""


class DeviceError(BaselineError):
    """A device that was asked for is not there, or is of no use."""


class OutOfMemoryError(BaselineError):
    """A step does not fit the device's memory."""


class LossError(BaselineError):
    """A step's loss is not finite, or differs between modes that should compute the same training."""


class ModeError(BaselineError):
    """A step cannot be run in the mode that was asked for."""


class FileError(BaselineError):
    """A data file or a recorded measurement is not valid."""
