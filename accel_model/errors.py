"""Errors that a user of the model can cause and mend."""


class AccelModelError(Exception):
    """Base of every error that input to this package can cause; its text says what, where and how to fix."""


class TraceError(AccelModelError):
    """A trace, or the file that holds one, is not valid."""


class DesignError(AccelModelError):
    """An accelerator design, or the file that holds one, is not valid."""
