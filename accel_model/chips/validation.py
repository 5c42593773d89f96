"""Published figures of real chips beside what the model says of the same work: every cell, with its error.

No constant of the model or of these designs is fitted to the figures. Rows of chips whose layers are not published
(TPU v1's applications) are replayed on GEMMs of the published arithmetic intensity, and say so.
"""

import csv
import re
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files

import numpy as np

from accel_model.array.dataflow import rs_active_pes
from accel_model.chips.convolutions import Convolution, from_convolutions
from accel_model.design import Design
from accel_model.engine import replay
from accel_model.trace import Trace
from accel_model.types import Phase

ALEXNET = (  # Krizhevsky, Sutskever, Hinton, NIPS 2012: five convolutions, two of them in two groups of channels
    Convolution("CONV1", 3, 227, 96, 11, stride=4),
    Convolution("CONV2", 96, 27, 256, 5, padding=2, groups=2),
    Convolution("CONV3", 256, 13, 384, 3, padding=1),
    Convolution("CONV4", 384, 13, 384, 3, padding=1, groups=2),
    Convolution("CONV5", 384, 13, 256, 3, padding=1, groups=2),
)
TPU_V1_APPS = {  # weights, layers of MACs: Jouppi et al., ISCA 2017, Table 1 (recalled)
    "MLP0": (20e6, 5),
    "MLP1": (5e6, 4),
    "LSTM0": (52e6, 24),
    "LSTM1": (34e6, 37),
    "CNN0": (8e6, 16),
    "CNN1": (100e6, 72),
}
NVDLA_SIZES = {  # input x output channels of an atomic operation (the middle ones assumed), buffer KiB, GB/s
    2048: (64, 32, 512, 20.0),
    1024: (32, 32, 256, 15.0),
    512: (32, 16, 256, 10.0),
    256: (32, 8, 256, 5.0),
    128: (16, 8, 256, 2.0),
    64: (8, 8, 128, 1.0),
    32: (8, 4, 128, 0.5),
}


@dataclass(frozen=True)
class Cell:
    """One published figure and what the model says of it; simulated is NaN where the model has no such quantity."""

    chip: str
    workload: str
    layer: str
    batch: str
    metric: str
    unit: str
    kind: str  # silicon, simulation or vendor estimate
    confidence: str  # of the published value
    source: str
    published: float
    simulated: float
    remark: str = ""

    @property
    def error(self):
        """Simulated over published, less 1."""
        return self.simulated / self.published - 1 if self.published else float("nan")


def cells(resnet50=None):
    """A list of Cell, one for every published figure of the chips in conf/accelerator, in the order of the data file.

    resnet50: a function from a batch size to the Trace of a ResNet-50 training step in bf16, for TPU v2 and v3; without
    one, those rows replay the bare convolutions. Raises DesignError where a chip's file is not valid.
    """
    data = files("accel_model").joinpath("data/chips_published.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in data.splitlines() if not line.startswith("#")))
    eyeriss, nvdla = _eyeriss(), _nvdla(rows)
    training = _resnet50_convolutions(rows) if resnet50 is None else resnet50
    of_chip = {"Eyeriss": eyeriss.get, "NVDLA": nvdla.get, "TPU v1": _tpu_v1(rows).get}
    of_chip |= {"TPU v2": partial(_training, "tpu_v2", training), "TPU v3": partial(_training, "tpu_v3", training)}
    of_chip["Gemmini"] = _gemmini(rows).get
    result = []
    for number, row in enumerate(rows):
        chip = next(name for name in of_chip if row["chip"].startswith(name))
        found = of_chip[chip]((row["chip"], row["workload"], row["layer"], row["batch"], row["metric"], number))
        if found is None:
            key = (row["chip"], row["workload"], row["layer"], row["batch"], row["metric"])
            found = of_chip[chip](key) if not chip.startswith(("TPU v2", "TPU v3")) else None
        simulated, remark = found or (float("nan"), "not modelled")
        result.append(
            Cell(
                *(row[name] for name in ("chip", "workload", "layer", "batch", "metric", "unit", "kind", "confidence")),
                source=f"{row['source_ref']}, {row['source_locator']}",
                published=float(row["value"]),
                simulated=float(simulated),
                remark=remark,
            )
        )
    return result


ERROR_COLUMNS = ("quantity", "chip", "workload", "layer", "batch", "metric", "published", "simulated", "log_error")
TIMES = {
    "Eyeriss v1": "total_latency",
    "TPU v2": "training_throughput_per_chip",
    "TPU v3": "training_throughput_per_chip",
}
"""The metric of each chip that tells how wrong a time is: silicon that did the very work that the model replays. Left
out: estimates by vendors (NVDLA), stand-in layers (TPU v1) and times with a host's work in them (Gemmini)."""


def model_errors(table):
    """Rows of ERROR_COLUMNS: signed errors ln(simulated / published) of times and energies, from the Cells of `table`.

    A throughput's error counts as that of the time it is the inverse of. Energies are power times latency. Sums over
    layers are left out, for they say nothing that their layers do not.
    """
    kept = [cell for cell in table if np.isfinite(cell.simulated) and cell.layer != "Total"]
    power = {cell.layer: cell for cell in kept if cell.metric == "power"}
    rows = []
    for cell in kept:
        if TIMES.get(cell.chip) != cell.metric:
            continue
        sign = -1.0 if "throughput" in cell.metric else 1.0
        error = sign * float(np.log(cell.simulated / cell.published))
        rows.append(_error_row("time", cell, cell.metric, cell.published, cell.simulated, error))
        if cell.chip == "Eyeriss v1":
            watts = power[cell.layer]
            published, simulated = cell.published * watts.published, cell.simulated * watts.simulated
            error = float(np.log(simulated / published))
            rows.append(_error_row("energy", cell, "power x total_latency", published, simulated, error))
    return rows


def _error_row(quantity, cell, metric, published, simulated, error):
    texts = (quantity, cell.chip, cell.workload, cell.layer, cell.batch, metric)
    numbers = (f"{value:.6g}" for value in (published, simulated, error))
    return dict(zip(ERROR_COLUMNS, (*texts, *numbers), strict=True))


def summary(table):
    """{(chip, metric): quantiles (0, 25, 50, 75, 100 %) of ln(simulated / published)} over the Cells of `table`."""
    groups = {}
    for cell in table:
        if np.isfinite(cell.simulated) and cell.simulated > 0 and cell.published > 0:
            groups.setdefault((cell.chip, cell.metric), []).append(np.log(cell.simulated / cell.published))
    return {key: np.quantile(errors, [0, 0.25, 0.5, 0.75, 1]) for key, errors in groups.items()}


def _eyeriss():
    batch = 4
    layers = [replace(layer, batch=batch) for layer in ALEXNET]
    design = Design.load("eyeriss")
    trace = from_convolutions(layers, "fp16")  # two bytes a word, as int16
    report = replay(trace, design)
    rows_out = np.array([layer.out_size for layer in layers])
    filter_rows = np.array([layer.filter_size for layer in layers])
    active = rs_active_pes(rows_out, filter_rows, int(design.rows[0]), int(design.cols[0]))
    compute_s = report.compute_s[0]
    columns = {
        "processing_latency": (compute_s * 1e3, sum),
        "total_latency": (report.op_s[0] * 1e3, sum),
        "active_pes": (active, lambda pes: (np.asarray(pes) * compute_s).sum() / compute_s.sum()),
        "global_buffer_access": ((report.buffer_traffic_bytes - report.dram_bytes)[0] / 1e6, sum),
        "dram_access": (report.dram_bytes[0] / 1e6, sum),
        "macs_in_layer": (trace.ops.macs / 1e9, sum),
        "power": (report.op_energy_j[0] / report.op_s[0] * 1e3, None),
    }
    remarks = {"dram_access": "the chip compresses, the model does not", "power": "energies scaled from 45 nm"}
    found = {}
    for metric, (values, total) in columns.items():
        names = [layer.name for layer in layers] + (["Total"] if total else [])
        for name, value in zip(names, [*values, total(values)] if total else values, strict=True):
            found["Eyeriss v1", "AlexNet", name, "4", metric] = (value, remarks.get(metric, ""))
    return found


def _layer(notes, name, batch=1):
    """The Convolution that a row of NVDLA's estimator describes: 'C512 28x28 K128 1x1 s1 out 28x28'."""
    found = re.match(r"C(\d+) (\d+)x\d+ K(\d+) (\d+)x\d+ s(\d+) out (\d+)x", notes)
    if not found:
        return None
    channels, size, filters, kernel, stride, out = map(int, found.groups())
    padding = max(0, -(-((out - 1) * stride + kernel - size) // 2))
    return Convolution(name, channels, size, filters, kernel, stride=stride, padding=padding, batch=batch)


def _nvdla_layers(rows, workload):
    """[(row number, Convolution)] of the estimator's layers of one network, one for each of its mac_cycles rows."""
    result = []
    for number, row in enumerate(rows):
        if "xlsx" in row["chip"] and row["workload"] == workload and row["metric"] == "mac_cycles":
            layer = _layer(row["notes"], row["layer"], int(row["batch"]))
            if layer:
                result.append((number, layer))
    return result


def _nvdla(rows):
    chip, found = "NVDLA 2048 MAC (xlsx default)", {}
    design = Design.load("nvdla")
    for workload in sorted({row["workload"] for row in rows if row["chip"] == chip}):
        layers = _nvdla_layers(rows, workload)
        if not layers:
            continue
        report = replay(from_convolutions([layer for _, layer in layers], "int8"), design)
        clock = float(design.clock_hz[0])
        per_image = np.array([1 / layer.batch for _, layer in layers])
        for index, (number, layer) in enumerate(layers):
            share = per_image[index]  # the estimator's fully connected layers are of a batch, its cycles of one image
            values = {
                "dram_cycles": report.dram_s[0, index] * clock,
                "mac_cycles": report.compute_cycles[0, index],
                "max_cycles": report.op_s[0, index] * clock,
            }
            remark = "the estimator counts Winograd" if layer.filter_size == 3 and layer.stride == 1 else ""
            for offset, (metric, value) in enumerate(values.items()):
                row = number - 1 + offset  # the three stand one after another
                found[chip, workload, layer.name, rows[row]["batch"], metric, row] = (value * share, remark)
        frame_s = float((report.op_s[0] * per_image).sum())
        for metric, value in (("frame_time", frame_s * 1e3), ("throughput", 1 / frame_s)):
            found[chip, workload, "whole", "1", metric] = (value, "sum over the layers listed")
        used = float((from_convolutions([x for _, x in layers], "int8").ops.macs * per_image).sum())
        peak = float(design.macs_per_s[0, 0])
        found[chip, workload, "whole", "1", "hw_mac_utilisation"] = (used / (frame_s * peak), "")
    network = [layer for _, layer in _nvdla_layers(rows, "ResNet50 inference")]
    per_image = np.array([1 / layer.batch for layer in network])
    for macs, (rows_of, cols, kib, gb_per_s) in NVDLA_SIZES.items():
        given = {"rows": rows_of, "cols": cols, "buffer_bytes": kib * 1024, "dram_bytes_per_s": gb_per_s * 1e9}
        report = replay(from_convolutions(network, "int8"), _changed(design, given))
        remark = "convolutions and fc of the estimator's list"
        found[f"NVDLA {macs} MAC", "ResNet-50 inference", "whole", "1", "throughput"] = (
            1 / float((report.op_s[0] * per_image).sum()),
            remark,
        )
    return found


def _changed(design, given):
    return replace(design, **{name: np.full(1, v, dtype=getattr(design, name).dtype) for name, v in given.items()})


def _tpu_v1(rows):
    """Rates of the six applications, from GEMMs with their number of weights, layers and MACs per weight byte."""
    found, design = {}, Design.load("tpu_v1")
    for row in rows:
        if row["chip"] != "TPU v1" or row["metric"] != "operational_intensity":
            continue
        weights, layers = TPU_V1_APPS[row["workload"]]
        side = round((weights / layers) ** 0.5)
        intensity = int(float(row["value"]))
        trace = _chain(intensity, side, layers)
        report = replay(trace, design)
        step_s = float(report.op_s.sum())
        remark = f"{layers} square layers of the published weights and intensity"
        key = ("TPU v1", row["workload"], "whole", row["batch"])
        found[*key, "achieved_tops"] = (2 * trace.ops.macs.sum() / step_s / 1e12, remark)
        found[*key, "operational_intensity"] = (intensity, "given")
        found[*key, "useful_macs"] = (100 * float(report.utilisation[0]), remark)
        if row["workload"] == "MLP0":
            found[*key, "throughput"] = (intensity / step_s, remark)
    return found


def _chain(m, side, layers):
    """A Trace of `layers` GEMMs of m x side x side in int8, each working on the output of the one before."""
    trace = Trace.from_gemms([m] * layers, [side] * layers, [side] * layers, dtype="int8")
    a, c = np.arange(layers) * 3, np.arange(layers) * 3 + 2  # rows of tensors
    tensor, freed = trace.uses.tensor.copy(), trace.tensors.freed.copy()
    tensor[a[1:]] = c[:-1]
    freed[c[:-1]] += 1
    return replace(trace, uses=replace(trace.uses, tensor=tensor), tensors=replace(trace.tensors, freed=freed))


def _resnet50_convolutions(rows):
    layers = [layer for _, layer in _nvdla_layers(rows, "ResNet50 inference")]

    def trace(batch):
        step = [replace(layer, batch=batch) for layer in layers]
        return from_convolutions(step, "bf16", (Phase.FORWARD, Phase.DGRAD, Phase.WGRAD))

    trace.remark = "convolutions only, batch 256 per chip"
    return trace


def _training(name, trace, key):
    """Images per second and chip of ResNet-50 training at 256 images per chip."""
    if key[4] != "training_throughput_per_chip":
        return None
    batch = 256
    report = replay(trace(batch), Design.load(name), per_op=False)
    return batch / float(report.step_s[0] - report.host_s[0]), getattr(trace, "remark", "batch 256 per chip")


def _gemmini(rows):
    layers = [layer for _, layer in _nvdla_layers(rows, "ResNet50 inference")]
    single = [replace(layer, batch=1) for layer in layers]
    report = replay(from_convolutions(single, "int8"), Design.load("gemmini"), per_op=False)
    key = ("Gemmini 16x16 (Rocket host)", "ResNet-50 inference", "whole", "1", "throughput")
    return {key: (1 / float(report.step_s[0]), "convolutions and fc only; the host's work is left out")}
