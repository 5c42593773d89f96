"""Run the program and keep what the figures of README and docs are written from.

    python docs/figures/record.py [PART ...]

Every part is one command or a few, run in build/figures, and one file or two in docs/figures/data with the command, the
versions and the commit of the code, and no date. Without an argument all parts are recorded; `map` takes the longest.
Nothing is rewritten here: `make figures` writes the text from the data.
"""

import argparse
import csv
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).resolve().parent / "data"
WORK = ROOT / "build" / "figures"
CODE = ("accel_model", "baselines", "harness", "conf")  # what decides a figure
PACKAGES = ("halfstep", "numpy", "torch", "torchvision", "scipy", "optuna")
MAP = ["experiment=reproduce_claims", "baseline=published", "map.train_steps=0"]
EXPLORATIONS = {
    "lenet5": ["task=explore"],
    "resnet50": ["experiment=optimise_hardware", "workload=imagenet_resnet50", "batch_size=256"],
    "million": ["task=explore", "+explore.space.clock_hz={low:1e9,high:2.5e9,steps:9,scale:log}"],
}
CELL_COLUMNS = (
    *("workload", "batch_size", "accelerator_precision", "device", "device_kind", "kind", "year", "precision", "scope"),
    *("measured_s", "simulated_s", "claim", "nominal_value_low", "nominal_value_high", "verdict", "verdict_text"),
    *("decides", "ceiling", "break_even_macs", "break_even_clock_hz", "break_even_dram_bytes_per_s"),
    "break_even_buffer_bytes",
)
STEP_COLUMNS = (
    *("workload", "batch_size", "precision", "macs", "nominal_s", "best_s", "median_s", "worst_s", "floor_s"),
    "effects",
)
EXACT = {"batch_size", "year", "decides", "macs"}  # kept as they are; all other numbers to six digits
EXAMPLE = ("imagenet_resnet50", 64, "fp32")  # the step whose open values docs/answer.md shows


def record_map():
    """map.json and map.csv: the claim map of every workload against published and placed baselines."""
    shutil.rmtree(WORK / "outputs" / "cache", ignore_errors=True)  # so that the time is of a first run
    spent = halfstep(MAP, "map.txt")
    folder = newest("cells.csv").parent
    again = halfstep([*MAP, "tracking=none"], "map_again.txt")
    keep_map(folder, spent | {"again_wall_s": again["wall_s"]})


def keep_map(folder, spent):
    """Write map.json and map.csv from the folder of a finished claim map. spent: {what: seconds or bytes}."""
    result = json.loads((folder / "result.json").read_text())
    with (folder / "cells.csv").open(newline="") as file:
        rows = [{name: shortened(name, row[name]) for name in CELL_COLUMNS} for row in csv.DictReader(file)]
    write_csv("map.csv", CELL_COLUMNS, rows)
    steps = [{name: shortened(name, step[name]) for name in STEP_COLUMNS} for step in result["steps"]]
    for step in steps:
        if (step["workload"], step["batch_size"], step["precision"]) != EXAMPLE:
            del step["effects"]
    parity = [one for cell in result["cells"] for one in parities(cell)]
    write_json(
        "map.json",
        "halfstep " + " ".join(MAP),
        {
            "params": {key: value for key, value in result["params"].items() if key != "fingerprint"},
            "model_error": {key: shortened(key, value) for key, value in result["model_error"].items()},
            "cells": len(result["cells"]),
            "parity": {"comparisons": len(parity), "changed": sum(before != after for before, after in parity)},
            "steps": steps,
            "spent": {key: shortened(key, value) for key, value in spent.items()},
        },
    )


def parities(cell):
    """[(verdict, verdict without parity of precision)] of a cell of result.json, of the verdicts that decide."""
    (key,) = [key for key in cell if key.startswith("without_parity_at_")]
    pairs = zip(cell["verdicts"], cell[key], strict=False)
    return [(word(before), word(after)) for before, after in pairs if before["decides"]]


def word(verdict):
    """What a verdict of result.json says, in one word."""
    if not verdict["decides"]:
        return "context"
    return "impossible" if verdict["outcome"] == "none" and verdict["impossible"] else verdict["outcome"]


def record_validation():
    """validation.csv: every published cell of a chip beside the model's, as `task=validate` prints it."""
    halfstep(["task=validate", "tracking=none"], "validate.txt")
    lines = newest("validation.md").read_text().splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("| chip | kind |"))
    columns = cells_of(lines[head])
    rows = []
    for line in lines[head + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(columns, cells_of(line), strict=True)))
    write_csv("validation.csv", columns, rows)
    head = next(i for i, line in enumerate(lines) if line.startswith("| chip | metric |"))
    summary = [cells_of(line) for line in lines[head + 2 :] if line.startswith("|")]
    write_json("validation.json", "halfstep task=validate", {"columns": cells_of(lines[head]), "rows": summary})


def record_explore():
    """explore.json: the nominal design and the fastest that takes no more area and energy, of two explorations."""
    found = {name: explored(arguments, name) for name, arguments in EXPLORATIONS.items()}
    write_json("explore.json", "halfstep " + " ".join(EXPLORATIONS["lenet5"]) + ", and as stated with each", found)


def explored(arguments, name):
    """{what: value} of one exploration."""
    import pyarrow.parquet

    spent = halfstep([*arguments, "resume=false", "tracking=none"], f"explore_{name}.txt")
    front = newest("pareto.parquet")
    result = json.loads((front.parent / "result.json").read_text())
    own = result["nominal"]
    rows = pyarrow.parquet.read_table(front).to_pylist()
    fits = [row for row in rows if row["area_mm2"] <= own["area_mm2"] and row["energy_j"] <= own["energy_j"]]
    best = min(fits, key=lambda row: row["step_s"])
    metrics = ("step_s", "energy_j", "area_mm2")
    return {
        "command": shown(arguments),
        "designs": result["designs_in_space"],
        "front": int(result["metrics"]["explore/front_count"]),
        "nominal": {key: shortened(key, own[key]) for key in metrics},
        "best": {key: shortened(key, best[key]) for key in metrics},
        "spent": {key: shortened(key, value) for key, value in spent.items()},
    }


def record_speed():
    """speed.json: the benchmarks of tests/bench, break-even, a million designs and the capture of ResNet-50."""
    WORK.mkdir(parents=True, exist_ok=True)
    out = WORK / "bench.json"
    bench = ["-m", "pytest", "-q", "tests/bench", "--benchmark-only", f"--benchmark-json={out}"]
    python(bench, "bench.txt", ROOT)
    found = {}
    for one in json.loads(out.read_text())["benchmarks"]:
        extra = {key: shortened(key, value) for key, value in one["extra_info"].items()}
        found[one["name"]] = {"min_s": shortened("min_s", one["stats"]["min"]), **extra}
    found |= {name: json.loads(python(["-c", code], f"{name}.txt", ROOT)["text"]) for name, code in SNIPPETS.items()}
    write_json("speed.json", "make bench, and docs/figures/record.py", found)


STEP = """
import json, resource, time
from tests.bench.test_replay_speed import training_step
"""
SNIPPETS = {  # name: Python that prints one JSON object
    "capture_resnet50": STEP
    + """
import torch, torchvision, harness.capture.session
before_bytes = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
trace = training_step("resnet50")
spent = time.perf_counter() - start
more = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_bytes
macs = {name: int(value) for name, value in trace.macs_by_phase().items()}
print(json.dumps({"wall_s": round(spent, 3), "more_bytes": more, "ops": len(trace), "macs": macs, "batch": 256}))
""",
    "break_even": STEP
    + """
from accel_model import Design
from harness.judging import breakeven
trace, design = training_step("resnet50"), Design.load("seed")
start = time.process_time()
curves = breakeven.curves(trace, design)
curves_s = time.process_time() - start
start = time.perf_counter()
for _ in range(20):
    breakeven.smallest(curves, 0.5, "step")
lookup_s = (time.perf_counter() - start) / 20
count = len(breakeven.variants(design))
print(json.dumps({"cpu_s": round(curves_s, 3), "lookup_s": round(lookup_s, 6), "variants": count}))
""",
    "million_designs": """
import json, resource, time
import numpy as np
from accel_model import Trace, replay
from tests.helpers.designs import designs
trace, stack = Trace.from_gemms(*np.random.default_rng(0).integers(1, 2000, size=(3, 3))), designs(1_000_000)
start = time.perf_counter()
replay(trace, stack, per_op=False)
spent = time.perf_counter() - start
peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"wall_s": round(spent, 2), "peak_bytes": peak}))
""",
    "area_of_tpu_v1": """
import json
from dataclasses import replace
import numpy as np
from accel_model import Design
from accel_model.silicon.area import area_mm2
one, die_mm2 = np.array([1]), 331  # Jouppi et al., ISCA 2017: the die at most, 24 % matrix unit, 29 % unified buffer
chip = replace(Design.load("tpu_v1"), dram_bytes_per_s=np.array([1e-3]), vector_lanes=one)
array = area_mm2(replace(chip, buffer_bytes=one), "int8")[0] / (0.24 * die_mm2)
buffer = area_mm2(replace(chip, rows=one, cols=one, buffer_bytes=np.array([24 * 2**20])), "int8")[0] / (0.29 * die_mm2)
print(json.dumps({"matrix_unit": round(float(array), 3), "unified_buffer": round(float(buffer), 3)}))
""",
}


def record_repeatability():
    """repeatability.json: how often intervals of made-up samples hold the truth, and of repeated live measurements."""
    made_up = ["-m", "tests.bench.repeatability", "--repeats", "0"]
    live = ["-m", "tests.bench.repeatability", "--repeats", "20", "--trials", "0"]
    found = {"made_up": shares(python(made_up, "made_up.txt", ROOT)["text"])}
    text = python(live, "live.txt", ROOT)["text"]
    found["live"] = {"what": text.splitlines()[0], **shares(text)}
    write_json("repeatability.json", "python " + " ".join(made_up) + ", and --repeats 20", found)


def shares(text):
    """{what: share} of the indented lines of tests.bench.repeatability."""
    pairs = [line.strip().rsplit(": ", 1) for line in text.splitlines() if line.startswith("  ")]
    return {name: round(float(value.rstrip("%")) / 100, 4) for name, value in pairs}


def record_startup():
    """startup.json: the fastest of five starts that only answer the command line."""
    found = {}
    for name, arguments in {"help": ["--help"], "wrong_override": ["workload=nope"]}.items():
        times = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run(program(arguments), cwd=WORK, env=environment(), capture_output=True, check=False)
            times.append(time.perf_counter() - start)
        found[name] = {"arguments": arguments, "wall_s": round(min(times), 2)}
    write_json("startup.json", "halfstep --help; halfstep workload=nope", found)


PARTS = {
    "startup": record_startup,
    "validation": record_validation,
    "speed": record_speed,
    "explore": record_explore,
    "repeatability": record_repeatability,
    "map": record_map,
}


def program(arguments):
    """The command line that starts the program of this checkout."""
    return [sys.executable, "-m", "harness", *arguments]


def environment():
    """Environment variables under which this checkout's packages are imported from any folder."""
    return os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def halfstep(arguments, log):
    """Run the program in WORK; returns {what: seconds, or bytes of memory} as `python` does, without the text."""
    sys.stdout.write(f"{shown(arguments)}\n")
    spent = python(["-m", "harness", *arguments], log, WORK)
    del spent["text"]
    return spent


def python(arguments, log, folder):
    """Run this interpreter in `folder`; its output goes to the file `log` in WORK.

    Returns {text, wall_s, cpu_s, peak_bytes}, the times with those of its own processes, the peak of the largest.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with (WORK / log).open("w") as out, (WORK / f"{log}.errors").open("w") as errors:
        child = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment(), stdout=out, stderr=errors)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"error: {' '.join(arguments)[:200]} ended with {child.returncode}: see {WORK / log} and {log}.errors")
    wall_s, cpu_s = time.perf_counter() - start, used.ru_utime + used.ru_stime
    return {"text": (WORK / log).read_text(), "wall_s": wall_s, "cpu_s": cpu_s, "peak_bytes": 1024 * used.ru_maxrss}


def newest(name):
    """The newest file of that name under the runs of WORK."""
    return max((WORK / "outputs" / "runs").glob(f"*/{name}"), key=lambda path: path.stat().st_mtime)


def shown(arguments):
    """A command as it is typed in a shell."""
    return " ".join(["halfstep", *(f"'{one}'" if set(one) & set("{[ ") else one for one in arguments)])


def cells_of(line):
    """The texts of one row of a Markdown table."""
    return [re.sub(r"\\([\\`*_\[\]<>|])", r"\1", cell.strip()) for cell in line.strip().strip("|").split(" | ")]


def shortened(name, value):
    """A value of a result with its floats to six digits: data are kept for text, not for computing on."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return value if name in EXACT or value.isdigit() else f"{number:.6g}"
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [shortened(name, one) for one in value]
    if isinstance(value, dict):
        return {key: shortened(key, one) for key, one in value.items()}
    return value


def write_csv(name, columns, rows):
    """Write rows, mappings with `columns` as keys, to docs/figures/data."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (DATA / name).write_text(out.getvalue())


def write_json(name, command, value):
    """Write a JSON object to docs/figures/data, with what made it."""
    made_by = {
        "command": command,
        "commit": commit(),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
        "cpus": os.cpu_count(),
    }
    (DATA / name).write_text(json.dumps({"made_by": made_by} | value, indent=1) + "\n")


def commit():
    """The commit of the code, with a mark where the code differs from it."""
    if not shutil.which("git"):
        return "unknown"
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "--", *CODE], capture_output=True, text=True, check=False)
    return head + (" and changes" if changed.stdout.strip() else "")


def main():
    """Record the parts named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; none: all")
    given = parser.parse_args().parts
    if unknown := [name for name in given if name not in PARTS]:
        parser.error(f"{unknown[0]} is no part: give some of {', '.join(PARTS)}")
    DATA.mkdir(parents=True, exist_ok=True)
    WORK.mkdir(parents=True, exist_ok=True)
    for name in given or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
