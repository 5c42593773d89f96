"""Datasheet figures: of GPUs, the ceilings shown beside what they were measured doing; of boards that carry FPGAs."""

import difflib
import math
import re
from dataclasses import dataclass
from pathlib import Path

from baselines.errors import BaselineError
from baselines.tables import DATA, bad_cell, number, read_table
from baselines.vocabulary import CITED

GPUS = DATA / "gpu_specs.csv"
ALIASES = DATA / "gpu_aliases.csv"
BOARDS = DATA / "fpga_boards.csv"

PEAKS = {
    "fp32": "fp32_vector_tflops",
    "tf32": "tf32_dense_tflops",
    "bf16": "bf16_dense_tflops",
    "fp16": "fp16_dense_fp32acc_tflops",
}
GPU_COLUMNS = (
    *("name", "aliases", "vendor", "arch", "year", *PEAKS.values(), "mem_gb", "mem_gbs", "sms", "boost_mhz"),
    *("l2_mb", "llc_mb", "tdp_w", "source", "note"),
)
BOARD_COLUMNS = (
    *("board", "device", "dram", "bus_bits", "transfers_per_s", "dram_bytes", "confidence", "source", "note"),
)


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

    def peak_macs_per_s(self, precision: str) -> float:
        """Most MACs a second at `precision`, one of PEAKS; NaN for one without a figure."""
        return getattr(self, f"{precision}_flops") / 2 if precision in PEAKS else math.nan


def gpu_specs(name: str) -> GpuSpec:
    """The GpuSpec of the GPU called `name`, whatever its case, blanks and hyphens.

    name: its name or alias in data/gpu_specs.csv, or a label of the published tables (data/gpu_aliases.csv), or what a
    driver calls it ("NVIDIA H200"). Raises BaselineError, with names that come near, where there is none, and FileError
    for a broken table.
    """
    rows = read_table(GPUS, GPU_COLUMNS)
    by_name = {alias: row for row in rows for alias in _spellings(row["name"], *row["aliases"].split(","))}
    for row in read_table(ALIASES, ("label", "name")):
        if (board := by_name.get(_spelling(row["name"]))) is None:
            raise bad_cell(row, "name", ALIASES, f"give a name of {GPUS.name}")
        by_name.setdefault(_spelling(row["label"]), board)
    if (row := by_name.get(_spelling(name))) is None:
        near = difflib.get_close_matches(_spelling(name), list(by_name), n=3, cutoff=0.5)
        names = ", ".join(dict.fromkeys(by_name[one]["name"] for one in near)) or rows[0]["name"]
        raise BaselineError(f"no datasheet is known of the GPU {name!r}: give a name of {GPUS.name}, e.g. {names}")
    return _spec(row)


def read_boards(path: Path | str = BOARDS) -> list[dict]:
    """The rows of the table of boards, with `dram_bytes_per_s` and `dram_bytes` as numbers; raises FileError."""
    rows = []
    for row in read_table(path, BOARD_COLUMNS):
        bits, per_s, capacity = (
            number(row, column, path, above=0) for column in ("bus_bits", "transfers_per_s", "dram_bytes")
        )
        if row["confidence"] not in CITED:
            raise bad_cell(row, "confidence", path, f"say {' or '.join(CITED)}")
        rows.append(row | {"dram_bytes_per_s": bits / 8 * per_s, "dram_bytes": capacity})
    return rows


def _spellings(*names):
    return {_spelling(name) for name in names if name.strip()}


def _spelling(name):
    """Letters, digits and points of a GPU's name in lower case, without its maker's."""
    return re.sub(r"nvidia|geforce|[^a-z0-9.]", "", name.lower())


def _spec(row):
    def stated(column):
        return number(row, column, GPUS, empty=math.nan)

    cache = stated("llc_mb")
    return GpuSpec(
        name=row["name"],
        vendor=row["vendor"],
        architecture=row["arch"],
        year=int(number(row, "year", GPUS)),
        **{f"{precision}_flops": stated(column) for precision, column in PEAKS.items()},
        memory_bytes=stated("mem_gb"),
        memory_bytes_per_s=stated("mem_gbs"),
        streaming_multiprocessors=int(number(row, "sms", GPUS)),
        boost_hz=stated("boost_mhz"),
        llc_bytes=stated("l2_mb") if math.isnan(cache) else cache,
        tdp_w=stated("tdp_w"),
        source=row["source"],
        note=row["note"],
    )
