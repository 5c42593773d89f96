"""ClaimMaps made up for tests: random, but harness.judging.compare and harness.judging.claims made their verdicts."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from accel_model import Design, Trace, replay
from baselines import Measurement
from baselines.measurement import KINDS
from harness.flows.claim_map.values import Cell, ClaimMap, Profile, Step
from harness.flows.run import Result
from harness.judging.breakeven import Answer, curves
from harness.judging.claims import judge
from harness.judging.compare import Simulation, compare
from harness.judging.completions import Effect, OpenValue
from harness.judging.model_error import ModelError
from harness.report.layers import PHASES as PHASES_OF_DEVICES
from harness.training.layers import LayerTimes
from tests.helpers.settings import claiming, comparing

HOSTILE = "<script>alert('x')</script> | \"quoted\" & [link](http://example.org) `code` *bold*"
COMPLETIONS = 40
WORKLOADS = {"imagenet_resnet50": 12.15e9, "imagenet_vgg16": 46.4e9, "cifar10_resnet20": 1.2e8, "mnist_lenet5": 1.2e6}
PHASES = ("forward", "recompute", "dgrad", "wgrad", "update", "other")
BOUNDS = ("compute", "buffer", "dram", "vector", "launch", "host")
PARTS = ("macs", "registers", "buffer", "dram", "vector", "static")
PEAK = 1024 * 2.5e9  # MAC/s of the seed accelerator
PLACED = "placed" if "placed" in KINDS else "recorded"


class Names:
    """A stand-in for harness.judging.completions.Completions: names for the designs of a comparison."""

    def text(self, row):
        return f"dataflow {('os', 'ws', 'is')[row % 3]}, array {2 ** (row % 6)} x {2 ** (10 - row % 6)}" if row else ""

    def common(self, rows):
        return ("dataflow os or best", "on-chip memory of at least 4 MiB") if rows.any() else ()


def claims():
    """Two claims that contradict each other, and one on energy."""
    half = "Training takes 50 % less time than on standard GPUs and on existing FPGA implementations."
    gain = "Training throughput is 200 % higher than on standard GPUs and on existing FPGA implementations."
    return {
        "seed_training_time": claiming(statement=half, metric="time_reduction", threshold=0.5),
        "seed_throughput": claiming(statement=gain, metric="throughput_gain", threshold=2.0),
    }


def claim_map(seed=0, workloads=tuple(WORKLOADS), per_batch=6, batches=(1, 16, 64, 256), hostile=True):
    """A ClaimMap of random times: `per_batch` baselines at each batch of each workload, and two modes of one GPU."""
    rng = np.random.default_rng(seed)
    design = Design.load("seed")
    steps, cells = {}, []
    of_gemms = curves(gemms(64), design) if workloads else None
    for workload in workloads:
        for batch in batches:
            step, times = random_step(rng, workload, batch, of_gemms)
            steps[workload, batch, "fp32"] = step
            cells += [cell(rng, step, times, one) for one in devices(rng, step, per_batch, hostile)]
    profiles = {workload: profile(design, steps[workload, batches[-1], "fp32"]) for workload in workloads}
    names = [f"layer{i}.conv" for i in range(30)] + [HOSTILE if hostile else "fc", ""]
    return ClaimMap(
        accelerator="seed",
        design=design,
        completions=COMPLETIONS,
        open_values=(
            OpenValue("array", "32 x 32", ("1 x 1024", "32 x 32", "16 x 16 x 4"), "not stated; all rectangles"),
            OpenValue("buffer_bytes", "4 MiB", ("0.25 MiB", "4 MiB", "64 MiB"), HOSTILE if hostile else "not stated"),
        ),
        claims=claims(),
        model_error=ModelError(0.74, 1.47, "the 5% to 95% quantiles of 13 signed log errors", (error_row(),)),
        steps=steps,
        cells=tuple(cells),
        profiles=profiles,
        trained=trained(design, names) if workloads else None,
        failures=(("text_gpt_small at batch 4,096", f"no room: {HOSTILE}"),) if hostile else (),
    )


def empty():
    """A ClaimMap in which nothing could be compared."""
    return claim_map(workloads=())


def one_cell():
    """A ClaimMap of a single cell."""
    return claim_map(workloads=("mnist_lenet5",), per_batch=1, batches=(64,), hostile=False)


def random_step(rng, workload, batch, of_gemms):
    """(a Step, float64 (COMPLETIONS,) seconds of its completions, the nominal one first)."""
    macs = int(WORKLOADS[workload] * batch)
    floor_s = macs / PEAK
    launches = 60 * rng.uniform(0, 5e-6, COMPLETIONS)
    times = floor_s * (1 + rng.lognormal(-1, 1, COMPLETIONS)) + launches
    nominal_s = float(times[0])
    effects = [
        Effect(name, float(1 + rng.exponential(0.6)), "os", "is")
        for name in ("array", "dataflow", "overlap", "buffer_bytes", "vector_lanes", "fusion", "launch_s")
    ]
    energy_j = macs * 3e-12
    step = Step(
        workload=workload,
        batch_size=batch,
        precision="fp32",
        macs=macs,
        nominal_s=nominal_s,
        best_s=float(times.min()),
        median_s=float(np.median(times)),
        worst_s=float(times.max()),
        floor_s=floor_s,
        by_phase_s=dict(zip(PHASES, (0.9 * nominal_s * rng.dirichlet(np.ones(6))).tolist(), strict=True)),
        by_bound_s=dict(zip(BOUNDS, (0.9 * nominal_s * rng.dirichlet(np.ones(5))).tolist(), strict=False))
        | {"host": 0.1 * nominal_s},
        energy_j=energy_j,
        energy_by_part_j=dict(zip(PARTS, (energy_j * rng.dirichlet(np.ones(6))).tolist(), strict=True)),
        effects=tuple(sorted(effects, key=lambda effect: -effect.factor)),
        curves=of_gemms if batch > 1 else None,
    )
    return step, times


def devices(rng, step, count, hostile):
    """Baselines of a step: published GPUs, a placed FPGA, a recorded GPU in eager mode and as a graph, a live CPU."""
    at = {"workload": step.workload, "batch_size": step.batch_size}
    names = [("Tesla K80", 2014), ("GTX 1080", 2016), ("Tesla P100", 2016), ("V100-SXM2", 2017), ("A100 40GB", 2020)]
    names += [("H100 80GB SXM5", 2023), (HOSTILE if hostile else "Titan X", 2015)]
    found = []
    for index in range(count):
        name, year = names[index % len(names)]
        step_s = step.nominal_s * 10 ** rng.uniform(-1.2, 1.2)
        scope = ("step", "forward_backward", "step_and_loading")[index % 3]
        more = {"year": year, "scope": scope, "relative_uncertainty": 0.05 if index % 4 else 0.0}
        found.append(measurement(step_s, device=f"{name} #{index // len(names)}", **at, **more))
    eager_s = step.nominal_s * 0.4 + 8e-4
    samples = {"kind": "recorded", "device": "H200 141GB", "confidence": "measured", "scope": "step_and_copy"}
    watts = 400 if step.batch_size > 1 else math.nan
    found.append(measurement(eager_s, mode="eager", energy_j=watts * eager_s, **at, **samples))
    found.append(measurement(eager_s - 7.5e-4, mode="graphs", energy_j=watts * eager_s / 2, **at, **samples))
    placed = {"kind": PLACED, "device_kind": "fpga", "device": "ECP5 LFE5U-85F, 12 x 12 int8"}
    found.append(measurement(step.nominal_s * 90, precision="int8", **at, **placed))
    found.append(measurement(step.nominal_s * 20, device="an FPGA", device_kind="fpga", year=2018, **at))
    found.append(measurement(step.nominal_s * 3, kind="live", device="a CPU", device_kind="cpu", mode="eager", **at))
    return found


def measurement(step_s, **changes):
    """A Measurement of one sample, or of five where it was measured."""
    several = changes.get("kind") in ("live", "recorded")
    values = {
        "device_kind": "gpu",
        "kind": "published",
        "model": "a model",
        "samples_s": step_s * (np.array([0.98, 0.99, 1, 1.01, 1.02]) if several else np.ones(1)),
        "block": np.arange(5) if several else np.zeros(1, np.int64),
        "precision": "fp32",
        "scope": "step",
        "clock": "published",
        "source": "A paper, https://example.org/paper?a=1&b=2",
        "locator": "table 3",
        "confidence": "verified",
        "relative_uncertainty": 0.02,
    }
    return Measurement(**values | changes)


def cell(rng, step, times, baseline):
    """The Cell of a baseline, judged as the program judges."""
    simulation = Simulation(times, np.full(len(times), step.floor_s), {"compute": 0.6, "dram": 0.4})
    one = compare(baseline, simulation, "fp32", comparing(model_error=0.2))
    verdicts = tuple(judge(name, claim, one, step.workload, Names()) for name, claim in claims().items())
    factors = dict(zip(("macs", "clock_hz", "dram_bytes_per_s", "buffer_bytes"), rng.uniform(1, 9, 4), strict=True))
    own = {"macs": 1024, "clock_hz": 2.5e9, "dram_bytes_per_s": 256e9, "buffer_bytes": 2**22}
    answers = {name: Answer(name, own[name] * factor, factor, "") for name, factor in factors.items()}
    answers["dram_bytes_per_s"] = Answer("dram_bytes_per_s", math.nan, math.nan, "compute alone takes 3.1 ms")
    return Cell(
        step=step,
        baseline=baseline,
        measured_s=one.measured_s,
        simulated_s=tuple(one.simulated_s[:, 0].tolist()),
        speedup=tuple(one.speedups[:, 0].tolist()),
        verdicts=verdicts,
        break_even=(answers, answers),
        remarks=one.remarks,
    )


def trained(design, names, batch=64):
    """A Result of a training made up from bare GEMMs, one for each layer called `names`; the last one has no time."""
    rng = np.random.default_rng(batch)
    bare = Trace.from_gemms(*rng.integers(1, 512, size=(3, len(names))), dtype="fp32")
    meta = {"workload": "mnist_lenet5", "batch_size": batch, "precision": "fp32"}
    trace = replace(bare, layers=tuple(names), ops=replace(bare.ops, layer=np.arange(len(names))), meta=meta)
    seconds = rng.uniform(1e-5, 1e-2, (len(names) - 1, len(PHASES_OF_DEVICES)))
    at = {"workload": meta["workload"], "batch_size": batch, "mode": "eager"}
    one = measurement(float(seconds.sum()), kind="live", device="a CPU", device_kind="cpu", **at)
    return Result(
        design=design,
        trace=trace,
        report=replay(trace, design),
        training=SimpleNamespace(measurement=one),
        layer_times=LayerTimes(tuple(names[:-1]), seconds, 1e-4, 2e-2),
        modes_left_out=(),
        comparisons=(),
        verdicts=(),
        completions=(),
        ceiling=None,
    )


def gemms(batch):
    """A Trace of bare GEMMs."""
    sizes = np.random.default_rng(batch).integers(1, 2048, size=(3, 60))
    return Trace.from_gemms(*sizes, dtype="fp32")


def profile(design, step):
    """A Profile of bare GEMMs."""
    trace = gemms(step.batch_size)
    return Profile(step, trace, replay(trace, design))


def error_row():
    """A row of the table behind the model's error."""
    row = {"chip": "TPU v3", "workload": "ResNet-50", "layer": "", "batch": "128", "metric": "throughput"}
    return row | {"published": "100", "simulated": "80", "unit": "1/s", "log_error": str(math.log(0.8))}
