"""The one flow: capture, train, replay, compare, judge. Values in, values out; nothing here writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import baselines
from accel_model import Design, Report, Trace, compute_floor_s, replay
from baselines.catalogue import LOADED_KINDS
from harness.flows.traces import captured
from harness.judging.claims import Verdict, judge
from harness.judging.compare import PARITY, Comparison, compare, simulate
from harness.judging.completions import Completions
from harness.settings import shipped
from harness.settings.schema import RunConfig
from harness.training.grid import Refusal
from harness.training.layers import LayerTimes, layer_times
from harness.training.modes import beside_training
from harness.training.train import Training, check_memory, train

CEILING_BATCH = 2  # of the trace whose MACs per sample make a ceiling, which no batch changes


@dataclass(frozen=True, eq=False)
class Ceiling:
    """The most that physics lets the design reach on a workload, beside the published rates."""

    workload: str
    macs_per_sample: float
    samples_per_s: float  # of the design, every MAC unit busy in every cycle
    published: tuple[baselines.Measurement, ...]  # the fastest row of each device


@dataclass(frozen=True, eq=False)
class Result:
    """All that a run found."""

    design: Design  # the nominal one
    trace: Trace
    report: Report  # of the trace on the nominal design
    training: Training | None  # None where nothing was trained here
    layer_times: LayerTimes | None  # None where nothing was trained here
    modes_left_out: tuple[Refusal, ...]  # further modes that could not be measured here
    comparisons: tuple[Comparison, ...]
    verdicts: tuple[tuple[Verdict, ...], ...]  # of each comparison, in the order of config.claim
    completions: Completions  # the designs that the verdicts are over, the nominal one first
    ceiling: Ceiling | None


def quiet(text: str) -> None:
    """Tell nobody what is being done."""


def unseen(done: int, total: int, loss: float) -> None:
    """Show nobody how far a training is."""


def run(config: RunConfig, say: Callable = quiet, on_step: Callable = unseen) -> Result:
    """The Result of one run. say: told what is being done. on_step: see harness.training.train.train."""
    completions = Completions.of(config.accelerator)
    design = completions.designs[0]
    device = live_device(config)
    say(f"Capturing a training step of {config.workload.name} at batch {config.batch_size}")
    trace = captured(config.workload, config.precision, config.batch_size, config.strict)
    trained, times, further, refused = None, None, [], []
    if device:
        check_memory(int(trace.live_bytes().max()), config, device)
        say(f"Training on {device}, at most {config.train.budget_s:.3g} s (train.budget_s)")
        trained = train(config, device, on_step)
        say("Timing each layer")
        layout = trained.measurement.context.get("memory_format")
        times = layer_times(config, device, trained.measurement.step_s, trained.samples, layout)
        further, refused = beside_training(config, device, trained.samples, say)
    say(f"Replaying {len(trace)} ops on {len(completions)} completions of the accelerator")
    live = [trained.measurement, *further] if trained else []
    comparisons = compare_all(config, completions.designs, trace, live, say)
    return Result(
        design=design,
        trace=trace,
        report=replay(trace, design),
        training=trained,
        layer_times=times,
        modes_left_out=tuple(refused),
        comparisons=tuple(comparisons),
        verdicts=tuple(
            tuple(judge(name, claim, one, config.workload.name, completions) for name, claim in config.claim.items())
            for one in comparisons
        ),
        completions=completions,
        ceiling=ceiling(config, design),
    )


def nominal_design(config: RunConfig) -> Design:
    """The nominal design of config.accelerator; raises DesignError."""
    return Design.from_mapping(config.accelerator, str(config.accelerator.get("name", "accelerator")))


def live_device(config: RunConfig) -> str:
    """The torch device to measure on, or "" where none is asked for; raises DeviceError where it is not there."""
    if "live" not in config.baseline.kinds or config.baseline.device == "none" or not config.precision.trains:
        return ""
    return baselines.best_device(config.baseline.device)


def compare_all(config, candidates, trace, live, say=quiet):
    """A Comparison for each baseline of equal quality: the `live` Measurements, then the recorded and published ones.

    Each is compared with a replay of the step at the baseline's own batch.
    """
    kinds = [kind for kind in config.baseline.kinds if kind in LOADED_KINDS]
    wanted = baselines.Filter(workload=config.workload.name)
    rows = baselines.load(wanted, kinds, relative_uncertainty=config.compare.published_uncertainty)
    rows = [row for row in rows if row.samples_s.size and row.precision in PARITY[config.precision.operands]]
    rows = nearest_recorded(rows, config.batch_size)
    rows = [*live, *rows]
    reports, comparisons = {}, []
    for row in rows:
        if row.batch_size not in reports:
            at_batch = trace
            if row.batch_size != config.batch_size:
                say(f"Capturing and replaying at batch {row.batch_size}, as {row.device} was measured")
                at_batch = captured(config.workload, config.precision, row.batch_size)
            reports[row.batch_size] = (
                replay(at_batch, candidates, per_op=False),
                compute_floor_s(at_batch, candidates),
            )
        simulation = simulate(*reports[row.batch_size], row.scope)
        comparisons.append(compare(row, simulation, config.precision.operands, config.compare))
    return comparisons


def nearest_recorded(rows, batch_size):
    """`rows` with only those recorded ones whose batch is, in octaves, the nearest to `batch_size` on their device."""
    recorded = [row for row in rows if row.kind == "recorded"]
    nearest = {
        device: min(
            (row.batch_size for row in recorded if row.device == device), key=lambda b: abs(math.log2(b / batch_size))
        )
        for device in {row.device for row in recorded}
    }
    return [row for row in rows if row.kind != "recorded" or row.batch_size == nearest[row.device]]


def ceiling(config, design):
    """The Ceiling of the nominal design on the workload that compare.ceiling_of names, or None where it names none."""
    name = config.compare.ceiling_of
    if not name:
        return None
    trace = captured(shipped.load(name), replace(config.precision, autocast=None), CEILING_BATCH)
    at_precision = trace.at(config.precision.operands)
    rows = baselines.load(baselines.Filter(workload=name))
    fastest = {}
    for row in rows:
        suits = row.precision in PARITY[config.precision.operands] and row.device_kind == "gpu"
        if suits and row.samples_per_s > getattr(fastest.get(row.device), "samples_per_s", 0.0):
            fastest[row.device] = row
    return Ceiling(
        workload=name,
        macs_per_sample=int(trace.ops.macs.sum()) / CEILING_BATCH,
        samples_per_s=CEILING_BATCH / float(compute_floor_s(at_precision, design)[0]),
        published=tuple(sorted(fastest.values(), key=lambda row: row.samples_per_s)),
    )
