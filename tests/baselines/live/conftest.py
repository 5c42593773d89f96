"""A batch for the small step, and one thread to run it on."""

import pytest
import torch

from tests.helpers.measurements import random_batch


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads that spin for each other make small steps slow on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def batch():
    return random_batch()
