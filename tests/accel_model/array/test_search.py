"""The tile search against a plain simulator that plays every tile of every tiling, one after another."""

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from accel_model.array.dataflow import Dataflow
from accel_model.array.record import Overlap
from accel_model.work.units import work_of
from tests.helpers import oracles
from tests.helpers.traces import conv_trace, random_convolutions, random_gemms


def random_design(rng, dataflow):
    return Design.grid(
        rows=int(rng.integers(1, 9)),
        cols=int(rng.integers(1, 9)),
        cores=int(rng.choice([1, 1, 2, 3])),
        clock_hz=1e9,
        dataflow=dataflow.name.lower(),
        overlap=str(rng.choice(["none", "buffered", "pipelined"])),
        trim=bool(rng.integers(2)),
        buffer_bytes=int(rng.choice([3000, 8000, 30_000, 200_000])),
        dram_bytes_per_s=float(10 ** rng.uniform(8.5, 10.5)),
        dram_efficiency=0.8,
        dram_write_cost=1.3,
        residency=False,
    )


def of_design(d):
    return {
        "dataflow": Dataflow(int(d.dataflow[0])),
        "overlap": Overlap(int(d.overlap[0])),
        "trim": bool(d.trim[0]),
        "rows": int(d.rows[0]),
        "cols": int(d.cols[0]),
        "cores": int(d.cores[0]),
        "clock_hz": 1e9,
        "accumulator_bytes": 4,
        "buffer_bytes": int(d.buffer_bytes[0]),
        "read_bytes_per_s": float(d.dram_bytes_per_s[0]) * 0.8,
        "write_cost": 1.3,
    }


def ops_of(trace):
    """The sizes of each op as the simulator takes them; geometry from the trace itself."""
    units, rows = work_of(trace, False).at(-1)
    for op in range(len(trace)):
        yield op, {name: int(values[rows[op]]) for name, values in vars(units).items()}


def check(trace, design):
    report = replay(trace, design, workers=1)
    for op, sizes in ops_of(trace):
        ways = list(oracles.tilings(sizes, of_design(design)))
        best = min(way["s"] for way in ways)
        # a model of the op as a whole is never faster than its bytes, and the search finds the fastest tiling
        np.testing.assert_allclose(report.op_s[0, op], best, rtol=1e-12)
        ties = [way for way in ways if way["s"] <= best * (1 + 1e-12)]
        chosen = (report.dram_bytes[0, op], report.tiled_cycles[0, op])
        assert any(
            np.isclose(chosen[0], way["read"] + way["written"], rtol=1e-12) and chosen[1] == way["cycles"]
            for way in ties
        )


@pytest.mark.parametrize("dataflow", [Dataflow.OS, Dataflow.WS, Dataflow.IS])
def test_gemm_search_equals_playing_every_tile(dataflow):
    rng = np.random.default_rng(10 + dataflow)
    for _ in range(12):
        groups, m, n, k = random_gemms(rng, 4, 70)
        trace = Trace.from_gemms(m, n, k, groups=np.minimum(groups, 5), dtype="fp32")
        check(trace, random_design(rng, dataflow))


@pytest.mark.parametrize("dataflow", [Dataflow.OS, Dataflow.WS, Dataflow.IS])
def test_convolution_search_equals_playing_every_tile(dataflow):
    rng = np.random.default_rng(20 + dataflow)
    for _ in range(6):
        trace = conv_trace(random_convolutions(rng, 1), batch=int(rng.integers(1, 4)), dtype="bf16")
        check(trace, random_design(rng, dataflow))


def test_a_share_of_rows_covers_the_pixels_that_its_outputs_read():
    rng = np.random.default_rng(30)
    for channels, size, out_channels, kernel, stride, padding, groups in random_convolutions(rng, 200):
        trace = conv_trace([(channels, size, out_channels, kernel, stride, padding, groups)], batch=1)
        _, sizes = next(ops_of(trace))
        outputs = sizes["image_rows"]
        for rows in range(1, outputs + 1):
            first = 0
            for count, in_a, _ in oracles.m_pieces(sizes, rows * sizes["row_pixels"]):
                taken = count // sizes["row_pixels"]
                read = {
                    row
                    for output in range(first, first + taken)
                    for row in range(output * stride - padding, output * stride - padding + kernel)
                    if 0 <= row < size
                }
                first += taken
                assert in_a * size >= len(read) - 1e-9 or len(read) > size - stride  # all rows that any output reads
