"""The shell synthesised, placed and routed for an FPGA, a Lattice ECP5-85F: its clock and what it uses, in JSON files.

`python -m accel_model.rtl.place_and_route FOLDER` writes a file per variant, run by run. A run whose result is there,
of the same Verilog, settings and tools, is not repeated, so that a flow that was stopped goes on where it was.
"""

import argparse
import hashlib
import json
import logging
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from accel_model.errors import AccelModelError
from accel_model.formats.atomic import write_bytes
from accel_model.rtl import fpga_tools
from accel_model.rtl.fpga_tools import FlowError, call, parse_report, read_bounded
from accel_model.rtl.prove import source_hash
from accel_model.rtl.shell import OPERAND_BEATS, RESULTS_PER_COLUMN, SHELL_SOURCES

SCHEMA = "halfstep placed array"
SCHEMA_VERSION = 1
UNITS = {"fmax_hz": "Hz", "median_fmax_hz": "Hz", "target_hz": "Hz", "memory_bytes": "bytes"}
DEVICE = {"name": "Lattice ECP5 LFE5U-85F", "package": "CABGA381", "speed_grade": 6}
TARGET_HZ = 125e6  # asked of the tools: more than any variant reaches by far makes them neglect the rest
SUM_BYTES = 4
PRODUCT_STAGES = 2  # a register before each multiplier and one behind it
TIMEOUT_S = 4 * 3600
MAX_RESULT_BYTES = 2**20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """One array to place and route, and the seeds of the placer to do it with."""

    dataflow: str
    rows: int
    cols: int
    precision: str
    seeds: tuple

    @property
    def name(self):
        return f"{self.dataflow}_{self.rows}x{self.cols}_{self.precision}"

    @property
    def parameters(self):
        """Parameters of the Verilog module `shell`."""
        return {
            "WEIGHT_STATIONARY": int(self.dataflow == "ws"),
            "ROWS": self.rows,
            "COLS": self.cols,
            "FLOAT": int(self.precision == "bf16"),
            "OPERAND_BITS": 16 if self.precision == "bf16" else 8,
            "PRODUCT_STAGES": PRODUCT_STAGES,
        }

    @property
    def memory_bytes(self):
        """Bytes of data that the shell's memories hold: both operands, and two banks of results."""
        operand_bytes = 2 if self.precision == "bf16" else 1
        operands = OPERAND_BEATS * (self.rows + self.cols) * operand_bytes
        return operands + 2 * RESULTS_PER_COLUMN * self.cols * SUM_BYTES


FIVE = (1, 2, 3, 4, 5)
VARIANTS = (
    Variant("os", 12, 12, "int8", FIVE),
    Variant("ws", 12, 12, "int8", FIVE),
    Variant("os", 8, 8, "int8", FIVE),
    Variant("os", 4, 4, "bf16", (1, 2, 3)),
    Variant("ws", 4, 4, "int8", (1, 2, 3)),
    Variant("os", 4, 4, "int8", FIVE),
)


def commands(variant):
    """(words for yosys, words for nextpnr up to its seed): the same in every folder, for they are part of a result."""
    parameters = " ".join(f"-set {name} {value}" for name, value in variant.parameters.items())
    # nextpnr takes the floating-point adder's chains of carry cells, two bits each, for loops: LUTs alone add there
    carries = "-noccu2 " if variant.precision == "bf16" else ""
    script = [
        f"read_verilog {' '.join(path.name for path in SHELL_SOURCES)}",
        f"chparam {parameters} shell",
        f"synth_ecp5 {carries}-top shell -json shell.json",
    ]
    place = [
        "--85k",
        "--package",
        DEVICE["package"],
        "--speed",
        str(DEVICE["speed_grade"]),
        "--freq",
        f"{TARGET_HZ / 1e6:g}",
    ]
    files = ["--lpf-allow-unconstrained", "--timing-allow-fail", "--json", "shell.json", "--report", "report.json"]
    return ["-q", "-p", "; ".join(script)], [*place, *files, "--seed"]


def head(variant, versions):
    """What a result depends on, and what it is a result of; a file with another head is begun anew."""
    yosys, nextpnr = commands(variant)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "units": UNITS,
        "name": variant.name,
        "device": DEVICE,
        "array": {
            "dataflow": variant.dataflow,
            "rows": variant.rows,
            "cols": variant.cols,
            "precision": variant.precision,
            "accumulator_bytes": SUM_BYTES,
            "product_stages": PRODUCT_STAGES,
            "overlap": "pipelined",
            "trim": True,
            "memory_bytes": variant.memory_bytes,
        },
        "tools": versions,
        "rtl_sha256": source_hash(SHELL_SOURCES),
        "target_hz": TARGET_HZ,
        "commands": {"yosys": yosys, "nextpnr": nextpnr},
        "regenerate": "make fpga",
    }


def read_runs(path, expected):
    """(runs, available) of the result file at `path`, both empty where there is none or its head is not `expected`."""
    if not path.exists():
        return [], {}
    try:
        data = json.loads(read_bounded(path, MAX_RESULT_BYTES))
        same = {name: data[name] for name in expected} == expected
        runs, available = data["runs"], data["available"]
        if same and to_text(expected, runs, available) != json.dumps(data, indent=1) + "\n":
            raise FlowError(f"{path} was changed by hand: remove it and run again")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FlowError(f"{path} is no result of this flow ({error!r:.100}): remove it and run again") from None
    return (runs, available) if same else ([], {})


def to_text(head, runs, available):
    """The text of a result file; `digest`, over all else, shows a later change by hand."""
    runs = sorted(runs, key=lambda run: run["seed"])
    median_fmax_hz = statistics.median(run["fmax_hz"] for run in runs)
    data = head | {"available": available, "runs": runs, "median_fmax_hz": median_fmax_hz}
    return json.dumps(data | {"digest": digest(data)}, indent=1, allow_nan=False) + "\n"


def digest(data):
    """SHA-256 over the values of a result file, whatever its spacing."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def run_variant(variant, folder, tools, versions):
    """Place and route `variant` with each of its seeds that has no result in `folder`, writing after each."""
    path = Path(folder) / f"{variant.name}.json"
    expected = head(variant, versions)
    left = _left(variant, path, expected)
    log.info("%s: %d of %d seeds have a result", variant.name, len(variant.seeds) - len(left), len(variant.seeds))
    if not left:
        return
    yosys, nextpnr = commands(variant)
    with tempfile.TemporaryDirectory(prefix="fpga.") as work:
        for source in SHELL_SOURCES:
            shutil.copy(source, work)
        started = time.monotonic()
        call([tools["yosys"], *yosys], work, TIMEOUT_S)
        log.info("%s: synthesised in %.0f s", variant.name, time.monotonic() - started)
        while left := _left(variant, path, expected):
            seed, started = left[0], time.monotonic()
            call([tools["nextpnr"], *nextpnr, str(seed)], work, TIMEOUT_S)
            report = Path(work) / "report.json"
            fmax_hz, used, available = parse_report(read_bounded(report, fpga_tools.MAX_REPORT_BYTES))
            report.unlink()
            # Read again, for another process may have written in the meantime.
            runs = [run for run in read_runs(path, expected)[0] if run["seed"] != seed]
            runs.append({"seed": seed, "fmax_hz": fmax_hz, "used": used})
            write_bytes(path, to_text(expected, runs, available).encode())
            seconds = time.monotonic() - started
            log.info("%s: seed %d reaches %.1f MHz, found in %.0f s", variant.name, seed, fmax_hz / 1e6, seconds)


def _left(variant, path, expected):
    """The seeds that have no result yet."""
    done = {run["seed"] for run in read_runs(path, expected)[0]}
    return [seed for seed in variant.seeds if seed not in done]


def main(arguments=None):
    """Run the variants asked for; returns the exit status."""
    names = [variant.name for variant in VARIANTS]
    parser = argparse.ArgumentParser(
        prog="python -m accel_model.rtl.place_and_route", description=__doc__.split("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="where the result files are")
    parser.add_argument("--variant", action="append", choices=names, help="only this one; may be given again")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        tools = fpga_tools.find_tools()
        versions = fpga_tools.versions(tools)
        for variant in VARIANTS:
            if not chosen.variant or variant.name in chosen.variant:
                run_variant(variant, chosen.folder, tools, versions)
    except (AccelModelError, OSError) as error:
        log.error("error: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
