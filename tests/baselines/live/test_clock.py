"""A step's time is that of the device's clock, whatever else runs between steps."""

import time

import numpy as np
import pytest
import torch

from baselines import StepTimer
from tests.helpers.measurements import SmallStep


def test_a_step_timer_times_every_step_that_ends_and_no_other():
    timer = StepTimer("cpu")
    assert timer.samples_s().shape == (0,)
    for i in range(6):
        with timer:
            time.sleep(0.002 * (i + 1))
    with pytest.raises(ZeroDivisionError), timer:
        1 / 0  # noqa: B018
    samples_s = timer.samples_s()
    assert samples_s.shape == (6,) and samples_s.dtype == np.float64
    assert (samples_s >= 0.002 * np.arange(1, 7)).all()  # sleeping never ends early


@pytest.mark.gpu
def test_gpu_events_agree_with_the_wall_clock(batch):
    step, timer = SmallStep("cuda"), StepTimer("cuda")
    step.copy_in(*batch)
    for _ in range(10):
        step.compute()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(200):
        with timer:
            step.compute()
    total_s = timer.samples_s().sum()
    assert 0.5 * (time.perf_counter() - started) < total_s <= 1.02 * (time.perf_counter() - started)
