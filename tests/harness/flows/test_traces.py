"""A trace is captured at the precision that is asked for."""

import pytest

from accel_model.types import DType, Role
from harness.flows.run import captured


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16", "int8", "fp8"])
def test_a_precision_changes_the_bytes_and_never_the_macs(compose, precision):
    workload = compose().workload
    plain = captured(workload, compose().precision, 8)
    other = captured(workload, compose(f"precision={precision}").precision, 8)
    assert other.macs_by_phase() == plain.macs_by_phase()
    matrix = other.ops.macs > 0
    assert len(set(other.ops.dtype[matrix].tolist())) == 1
    if precision in ("int8", "fp8"):
        resized = (plain.tensors.role == Role.ACTIVATION) & (plain.tensors.dtype == DType.FP32)
        assert resized.any()
        assert (4 * other.tensors.bytes[resized] == plain.tensors.bytes[resized]).all()
        assert (other.tensors.bytes[~resized] <= plain.tensors.bytes[~resized]).all()
