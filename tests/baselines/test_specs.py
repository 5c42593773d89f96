"""Datasheet figures: names and labels find their GPU, and ratios of the figures are those of the chips."""

import math

import pytest

from baselines import BaselineError, gpu_specs
from baselines.specs import GPU_COLUMNS
from baselines.tables import DATA, read_table

NAMES = [row["name"] for row in read_table(DATA / "gpu_specs.csv", GPU_COLUMNS)]


@pytest.mark.parametrize("name", NAMES)
def test_every_gpu_is_found_by_name_and_its_peaks_are_in_order(name):
    spec = gpu_specs(name.upper())
    assert spec.name == name and spec.source
    assert spec.memory_bytes_per_s > 1e10 and spec.memory_bytes > 1e9 and spec.fp32_flops > 1e11
    assert spec.peak_macs_per_s("fp32") == spec.fp32_flops / 2
    for faster, slower in (("tf32", "fp32"), ("bf16", "tf32"), ("fp16", "bf16")):
        high, low = spec.peak_macs_per_s(faster), spec.peak_macs_per_s(slower)
        assert math.isnan(high) or math.isnan(low) or high >= low
    assert math.isnan(spec.peak_macs_per_s("fp8"))


def test_peak_is_lanes_times_clock():
    """NVIDIA's fp32 figure = 2 FLOP x multiprocessors x lanes x boost clock (its datasheets' own arithmetic)."""
    for name, lanes in (("Tesla V100 SXM2 16/32GB", 64), ("A100 SXM4 80GB", 64), ("H100 SXM5", 128), ("RTX 4090", 128)):
        spec = gpu_specs(name)
        assert spec.fp32_flops == pytest.approx(2 * spec.streaming_multiprocessors * lanes * spec.boost_hz, rel=0.01)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("NVIDIA H200", "H200 SXM"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM5"),
        ("nvidia a100-sxm4-80gb", "A100 SXM4 80GB"),
        ("Tesla K80 (one GK210 of the dual board, GCE)", "Tesla K80 (one of 2 GK210)"),
        ("V100", "Tesla V100 SXM2 16/32GB"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("Tesla T4", "Tesla T4"),
    ],
)
def test_labels_of_drivers_and_tables_find_their_gpu(label, name):
    assert gpu_specs(label).name == name


@pytest.mark.parametrize("name", ["RTX 3080", "", "TPU v4", "A100"])
def test_an_unknown_gpu_is_refused_with_names_that_are_known(name):
    with pytest.raises(BaselineError, match=r"e\.g\. ") as caught:
        gpu_specs(name)
    assert any(known in str(caught.value) for known in NAMES)
