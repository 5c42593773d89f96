"""The same replay on every kind of array: numpy is the reference."""

from dataclasses import fields

import array_api_strict
import numpy as np
import pytest

from accel_model import Design, replay
from accel_model.report import Report
from tests.helpers.designs import random_designs
from tests.helpers.traces import random_traces


def asarray_of(backend):
    if backend == "strict":
        return array_api_strict.asarray
    torch = pytest.importorskip("torch")
    return torch.asarray


def check(trace, design, asarray):
    here, there = replay(trace, design), replay(trace, design.to(asarray))
    for f in fields(Report):
        ours, theirs = getattr(here, f.name), getattr(there, f.name)
        assert isinstance(theirs, np.ndarray) and ours.dtype == theirs.dtype
        if f.name == "bound":
            continue  # which of two equal terms won may differ in the last bit
        np.testing.assert_allclose(theirs, ours, rtol=1e-12, err_msg=f.name)
        if ours.dtype.kind == "i":
            np.testing.assert_array_equal(theirs, ours, err_msg=f.name)


@pytest.mark.parametrize("backend", ["strict", "torch"])
@pytest.mark.parametrize("which", range(3))
def test_replay_is_the_same_on_other_arrays(backend, which):
    rng = np.random.default_rng(which)
    trace, design = random_traces(rng)[which], random_designs(rng, 12)
    check(trace, design, asarray_of(backend))
    conventions = Design.grid(dataflow=["os", "ws", "is", "rs"], convention=["rtl", "scalesim"], cores=[1, 3])
    check(trace, conventions, asarray_of(backend))


@pytest.mark.gpu
def test_replay_is_the_same_on_a_gpu():
    cupy = pytest.importorskip("cupy")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        pytest.skip("there is no GPU")
    rng = np.random.default_rng(0)
    for trace in random_traces(rng):
        check(trace, random_designs(rng, 12), cupy.asarray)
