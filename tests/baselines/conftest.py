"""Measurements to test with, and the skipping of tests that need a GPU."""

import numpy as np
import pytest

from baselines import Measurement


@pytest.fixture
def context():
    """What is known of an imagined GPU."""
    return {
        "device": "Imagined 9000",
        "device_kind": "gpu",
        "clock": "cuda_event",
        "time_utc": "2026-01-01T00:00:00+00:00",
        "commit": "unknown",
        "python": "3.12.0",
        "torch": "2.11.0",
        "driver": "600.1",
        "cuda": "13.0",
    }


@pytest.fixture
def make(context):
    """A function that makes a Measurement of that GPU, with any field replaced."""

    def measurement(**changes):
        fields = {
            "device": "Imagined 9000",
            "device_kind": "gpu",
            "kind": "live",
            "workload": "imagenet_resnet50",
            "model": "resnet50",
            "samples_s": np.array([0.1, 0.11, 0.1, 0.09, 0.1, 0.1]),
            "block": np.array([0, 0, 1, 1, 2, 2]),
            "batch_size": 64,
            "precision": "tf32",
            "scope": "step_and_copy",
            "clock": "cuda_event",
            "source": "measured here",
            "confidence": "measured",
            "context": context,
        }
        return Measurement(**fields | changes)

    return measurement
