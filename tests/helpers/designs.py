"""Made-up designs, and spaces of them."""

import numpy as np

from accel_model import Design
from accel_model.array.dataflow import records_of
from accel_model.array.record import Arrays, Gemm, Overlap

CHOICES = {
    "array": [[8, 8, 1], [16, 16, 1], [32, 32, 1], [16, 16, 4]],
    "dataflow": ["os", "ws", "best"],
    "buffer_bytes": [2**10, 2**14, 2**18, 2**20],
    "dram_bytes_per_s": [2.56e10, 2.56e11, 2.048e12],
    "vector_lanes": [64, 256, 1024],
}


def cycles_of(dataflow, sizes, array, overlap=Overlap.PIPELINED, trim=True):
    """Cycles that the record of a Dataflow gives for products of `sizes` on `array`.

    sizes: m, n, k and, where given, groups. array: rows, cols and, where given, cores. All broadcast.
    """
    (record,) = records_of(dataflow)
    return record.cycles(Gemm(*sizes), Arrays(*array, overlap=overlap, trim=trim))


def random_designs(rng, count=30):
    """A Design of `count` rows that differ in everything."""
    dataflows, overlaps = ["os", "ws", "is", "best", "ideal"], ["none", "buffered", "pipelined"]
    rows = [
        Design.grid(
            rows=int(rng.integers(1, 40)), cols=int(rng.integers(1, 40)), cores=int(rng.choice([1, 1, 2, 7])),
            clock_hz=float(10 ** rng.uniform(8, 9.5)), mac_rate=float(rng.choice([1, 2, 4])),
            dataflow=str(rng.choice(dataflows)), overlap=str(rng.choice(overlaps)), trim=bool(rng.integers(2)),
            buffer_bytes=int(2 ** rng.uniform(16, 24)), buffer_bytes_per_s=float(rng.choice([np.inf, 1e11, 1e12])),
            dram_bytes_per_s=float(10 ** rng.uniform(9, 12)), dram_efficiency=float(rng.uniform(0.3, 1)),
            dram_write_cost=float(rng.uniform(1, 2)), vector_lanes=int(rng.integers(1, 2000)),
            fusion=bool(rng.integers(2)), residency=bool(rng.integers(2)), launch_s=float(rng.choice([0, 1e-6])),
            static_w=float(rng.choice([0, 3.0])),
        )
        for _ in range(count)
    ]  # fmt: skip
    return Design.stack(rows)


def designs(count):
    """`count` designs, no two alike: arrays, dataflows, overlaps, buffers and bandwidths."""
    bandwidths = np.linspace(5e10, 1e12, -(-count // 216)).tolist()
    grid = Design.grid(
        array=[(16, 64, 1), (32, 32, 1), (64, 16, 1), (16, 16, 4)], dataflow=["os", "ws", "is"], trim=[False, True],
        overlap=["none", "buffered", "pipelined"], buffer_bytes=[2**20, 2**22, 2**24], dram_bytes_per_s=bandwidths,
    )  # fmt: skip
    return grid[:count]


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)
