"""The same replay on every kind of array and device: numpy is the reference."""

import ast
import tracemalloc
from contextlib import nullcontext
from dataclasses import fields
from importlib.util import find_spec

import array_api_strict
import numpy as np
import pytest

from accel_model import Design, Trace, engine, replay, replay_all
from accel_model.array import chunks
from accel_model.array.chunks import IN_CACHE, ON_GPU, sizes_on_device
from accel_model.arrays import beside, free_bytes, on_host, to_numpy
from accel_model.report import Report
from tests.helpers import fake_cupy
from tests.helpers.designs import designs, random_designs
from tests.helpers.program import ROOT
from tests.helpers.traces import random_traces

OTHER = array_api_strict.Device("device1")


@pytest.fixture
def cupy():
    """A strict cupy without a GPU."""
    if find_spec("cupy"):
        pytest.skip("the real cupy is here")
    with fake_cupy.installed() as module:
        yield module


def asarray_of(backend):
    if backend == "strict":
        return array_api_strict.asarray
    if backend == "strict on another device":
        return lambda values: array_api_strict.asarray(values, device=OTHER)
    torch = pytest.importorskip("torch")
    return torch.asarray


def check(trace, design, asarray, workers=None):
    here, there = replay(trace, design), replay(trace, design.to(asarray), workers=workers)
    for f in fields(Report):
        ours, theirs = getattr(here, f.name), getattr(there, f.name)
        assert isinstance(theirs, np.ndarray) and ours.dtype == theirs.dtype
        if f.name == "bound":
            continue  # which of two equal terms won may differ in the last bit
        np.testing.assert_allclose(theirs, ours, rtol=1e-12, err_msg=f.name)
        if ours.dtype.kind == "i":
            np.testing.assert_array_equal(theirs, ours, err_msg=f.name)


def cases(which):
    """(trace, designs) that between them use every formula."""
    rng = np.random.default_rng(which)
    trace = random_traces(rng)[which]
    yield trace, random_designs(rng, 12)
    yield trace, Design.grid(dataflow=["os", "ws", "is", "rs"], convention=["rtl", "scalesim"], cores=[1, 3])


@pytest.mark.parametrize("backend", ["strict", "strict on another device", "torch"])
@pytest.mark.parametrize("which", range(3))
def test_replay_is_the_same_on_other_arrays(backend, which):
    for trace, design in cases(which):
        check(trace, design, asarray_of(backend))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("which", range(3))
def test_replay_is_the_same_on_a_strict_cupy_and_stays_on_its_device(cupy, which, number):
    def asarray(values):
        with cupy.cuda.Device(number):
            return cupy.asarray(values)

    for trace, design in cases(which):
        check(trace, design, asarray, workers=2)
    assert set(fake_cupy.used_on) == {number}
    assert cupy.cuda.Device().id == 0  # and the caller's own is where it was


def test_a_design_that_cannot_run_is_told_from_any_device(cupy):
    trace = random_traces(np.random.default_rng(0))[0]
    small = Design.grid(buffer_bytes=[16, 2**20])
    for asarray in (cupy.asarray, asarray_of("strict on another device")):
        with pytest.raises(engine.DesignError, match="buffer_bytes 16 is less than one tile"):
            replay(trace, small.to(asarray))
        assert np.isinf(replay(trace, small.to(asarray), must_run=False).step_s).tolist() == [True, False]


def test_several_traces_are_replayed_at_once_on_any_device(cupy):
    traces, table = random_traces(np.random.default_rng(1)), random_designs(np.random.default_rng(2), 6)
    wanted = [report.step_s for report in replay_all(traces, table)]
    for asarray in (cupy.asarray, asarray_of("strict on another device")):
        found = [report.step_s for report in replay_all(traces, table.to(asarray))]
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_the_strict_cupy_refuses_what_a_gpu_refuses(cupy):
    here, host = cupy.asarray([1.0, 2.0]), np.ones(2)
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(here)
    for mixed in (lambda: here + host, lambda: host + here, lambda: cupy.maximum(here, host)):
        with pytest.raises(TypeError):
            mixed()
    with cupy.cuda.Device(1), pytest.raises(ValueError, match="device 0 is used on device 1"):
        here + 1
    with pytest.raises(TypeError, match=r"cupy.take: .*mode"):
        cupy.take(here, cupy.asarray([0]), mode="clip")
    assert not hasattr(cupy, "place_of")


def test_cupy_has_every_name_that_the_model_uses():
    """The names of array functions in accel_model's sources, by the namespace of the cupy on record.

    Those of the array-API standard that cupy calls otherwise are array_api_compat's own.
    """
    compat = {"concat", "bool", "astype"}
    used = set()
    for path in (ROOT / "accel_model").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                name = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                used |= {node.attr} if name == "xp" else set()
    assert len(used) > 20
    names = fake_cupy.NAMESPACE
    assert used - compat - set(names["functions"]) - set(names["others"]) == set()
    assert {"get", "device"} <= set(names["ndarray"]) and {"id", "mem_info"} <= set(names["Device"])
    assert "get_default_memory_pool" in names["functions"]


class Elsewhere:
    """An array of a library that numpy cannot read by itself, as dpnp's."""

    device = "level_zero:gpu:0"

    def __array_namespace__(self, api_version=None):
        raise AssertionError("it is asked for nothing but its values")

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def asnumpy(self):
        return np.arange(3.0)


@pytest.mark.parametrize("values", [3, 2.5, True, np.float64(2), np.arange(4), [1, 2]])
def test_what_lies_on_the_host_is_numpy_s_as_it_is(values):
    np.testing.assert_array_equal(to_numpy(values), np.asarray(values))
    assert not isinstance(values, np.ndarray) or to_numpy(values) is values


def test_arrays_of_any_library_and_device_come_to_the_host(cupy):
    torch = pytest.importorskip("torch")
    wanted = np.arange(3.0)
    with cupy.cuda.Device(1):
        far = cupy.asarray(wanted)
    kept = torch.arange(3.0, dtype=torch.float64, requires_grad=True)
    for values in (far, kept, 1.0 * kept, asarray_of("strict on another device")(wanted), Elsewhere()):
        found = to_numpy(values)
        assert type(found) is np.ndarray and found.dtype == np.float64
        np.testing.assert_array_equal(found, wanted)


def test_only_what_is_not_on_the_host_has_free_bytes_and_a_device_to_be_beside(cupy):
    torch = pytest.importorskip("torch")
    for values in (1.0, np.ones(2), torch.ones(2), array_api_strict.ones(2)):
        assert on_host(values) and free_bytes(values) is None
        assert isinstance(beside(values), nullcontext)
    assert not on_host(asarray_of("strict on another device")(np.ones(2)))
    assert free_bytes(cupy.asarray(np.ones(2))) == 5e9  # of the device, and of what cupy keeps


def test_a_gpu_gets_thousands_of_designs_at_a_time_and_no_more_than_fit():
    for workers in (1, 2, 8):
        before = IN_CACHE
        for free in np.geomspace(1e6, 1e12, 60):
            sizes = sizes_on_device(float(free), workers)
            assert all(vars(before)[name] <= cells <= vars(ON_GPU)[name] for name, cells in vars(sizes).items())
            least = [name for name, cells in vars(sizes).items() if cells == vars(IN_CACHE)[name]]
            assert least or workers * sizes.bytes <= free / 2
            before = sizes
        assert sizes == ON_GPU
    units, gemms = 600, 80  # of a large model
    for card, designs_at_once in ((8e9, 1000), (40e9, 5000), (140e9, 10_000)):
        sizes = sizes_on_device(card, 2)
        assert min(sizes.design_cells // units, sizes.search_cells // gemms) >= designs_at_once
    assert sizes_on_device(None, 2) == sizes_on_device(4e9, 2)


@pytest.mark.parametrize("free", [None, 1e8, 1e11])
def test_chunks_of_any_size_hold_every_design_once(monkeypatch, free):
    seen, alike = [], chunks.alike

    def watched(*args):
        for group in alike(*args):
            seen.extend(group.chunks)
            yield group

    monkeypatch.setattr(engine, "alike", watched)
    monkeypatch.setattr(engine, "free_bytes", lambda like: free)
    trace, table = random_traces(np.random.default_rng(0))[0], designs(3000)
    found = replay(trace, table.to(asarray_of("strict on another device")), per_op=False)
    assert sorted(np.concatenate([chunk.rows for chunk in seen]).tolist()) == list(range(3000))
    np.testing.assert_allclose(found.step_s, replay(trace, table, per_op=False).step_s, rtol=1e-12)


@pytest.mark.parametrize("dataflow", ["os", "best"])
def test_work_holds_no_more_than_is_reckoned_with(dataflow):
    """A plan, a search and costs that are as large as IN_CACHE allows."""
    sizes = np.random.default_rng(0).integers(1, 4096, size=(3, 256))
    bandwidths = np.linspace(1e11, 1e12, 128).tolist()
    table = Design.grid(dataflow=dataflow, rows=[16, 17, 18, 19], buffer_bytes=[2**24], dram_bytes_per_s=bandwidths)
    trace = Trace.from_gemms(*sizes)
    replay(trace, table[:2], per_op=False, workers=1)
    tracemalloc.start()
    replay(trace, table, per_op=False, workers=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert IN_CACHE.bytes / 3 < peak < IN_CACHE.bytes


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
