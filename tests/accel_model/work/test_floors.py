"""The floors that no schedule beats, by hand and against replay."""

from dataclasses import replace

import array_api_strict
import numpy as np
import pytest

from accel_model import Design, Trace, compute_floor_s, replay
from accel_model.errors import TraceError
from accel_model.types import DType
from accel_model.work.floors import memory_floor_s, unavoidable_bytes
from tests.helpers.designs import random_designs
from tests.helpers.traces import random_traces


def test_the_compute_floor_is_macs_over_the_peak_rate_of_their_format():
    trace = Trace.from_gemms([100, 10], [10, 10], [10, 10], dtype=["fp32", "int8"])
    rates = {"fp32": 1.0, "tf32": 1.0, "bf16": 2.0, "fp16": 2.0, "fp8": 4.0, "int8": 4.0}
    design = Design.grid(rows=4, cols=5, cores=2, clock_hz=[1e9, 2e9], mac_rate=rates)
    expected = (10_000 / 40 + 1000 / 160) / np.array([1e9, 2e9])
    np.testing.assert_allclose(compute_floor_s(trace, design), expected, rtol=1e-15)
    np.testing.assert_array_equal(compute_floor_s(trace, design.to(array_api_strict.asarray)), expected)


def test_macs_of_a_format_without_a_rate_count_as_fp32():
    trace = Trace.from_gemms(64, 64, 64, dtype="fp32")
    whole = replace(trace, ops=replace(trace.ops, dtype=np.full(1, DType.INT32, dtype=np.int8)))
    design = Design.grid(mac_rate={"fp32": 0.5, "tf32": 1, "bf16": 2, "fp16": 2, "fp8": 4, "int8": 4})
    assert compute_floor_s(whole, design) == compute_floor_s(trace, design) > 0


@pytest.mark.parametrize("name", ["fp64", "complex32", "complex64", "complex128"])
def test_macs_that_no_design_has_a_rate_for_are_refused(name):
    trace, design = Trace.from_gemms([8, 64], 64, 64, dtype=["fp32", name]), Design.grid()
    for act in (replay, compute_floor_s):
        with pytest.raises(TraceError, match=f"2.621e\\+05 MACs of the trace are {name}, the first in op 1"):
            act(trace, design)
    assert replay(trace.at("fp32"), design).step_s > 0


def test_fp64_at_another_format_is_stored_in_it():
    double, single = (Trace.from_gemms(8, 16, 32, dtype=name) for name in ("fp64", "fp32"))
    assert replay(double.at("fp32"), Design.grid()).step_s == replay(single, Design.grid()).step_s


@pytest.mark.parametrize("seed", range(3))
def test_replay_takes_its_floor_and_utilisation_from_it(seed):
    rng = np.random.default_rng(seed)
    for trace in random_traces(rng):
        design = random_designs(rng)
        report, floor_s = replay(trace, design, per_op=False), compute_floor_s(trace, design)
        np.testing.assert_array_equal(report.floor_s, np.maximum(floor_s, memory_floor_s(trace, design)))
        np.testing.assert_allclose(report.utilisation * report.step_s, floor_s, rtol=1e-12)


def test_bytes_that_no_schedule_avoids_are_inputs_read_and_state_read_and_written():
    trace = random_traces(np.random.default_rng(1))[2]
    uses, tensors = trace.uses, trace.tensors
    read, written = {}, {}
    for op_tensor, is_write, size in zip(uses.tensor, uses.write, uses.bytes, strict=True):
        role = int(tensors.role[op_tensor])
        if is_write and role in (1, 4, 5):
            written[op_tensor] = max(written.get(op_tensor, 0), int(size))
        elif not is_write and role in (0, 1, 4, 5):
            read[op_tensor] = max(read.get(op_tensor, 0), int(size))
    assert unavoidable_bytes(trace) == (sum(read.values()), sum(written.values()))
