"""Errors that a user of the model can cause and mend."""

from accel_model.formats.shown import message


class AccelModelError(Exception):
    """Base of every error that input to this package can cause; its text says what, where and how to fix.

    What it repeats of that input is bounded, and written out where a terminal would obey it.
    """

    def __init__(self, text: str = ""):
        super().__init__(message(text))


class TraceError(AccelModelError):
    """A trace, or the file that holds one, is not valid."""


class DesignError(AccelModelError):
    """An accelerator design, or the file that holds one, is not valid."""
