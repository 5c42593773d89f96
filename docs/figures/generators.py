"""Every table and number that README and docs show, by name, from the data that record.py keeps.

BLOCKS are tables and lists, for markers on lines of their own; INLINE are values within a sentence.
"""

import csv
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
from settings_page import settings

from baselines.vocabulary import SCOPES, UNSTATED

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).resolve().parent / "data"
TIME, RATE = "seed_training_time", "seed_throughput"  # the seed's two claims
OUTCOMES = ("all", "some", "undecided", "none", "impossible")
DATASETS = {"imagenet": "ImageNet", "cifar10": "CIFAR-10", "mnist": "MNIST"}
SHOWN_CELLS = (  # (device, workload, batch, precision) of the rows of docs/answer.md, the first that fits of each
    ("Tesla K80 (one GK210", "imagenet_resnet50", 64, "fp32"),
    ("Quadro M4000", "imagenet_resnet50", 16, "fp32"),
    ("Tesla M60", "imagenet_resnet50", 16, "fp32"),
    ("Titan X (Maxwell)", "imagenet_resnet50", 16, "fp32"),
    ("GTX 1080", "imagenet_resnet50", 16, "fp32"),
    ("Tesla P100 (DGX-1)", "imagenet_resnet50", 64, "fp32"),
    ("V100-SXM2", "imagenet_resnet50", 128, "fp32"),
    ("A100 40GB PCIe", "imagenet_resnet50", 224, "fp32"),
    ("H100 80GB SXM5", "imagenet_resnet50", 640, "fp32"),
    ("GRID K520", "imagenet_alexnet", 16, "fp32"),
    ("Tesla K80", "imagenet_resnet18", 16, "fp32"),
    ("Tesla K80", "imagenet_vgg16", 16, "fp32"),
    ("GTX 1080 Ti", "cifar10_resnet20", 32, "fp32"),
    ("Lattice ECP5 LFE5U-85F 12x12 os", "imagenet_resnet50", 64, "int8"),
    ("Lattice ECP5 LFE5U-85F 12x12 os", "mnist_lenet5", 64, "int8"),
    ("Xilinx VC709", "cifar10_vgg", 128, "int8"),
)
NEEDED = (
    ("Tesla K80 (one GK210", TIME),
    ("Tesla K80 (one GK210", RATE),
    ("Tesla P100 (DGX-1)", TIME),
)  # of the example step
EXAMPLE = "imagenet_resnet50"  # the workload whose ceiling and needs are told
BOUNDED = "step_and_loading"  # what only bounds a step from above


@cache
def read_json(name):
    """The object in a JSON file of docs/figures/data."""
    return json.loads((DATA / name).read_text())


@cache
def read_csv(path):
    """The rows of a CSV file below the root of the checkout, its lines of comment left out."""
    lines = [line for line in (ROOT / path).read_text().splitlines() if not line.startswith("#")]
    return tuple(csv.DictReader(lines))


def cells(claim=None, kind=None, decides=True):
    """The recorded rows of a claim and a kind of device."""
    return [
        row
        for row in read_csv("docs/figures/data/map.csv")
        if (not claim or row["claim"] == claim)
        and (not kind or row["device_kind"] == kind)
        and (not decides or row["decides"] == "True")
    ]


def steps(workload=None):
    """The recorded steps of a workload."""
    return [one for one in read_json("map.json")["steps"] if not workload or one["workload"] == workload]


def table(columns, rows):
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def number(value):
    """Four digits, without an exponent where the value is large."""
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def percent(value):
    """A share as text with its sign; a time that is only bounded has no lower end."""
    return f"{100 * value:+.0f} %"


def seconds(value):
    """A time in the unit that people read it in."""
    return f"{value:.0f} s" if value >= 10 else f"{value:.2g} s" if value >= 0.1 else f"{1e3 * value:.2g} ms"


def size(value):
    """Bytes in decimal units."""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def short(device):
    """A device's name without the host or the board that it sat in."""
    return re.sub(r" \((?:one |.*board|.*Cloud|DGX).*?\)", "", device)


def part(device):
    """A device's name with the part of a board that it is, without whose board it was."""
    return re.sub(r" \((one \w+) of the dual board.*?\)", r", \1", device)


def several(names):
    """Names, each once, in a sentence."""
    once = list(dict.fromkeys(names))
    return " and ".join(filter(None, [", ".join(once[:-1]), once[-1]])) if once else "none"


def outcome_counts(rows):
    """{outcome: rows}."""
    return {name: [row for row in rows if row["verdict"] == name] for name in OUTCOMES}


# The answer


def answer():
    """The answer to both claims, in five lines."""
    lines = [against_fpgas(), against_gpus(TIME, "Half the training time"), against_gpus(RATE, "+200 % throughput")]
    best = heaviest()
    lines.append(
        f"**Why not more.** 1024 MAC units at 2.5 GHz do {peak_text()} at most and {best['workload']} takes "
        f"{gmac(best)} a sample, which makes {ceiling_text(best)} whatever else the design is."
    )
    lines.append(
        "**Both cannot hold as stated.** Time and throughput of one step are one number: half the time is 2x, "
        "+200 % is 3x."
    )
    return "\n".join(f"- {line}" for line in lines)


def against_fpgas():
    """The answer against FPGAs, in a sentence."""
    parts, always = [], True
    for claim in (TIME, RATE):
        rows = cells(claim, "fpga")
        found = outcome_counts(rows)
        won = len(found["all"]) + len(found["some"])
        always &= won == len(rows)
        parts.append(f"{won} of {len(rows)} comparisons ({len(found['all'])} by every completion)")
    array, word = largest_array(), "yes, as far as these decide" if always else "not against all"
    return (
        f"**Against FPGAs: {word}.** Half the time is supported in {parts[0]}, +200 % in {parts[1]}; all are with one "
        f"small array that is really placed ({array['multipliers']} MAC units at {array['mhz']:.0f} MHz), not with the "
        f"large FPGAs that published rates speak of."
    )


def against_gpus(claim, what):
    """The answer against GPUs, in a sentence."""
    rows = cells(claim, "gpu")
    found = outcome_counts(rows)
    won, open_ = found["all"] + found["some"], found["undecided"]
    supported = {short(row["device"]) for row in won}
    others = [short(row["device"]) for row in open_ if short(row["device"]) not in supported]
    says = "only with some completions" if not found["all"] else "some of them with every completion"
    text = f"**{what} of GPUs:** supported in {len(won)} of {len(rows)} comparisons"
    text += f" ({says}), against the {several(short(row['device']) for row in won)}" if won else ""
    text += f"; undecided in {len(open_)}" + (
        f", {'also ' if won else ''}against the {several(others)}" if others else ""
    )
    return text + f"; out of reach of any such design in {len(found['impossible'])}."


def counts():
    """Verdicts by claim, device and data set."""
    columns = ["claim", "device", "data set", "comparisons", "supported by all completions", "supported by some"]
    columns += ["undecided", "refuted by all", "refuted at any utilisation"]
    rows = []
    for claim in (TIME, RATE):
        split = {}
        for row in cells(claim):
            kind = row["device_kind"].upper(), DATASETS[row["workload"].split("_")[0]]
            split.setdefault(kind, []).append(row)
        for (kind, data), found in [*sorted(split.items()), (("all", "all"), cells(claim))]:
            rows.append([claim, kind, data, len(found), *(len(each) for each in outcome_counts(found).values())])
    return table(columns, rows)


def example_cells():
    """The rows of SHOWN_CELLS whose workload is in the recorded map."""
    columns = ["baseline", "kind", "workload", "batch", "covers", "measured (ms)", "simulated (ms)", "time saved"]
    columns += ["at most", "half the time?", "+200 %?"]
    workloads = {step["workload"] for step in steps()}
    return table(columns, [cell_row(*key) for key in SHOWN_CELLS if key[1] in workloads])


def find(claim, device, workload, batch=None, precision="fp32"):
    """The first recorded row of a claim on a device, "NAME" or "NAME (more"; raises LookupError without one."""
    for row in cells(claim, decides=False):
        if (
            (row["device"] == device or row["device"].startswith(device if "(" in device else f"{device} ("))
            and row["workload"] == workload
            and row["accelerator_precision"] == precision
            and (batch is None or int(row["batch_size"]) == batch)
        ):
            return row
    raise LookupError(f"the recorded map has no {device} on {workload} at batch {batch} in {precision}")


def cell_row(*key):
    """One line of the table of example cells."""
    time, rate = find(TIME, *key), find(RATE, *key)
    low, high = (float(time[f"nominal_value_{end}"]) for end in ("low", "high"))
    saved = f"at most {percent(high)}" if time["scope"] == BOUNDED else f"{percent(low)} to {percent(high)}"
    return [
        part(time["device"]) + (f" ({time['year']})" if time["year"] else ""),
        time["kind"],
        f"{time['workload']}, {time['accelerator_precision']}",
        time["batch_size"],
        (SCOPES | {UNSTATED: "rate of operations"})[time["scope"]],
        number(1e3 * float(time["measured_s"])),
        number(1e3 * float(time["simulated_s"])),
        saved,
        percent(float(time["ceiling"])),
        time["verdict_text"],
        rate["verdict_text"],
    ]


def heaviest():
    """The recorded fp32 step whose ceiling is told, at the batch of most samples a second: of EXAMPLE, or without it
    of the workload with most MACs a sample."""
    found = [one for one in steps() if one["precision"] == "fp32"]
    names = {one["workload"] for one in found}
    most = max(found, key=lambda one: one["macs"] / one["batch_size"])["workload"]
    name = EXAMPLE if EXAMPLE in names else most
    return max((one for one in found if one["workload"] == name), key=lambda one: one["batch_size"] / one["floor_s"])


def peak_text():
    """MACs a second of the seed accelerator at most."""
    return f"{1024 * 2.5e9 / 1e12:.2f} TMAC/s"


def gmac(step):
    """MACs a sample of a recorded step."""
    return f"{step['macs'] / step['batch_size'] / 1e9:.2f} GMAC"


def ceiling_text(step):
    """Samples a second of a recorded step at most."""
    return f"{step['batch_size'] / step['floor_s']:.0f} samples/s"


def effects():
    """How much each open value decides, of the step that record.py keeps them of."""
    found = [step for step in steps() if "effects" in step] or [{"effects": []}]
    rows = [[one["value"], f"{one['factor']:.2f}x", one["fastest"], one["slowest"]] for one in found[0]["effects"]]
    return table(["value", "slowest over fastest", "fastest", "slowest"], rows)


def needed():
    """What would meet a claim against a device, each value alone."""
    rows = []
    for device, claim in NEEDED:
        if steps(EXAMPLE):
            row = find(claim, device, EXAMPLE, 64)
            values = [row[f"break_even_{name}"] for name in ("macs", "clock_hz", "dram_bytes_per_s", "buffer_bytes")]
            asks = "half the time" if claim == TIME else "+200 %"
            rows.append(
                [part(row["device"]), asks, *map(quantity, values, (1, 1e9, 1e9, 2**20), ("", "GHz", "GB/s", "MiB"))]
            )
    return table(["baseline", "asks", "MAC units", "clock", "memory bandwidth", "on-chip memory"], rows)


def quantity(text, unit, name):
    """A value of break-even with its unit, or that none is enough."""
    if text in ("", "nan", "inf"):
        return "none is enough"
    return f"{float(text) / unit:,.4g} {name}".strip() if unit > 1 else f"{float(text):,.0f}"


def gpus(claim, verdict, dataset="imagenet"):
    """The GPUs of a data set with a verdict, and no better one on that data set."""
    order = [*OUTCOMES]
    best = {}
    for row in cells(claim, "gpu"):
        if row["workload"].startswith(dataset):
            name = short(row["device"])
            best[name] = min(best.get(name, len(order)), order.index(row["verdict"]))
    return several(name for name, index in best.items() if order[index] == verdict)


def out_of_reach(workload="imagenet_vgg16"):
    """How many comparisons of a workload with GPUs no design can win, of all that decide."""
    rows = [row for row in cells(TIME, "gpu") if row["workload"] == workload]
    return f"{sum(row['verdict'] == 'impossible' for row in rows)} of {len(rows)} comparisons with GPUs"


# The measured side


def coverage():
    """How often intervals of made-up samples hold the truth."""
    found = read_json("repeatability.json")["made_up"]
    return table(["samples", "coverage"], [[name, f"{100 * share:.1f} %"] for name, share in found.items()])


def live_agreement():
    """How far repeated live measurements agree."""
    found = dict(read_json("repeatability.json")["live"])
    what = found.pop("what")
    return table(
        [what.replace(" at the end", ""), "share"], [[name, f"{100 * share:.1f} %"] for name, share in found.items()]
    )


def arrays():
    """Every file of baselines/data/placed."""
    return [json.loads(path.read_text()) for path in sorted((ROOT / "baselines/data/placed").glob("*.json"))]


def clocks(one):
    """Clocks in MHz that the seeds of a placed array reached, the fastest first."""
    return sorted((run["fmax_hz"] / 1e6 for run in one["runs"]), reverse=True)


def largest_array():
    """{multipliers, mhz} of the placed array that the claim map compares with."""
    one = max(arrays(), key=lambda one: (len(one["runs"]) >= 3, one["array"]["rows"] * one["array"]["cols"]))
    return {"multipliers": one["array"]["rows"] * one["array"]["cols"], "mhz": float(np.median(clocks(one)))}


def placed():
    """The placed-and-routed arrays, with what the first seed used; the seeds differ in their clock."""
    columns = ["array", "seeds", "median MHz", "best", "worst", "GMAC/s at the median", "multipliers", "LUTs"]
    rows = []
    for one in arrays():
        array, have, used = one["array"], one["available"], one["runs"][0]["used"]
        mhz = clocks(one)
        macs = array["rows"] * array["cols"] * float(np.median(mhz)) / 1e3
        name = f"{array['dataflow']} {array['rows']}x{array['cols']} {array['precision']}"
        row = [name, len(mhz), f"{np.median(mhz):.1f}", f"{mhz[0]:.1f}", f"{mhz[-1]:.1f}", f"{macs:.2f}"]
        row += [f"{used['dsps']} of {have['dsps']}", f"{used['luts']:,} of {have['luts']:,}", f"{used['ffs']:,}"]
        rows.append([*row, f"{used['block_rams']} of {have['block_rams']}"])
    return table([*columns, "flip-flops", "block RAMs"], rows)


def board(column):
    """A column of the board whose memory a placed array has."""
    return read_csv("baselines/data/fpga_boards.csv")[0][column]


def board_bandwidth():
    """Peak bandwidth of that board's memory."""
    return f"{float(board('bus_bits')) / 8 * float(board('transfers_per_s')) / 1e6:.0f} MB/s"


# The simulated side


def model_errors(quantity):
    """(low, high) factors from a simulated quantity to the truth, the 5 to 95 % quantiles of its signed log errors."""
    errors = [
        float(row["log_error"]) for row in read_csv("accel_model/data/model_errors.csv") if row["quantity"] == quantity
    ]
    low, high = np.quantile(errors, [0.05, 0.95])
    return min(np.exp(-high), 1.0), max(np.exp(-low), 1.0), len(errors)


def validation():
    """Errors by chip and metric, as the program prints them."""
    found = read_json("validation.json")
    return table(found["columns"], found["rows"])


def eyeriss():
    """Eyeriss beside the model, layer by layer."""
    shown = (("active_pes", False), ("processing_latency", True), ("total_latency", True), ("dram_access", True))
    layers = {}
    for row in read_csv("docs/figures/data/validation.csv"):
        if row["chip"] == "Eyeriss v1" and row["workload"].startswith("AlexNet"):
            layers.setdefault(row["layer"], {})[row["metric"]] = row
    rows = []
    for layer, metrics in layers.items():
        texts = [
            [metrics[name][key] for key in ("published", "simulated", *["error"] * signed)] for name, signed in shown
        ]
        rows.append([layer, *map(", ".join, texts)])
    columns = ["layer", "active PEs: chip, model", "processing time: chip, model, error"]
    return table([*columns, "total latency: chip, model, error", "DRAM: chip, model, error"], rows)


# Speed and exploration


def speed():
    """What the program takes, on the CPUs that the figures were recorded on."""
    bench, explored = read_json("speed.json"), read_json("explore.json")
    spent, starts = read_json("map.json")["spent"], read_json("startup.json")
    stack, one, small = (
        bench[f"test_{name}"] for name in ("ten_thousand_designs[sums]", "one_design", "the_seeds_completions")
    )
    scale, zigzag = (
        bench[f"test_a_training_step_against_a_neighbours_forward_pass[{name}]"] for name in ("scale_sim", "zigzag")
    )
    event, capture, most = bench["break_even"], bench["capture_resnet50"], bench["million_designs"]
    count, cells_count = f"{len(steps()):,} steps", f"{read_json('map.json')['cells']:,} cells"
    rows = [
        [
            f"ResNet-50 training step ({capture['ops']} ops) on 10,000 designs, no two alike, tile search included",
            f"{stack['pairs_per_s'] / 1e6:.1f} million (op, design) pairs a second, "
            f"{stack['distinct_pairs_per_s'] / 1e6:.1f} million of them distinct",
        ],
        ["the same on the seed's completions", f"{small['pairs_per_s'] / 1e6:.1f} million pairs a second"],
        [
            "the same on one design",
            f"{seconds(one['min_s'])}; SCALE-Sim takes 740 CPU seconds for the forward pass alone (extrapolated): "
            f"{thousands(scale['their_seconds_over_ours'])} times as long, and "
            f"{thousands(740.0 * 10_000 / stack['min_s'])} times as long as one of the 10,000",
        ],
        [
            "ResNet-18 training step on one design",
            f"{seconds(zigzag['min_s'])}; ZigZag takes 53 CPU seconds for the forward pass: "
            f"{thousands(zigzag['their_seconds_over_ours'])} times as long",
        ],
        [
            f"{explored['million']['designs']:,} designs of the LeNet-5 training step, front kept: "
            f"`{explored['million']['command']}`",
            f"{seconds(explored['million']['spent']['wall_s'])}, "
            f"{seconds(explored['million']['spent']['cpu_s'])} of CPU",
        ],
        [
            f"break-even of ResNet-50 at batch 256, {event['variants']} variants",
            f"{seconds(event['cpu_s'])} of CPU; a target is then looked up in {seconds(event['lookup_s'])}",
        ],
        [
            f"the claim map from nothing ({count} captured and replayed on {completions()} completions, "
            f"break-even, {cells_count}, report): "
            f"`{read_json('map.json')['made_by']['command']}`",
            f"{seconds(spent['wall_s'])}, {seconds(spent['cpu_s'])} of CPU, {size(spent['peak_bytes'])} in the largest "
            f"process; again, from its cache and not logged: {seconds(spent['again_wall_s'])}",
        ],
        ["a million designs of a 3-GEMM trace", f"{seconds(most['wall_s'])}, {size(most['peak_bytes'])}"],
        [
            f"capture of ResNet-50 at batch {capture['batch']}, fake tensors",
            f"{seconds(capture['wall_s'])}, {size(capture['more_bytes'])}, {image_macs('forward')} forward and "
            f"{image_macs()} in all per image",
        ],
        ["`halfstep --help`", seconds(starts["help"]["wall_s"])],
        ["a wrong override, refused", seconds(starts["wrong_override"]["wall_s"])],
    ]
    return table(["what", "figure"], rows)


def thousands(value):
    """A large factor to two digits."""
    digits = len(str(int(value)))
    return f"{round(value, 2 - digits):,.0f}"


def image_macs(phase=None):
    """MACs of ResNet-50 for one image, of a phase or of the whole step."""
    found = read_json("speed.json")["capture_resnet50"]
    macs = found["macs"][phase] if phase else sum(found["macs"].values())
    return f"{macs / found['batch'] / 1e9:.{3 if phase else 2}f} GMAC"


def explore():
    """The nominal design and the fastest with no more area and energy, of two explorations."""
    found = read_json("explore.json")
    rows = []
    for name in ("lenet5", "resnet50"):
        one = found[name]
        factor = one["best"]["step_s"] / one["nominal"]["step_s"]
        rows.append(
            [
                f"`{one['command']}`",
                metrics_text(one["nominal"]),
                f"{metrics_text(one['best'])}: {factor:.3f}x the time",
            ]
        )
    return table(["found by", "seed, nominal", "fastest design with no more area and energy"], rows)


def metrics_text(found):
    """Time, energy and area of a design."""
    energy = found["energy_j"]
    joules = f"{energy:.4g} J" if energy >= 1 else f"{1e3 * energy:.4g} mJ"
    return f"{1e3 * found['step_s']:.4g} ms, {joules}, {found['area_mm2']:.4g} mm²"


def completions():
    """Completions of the seed accelerator, the nominal design among them."""
    return f"{read_json('map.json')['params']['completions']:,}"


BLOCKS = {
    "answer": answer,
    "counts": counts,
    "cells": example_cells,
    "effects": effects,
    "needed": needed,
    "coverage": coverage,
    "live_agreement": live_agreement,
    "placed": placed,
    "validation": validation,
    "eyeriss": eyeriss,
    "speed": speed,
    "explore": explore,
    "settings": settings,
}
INLINE = {
    "map.completions": completions,
    "map.open_combinations": lambda: f"{read_json('map.json')['params']['completions'] - 1:,}",
    "map.cells": lambda: f"{read_json('map.json')['cells']:,}",
    "map.shown": lambda: str(sum(key[1] in {step["workload"] for step in steps()} for key in SHOWN_CELLS)),
    "map.workloads": lambda: str(len({step["workload"] for step in steps()})),
    "map.parity": lambda: "{changed} of {comparisons}".format(**read_json("map.json")["parity"]),
    "map.gpus_supported": lambda: gpus(TIME, "some"),
    "map.gpus_undecided": lambda: gpus(TIME, "undecided"),
    "map.cifar_undecided": lambda: gpus(TIME, "undecided", "cifar10"),
    "map.vgg": out_of_reach,
    "map.ceiling_of": lambda: heaviest()["workload"],
    "map.ceiling": lambda: ceiling_text(heaviest()),
    "map.gmac": lambda: gmac(heaviest()),
    "map.peak": peak_text,
    "error.time_low": lambda: f"{model_errors('time')[0]:.2f}",
    "error.time_high": lambda: f"{model_errors('time')[1]:.2f}",
    "error.energy_low": lambda: f"{model_errors('energy')[0]:.2f}",
    "error.energy_high": lambda: f"{model_errors('energy')[1]:.2f}",
    "error.times": lambda: str(model_errors("time")[2]),
    "error.energies": lambda: str(model_errors("energy")[2]),
    "placed.multipliers": lambda: str(largest_array()["multipliers"]),
    "placed.clock": lambda: f"{largest_array()['mhz']:.0f} MHz",
    "placed.bandwidth": board_bandwidth,
    "placed.memory": lambda: f"{float(board('dram_bytes')) / 2**20:.0f} MiB",
    "validation.cells": lambda: str(len(read_csv("docs/figures/data/validation.csv"))),
    "rtl.shapes": lambda: str(len(read_csv("accel_model/rtl/proven.csv"))),
    "rtl.modes": lambda: str(
        sum(name[:3] in ("os_", "ws_", "is_") for name in read_csv("accel_model/rtl/proven.csv")[0])
    ),
    "scalesim.layers": lambda: str(len(read_csv("tests/accel_model/formats/scalesim_3_0_0_cycles.csv"))),
    "explore.designs": lambda: f"{read_json('explore.json')['lenet5']['designs']:,}",
    "explore.variants": lambda: str(read_json("speed.json")["break_even"]["variants"]),
    "area.matrix_unit": lambda: f"{read_json('speed.json')['area_of_tpu_v1']['matrix_unit']:.1f}",
    "area.unified_buffer": lambda: f"{read_json('speed.json')['area_of_tpu_v1']['unified_buffer']:.1f}",
    "speed.cpus": lambda: str(read_json("speed.json")["made_by"]["cpus"]),
}
