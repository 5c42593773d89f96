"""Energies against the published tables, and how they add up."""

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from accel_model.silicon import energy
from accel_model.silicon.energy import PARTS, energy_by_part
from accel_model.types import PRECISIONS
from tests.helpers.designs import random_designs
from tests.helpers.traces import random_traces


def test_published_energies_come_out_at_their_nodes():
    # Horowitz, ISSCC 2014, fig. 1.1.9 (45 nm); Jouppi et al., ISCA 2021, table 2 (7 nm), in pJ
    for node, fp32, fp16 in ((45, 3.7 + 0.9, 1.1 + 0.9), (7, 1.31 + 0.38, 0.34 + 0.38)):
        macs = energy.mac_j(np.array([float(node)]))[0]
        np.testing.assert_allclose(macs[PRECISIONS.index("fp32")], fp32 * 1e-12, rtol=1e-12)
        np.testing.assert_allclose(macs[PRECISIONS.index("fp16")], fp16 * 1e-12, rtol=1e-12)
    sizes = np.array([8, 32, 1024, 65536]) * 1024
    at_45 = energy.buffer_j_per_byte(np.full(4, 45.0), sizes) * 8e12
    np.testing.assert_allclose(at_45, [10, 20, 100, 100], rtol=1e-12)
    np.testing.assert_allclose(energy.dram_j_per_byte() * 8e12, 250)


def test_energy_of_a_gemm_adds_up_by_hand():
    m, n, k = 64, 32, 16
    design = Design.grid(
        dataflow="os", rows=32, cols=32, residency=False, mac_j=1e-12, register_j_per_byte=1e-13,
        buffer_j_per_byte=1e-12, dram_j_per_byte=3e-11, static_w=2.0, clock_hz=1e9,
    )  # fmt: skip
    report = replay(Trace.from_gemms(m, n, k, dtype="fp32"), design)
    macs, dram = m * n * k, 4 * (m * k + k * n + m * n)
    array = 4 * (m * k * 1 + k * n * 2 + m * n)  # A once for the one column of folds, B for each of two rows, C once
    expected = macs * (1e-12 + 16 * 1e-13) + (array + dram) * 1e-12 + dram * 3e-11 + 2.0 * report.op_s[0, 0]
    assert report.buffer_traffic_bytes[0, 0] == array + dram
    np.testing.assert_allclose(report.energy_j[0], expected, rtol=1e-12)
    np.testing.assert_allclose(report.watts[0], expected / report.step_s[0], rtol=1e-12)
    np.testing.assert_allclose(report.joules_per_sample(64)[0], expected / 64, rtol=1e-12)


def test_smaller_formats_and_nodes_take_less_energy():
    trace = [Trace.from_gemms(256, 256, 256, dtype=precision) for precision in ("fp32", "bf16", "int8")]
    for node in (7.0, 16.0, 45.0):
        joules = [replay(t, Design.grid(node_nm=node)).energy_j[0] for t in trace]
        assert joules[0] > joules[1] > joules[2]
    by_node = replay(trace[0], Design.grid(node_nm=[7.0, 16.0, 28.0, 45.0, 65.0])).energy_j
    assert (np.diff(by_node) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_parts_of_the_energy_add_up_to_the_whole(seed):
    rng = np.random.default_rng(seed)
    for trace in random_traces(rng):
        designs = random_designs(rng)
        report = replay(trace, designs)
        parts = energy_by_part(trace, designs, report)
        assert set(parts) == set(PARTS)
        assert all((part >= 0).all() for part in parts.values())
        assert np.allclose(sum(parts.values()), report.energy_j, rtol=1e-9)
