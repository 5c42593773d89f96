"""Measurements to test with."""

import pytest

from tests.helpers.measurements import imagined_context, measurement


@pytest.fixture
def context():
    """What is known of an imagined GPU."""
    return imagined_context()


@pytest.fixture
def make():
    """A function that makes a Measurement of that GPU, with any field replaced."""
    return measurement
