"""Errors that a user of the model can cause and mend."""


class AccelModelError(Exception):
    """Base of every error that input to this package can cause; its text says what, where and how to fix."""


class TraceError(AccelModelError):
    """A trace, or the file that holds one, is not valid."""


class DesignError(AccelModelError):
    """An accelerator design, or the file that holds one, is not valid."""


LONGEST_SHOWN = 100  # characters of a value that an error repeats


def cut(value: object) -> str:
    """A value as text, up to LONGEST_SHOWN characters."""
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def shown(value: object) -> str:
    """A value as an error shows it: on one line, and not all of one that is endless."""
    return cut(repr(value))
