"""Datasheet figures of GPUs: the ceilings shown beside what they were measured doing."""

import difflib
import math
import re
from dataclasses import dataclass

from baselines.errors import BaselineError, FileError
from baselines.tables import DATA, read_table


@dataclass(frozen=True)
class GpuSpec:
    """One GPU's datasheet: peaks in FLOP/s (dense), memory in bytes and bytes per second; NaN where it states none."""

    name: str
    vendor: str
    architecture: str
    year: int
    fp32_flops: float  # vector units
    tf32_flops: float
    bf16_flops: float
    fp16_flops: float  # with fp32 accumulation
    memory_bytes: float
    memory_bytes_per_s: float
    streaming_multiprocessors: int
    boost_hz: float
    llc_bytes: float  # last-level cache
    tdp_w: float
    source: str
    note: str

    def peak_macs_per_s(self, precision):
        """Most MACs a second at `precision` ("fp32", "tf32", "bf16", "fp16"); NaN for one without a figure."""
        peaks = {"fp32": self.fp32_flops, "tf32": self.tf32_flops, "bf16": self.bf16_flops, "fp16": self.fp16_flops}
        return peaks.get(precision, math.nan) / 2


COLUMNS = (
    *("name", "aliases", "vendor", "arch", "year", "fp32_vector_tflops", "tf32_dense_tflops", "bf16_dense_tflops"),
    *(
        "fp16_dense_fp32acc_tflops",
        "mem_gb",
        "mem_gbs",
        "sms",
        "boost_mhz",
        "l2_mb",
        "llc_mb",
        "tdp_w",
        "source",
        "note",
    ),
)


def gpu_specs(name):
    """The GpuSpec of the GPU called `name`, whatever its case, blanks and hyphens.

    name: its name or alias in data/gpu_specs.csv, or a label of the published tables (data/gpu_aliases.csv), or what a
    driver calls it ("NVIDIA H200"). Raises BaselineError, with names that come near, where there is none.
    """
    path = DATA / "gpu_specs.csv"
    rows = read_table(path, COLUMNS)
    by_name = {alias: row for row in rows for alias in _spellings(row["name"], *row["aliases"].split(","))}
    for row in read_table(DATA / "gpu_aliases.csv", ("label", "name")):
        by_name.setdefault(_spelling(row["label"]), by_name[_spelling(row["name"])])
    if (row := by_name.get(_spelling(name))) is None:
        near = difflib.get_close_matches(_spelling(name), list(by_name), n=3, cutoff=0.5)
        names = ", ".join(dict.fromkeys(by_name[one]["name"] for one in near)) or rows[0]["name"]
        raise BaselineError(f"no datasheet is known of the GPU {name!r}: give a name of {path.name}, e.g. {names}")
    return _spec(row, path)


def _spellings(*names):
    return {_spelling(name) for name in names if name.strip()}


def _spelling(name):
    """Letters, digits and points of a GPU's name in lower case, without its maker's."""
    return re.sub(r"nvidia|geforce|[^a-z0-9.]", "", name.lower())


def _spec(row, path):
    def number(column, factor):
        try:
            return float(row[column] or "nan") * factor
        except ValueError:
            raise FileError(f"{path}, line {row['line']}: {column} is {row[column]!r}, no number") from None

    cache = number("llc_mb", 2**20)
    return GpuSpec(
        name=row["name"],
        vendor=row["vendor"],
        architecture=row["arch"],
        year=int(number("year", 1)),
        fp32_flops=number("fp32_vector_tflops", 1e12),
        tf32_flops=number("tf32_dense_tflops", 1e12),
        bf16_flops=number("bf16_dense_tflops", 1e12),
        fp16_flops=number("fp16_dense_fp32acc_tflops", 1e12),
        memory_bytes=number("mem_gb", 2**30),
        memory_bytes_per_s=number("mem_gbs", 1e9),
        streaming_multiprocessors=int(number("sms", 1)),
        boost_hz=number("boost_mhz", 1e6),
        llc_bytes=number("l2_mb", 2**20) if math.isnan(cache) else cache,
        tdp_w=number("tdp_w", 1),
        source=row["source"],
        note=row["note"],
    )
