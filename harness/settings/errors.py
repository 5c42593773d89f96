"""Errors that a user of the program can cause and mend; their text says what is wrong, where and how to fix it."""


class HalfstepError(Exception):
    """Base of every error that the command line shows without a traceback."""


class ConfigError(HalfstepError):
    """A setting is wrong."""


class CaptureError(HalfstepError):
    """A training step could not be captured."""


class DataError(HalfstepError):
    """A data set is missing or damaged."""


class TrainingError(HalfstepError):
    """Training failed: it diverged, ran out of memory, or its model does not fit the data."""


class NoRoomError(TrainingError):
    """A training step does not fit the device's memory."""


class RecordError(HalfstepError):
    """Nothing could be recorded."""


class TrackingError(HalfstepError):
    """The tracking store refuses to be read or written."""


class OutputError(HalfstepError):
    """A result file cannot be written."""


class ExploreError(HalfstepError):
    """A design space cannot be searched, or nothing in it meets the limits."""
