"""The claim map's flow: gather baselines, capture, replay on every completion, compare, judge. Nothing here writes
results; traces and replays are kept in config.outputs/cache, so that a second run takes seconds."""

from __future__ import annotations

import os
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from accel_model import Trace, compute_floor_s, replay
from accel_model.errors import AccelModelError
from accel_model.silicon.energy import energy_by_part
from harness.flows.claim_map import live, placed
from harness.flows.claim_map.rows import batch_of, equal_quality, known_rows, timed
from harness.flows.claim_map.values import Cell, ClaimMap, Profile, Step
from harness.flows.replays import replay_groups
from harness.flows.traces import stored
from harness.judging import breakeven
from harness.judging.claims import judge, ratio_of
from harness.judging.compare import compare, simulate
from harness.judging.completions import Completions
from harness.judging.model_error import of_settings
from harness.settings import shipped
from harness.settings.errors import ConfigError, HalfstepError
from harness.settings.schema import Metric


def run(config, say=lambda text: None, on_step=lambda done, total, loss: None):
    """The ClaimMap of `config` (RunConfig). say: told what is being done. on_step: told steps done and planned."""
    completions = Completions.of(config.accelerator)
    names = shipped.matching(config.map.workloads)
    check_scope(config, names)
    settings = {name: workload(name, config) for name in names}
    own_batches = {name: one.batch_size for name, one in settings.items()}
    rows, failures = known_rows(config, names)
    trained, layers, layers_title = (
        live.trained(config, say, on_step) if config.workload.name in names else ([], {}, ("", "", ""))
    )
    rows = trained + rows
    arrays, no_arrays = placed.arrays(config)
    wanted = batches_wanted(config, names, own_batches, rows, arrays)
    paths, refused = captured_all(config, settings, wanted, say, on_step)
    measured, not_measured = live.measured(config, paths, say, on_step)
    rows, failures = measured + rows, failures + no_arrays + refused + not_measured
    cache = Path(config.outputs) / "cache" / "replays"
    workers = config.map.workers or os.cpu_count() or 1

    def replayed(keys, told=lambda done, total: None):
        groups = {}
        for key in keys:
            groups.setdefault((key[0], key[2]), []).append((key, paths[key]))
        return replay_groups(list(groups.values()), completions.designs, cache, workers, config.map.break_even, told)

    say(f"Replaying {len(paths)} training steps on {len(completions):,} completions")
    lost = {key: found for key, found in replayed(paths, lambda d, n: on_step(d, n, float("nan"))) if _failed(found)}
    failures += [(_name(key), str(error)) for key, error in lost.items()]
    steps, cells, profiles = {}, [], {}
    for number, name in enumerate(names):
        say(f"Judging {name}")
        on_step(number, len(names), float("nan"))
        keys = [key for key in paths if key[0] == name and key not in lost]
        traces = {key: Trace.load(paths[key]) for key in keys}
        reports = dict(replayed(keys))
        steps |= {key: step_of(key, traces[key], reports[key], completions) for key in keys}
        mine = [row for row in rows if row.workload == name]
        mine += placed.rows(arrays, name, config, {key: trace for key, trace in traces.items() if key in steps})
        for row in mine:
            key = (name, batch_of(row, own_batches), row.precision)
            if key in steps:
                other = (*key[:2], config.map.without_parity)
                cells.append(cell_of(row, key, other, config, completions, traces, reports, steps))
        if (key := (name, own_batches[name], config.map.precisions[0])) in steps:
            report = replay(traces[key], completions.designs[:1])
            parts = energy_by_part(traces[key], completions.designs[:1], report)
            steps[key] = replace(
                steps[key], energy_by_part_j={part: float(joules[0]) for part, joules in parts.items()}
            )
            profiles[name] = Profile(steps[key], traces[key], report)
    spoken = [cell for cell in cells if any(verdict.decides for verdict in cell.verdicts)]
    failures += [
        (name, "no baseline that a claim can rest on is known")
        for name in names
        if not any(cell.step.workload == name for cell in spoken)
    ]
    return ClaimMap(
        accelerator=str(completions.designs.name[0]),
        design=completions.designs[:1],
        completions=len(completions),
        open_values=completions.open_values(),
        claims=dict(config.claim),
        model_error=of_settings(config.compare, "time"),
        steps=steps,
        cells=tuple(cells),
        profiles=profiles,
        layers=layers,
        layers_title=layers_title,
        failures=tuple(failures),
        without_parity=config.map.without_parity or "",
    )


def check_scope(config, names):
    """Raise ConfigError where there is no claim, none speaks of any of the workloads, or a precision is none."""
    for precision in filter(None, [*config.map.precisions, config.map.without_parity]):
        equal_quality(precision)
    if not config.claim:
        raise ConfigError("there is no claim to judge: give one, e.g. claim=[seed_training_time]")
    spoken = [n for n in names for one in config.claim.values() if any(fnmatchcase(n, p) for p in one.workloads)]
    if not spoken:
        patterns = sorted({pattern for one in config.claim.values() for pattern in one.workloads})
        raise ConfigError(
            f"the claims speak of {', '.join(patterns)} and map.workloads gives {', '.join(names)}: "
            f"give workloads that a claim speaks of"
        )


def workload(name, config):
    """The WorkloadConfig called `name`, as the run has it where it is the run's own."""
    return config.workload if name == config.workload.name else shipped.load(name)


def batches_wanted(config, names, own_batches, rows, arrays):
    """{(workload, precision): sorted batches} of every training step that is replayed."""
    wanted = {(name, config.map.precisions[0]): {own_batches[name], *config.map.batches} for name in names}
    for row in rows:
        wanted.setdefault((row.workload, row.precision), set()).add(batch_of(row, own_batches))
    for name in names:
        for precision in placed.precisions(arrays, config):
            wanted.setdefault((name, precision), set()).update(config.map.batches)
    if other := config.map.without_parity:
        for row in rows:
            wanted.setdefault((row.workload, other), set()).add(batch_of(row, own_batches))
    return {key: sorted(batches) for key, batches in wanted.items()}


def captured_all(config, settings, wanted, say, on_step):
    """({(workload, batch, precision): path of its trace}, failures); what cannot be captured is a failure."""
    folder = Path(config.outputs) / "cache" / "traces"
    jobs = [(name, batch, precision) for (name, precision), batches in wanted.items() for batch in batches]
    say(f"Capturing {len(jobs)} training steps (kept in {folder})")
    paths, failures = {}, []
    for number, (name, batch, precision) in enumerate(jobs):
        on_step(number, len(jobs), float("nan"))
        try:
            paths[name, batch, precision] = stored(
                folder, settings[name], shipped.precision(precision), batch, config.strict
            )
        except (HalfstepError, AccelModelError) as error:
            failures.append((_name((name, batch, precision)), str(error)))
    return paths, failures


def step_of(key, trace, replayed, completions):
    """The Step of one workload, batch and precision."""
    report, (name, batch, precision) = replayed.report, key
    order = report.step_s.argsort(kind="stable")
    best, median, worst = (float(report.step_s[order[i]]) for i in (0, len(order) // 2, -1))
    return Step(
        workload=name,
        batch_size=batch,
        precision=precision,
        macs=int(trace.ops.macs.sum()),
        nominal_s=float(report.step_s[0]),
        best_s=best,
        median_s=median,
        worst_s=worst,
        floor_s=float(np.maximum(report.floor_s, compute_floor_s(trace, completions.designs)).min()),
        by_phase_s={name: float(values[0]) for name, values in report.by_phase().items()},
        by_bound_s={name: float(values[0]) for name, values in report.by_bound().items()},
        energy_j=float(report.energy_j[0]),
        energy_by_part_j={},
        effects=completions.effects(report.step_s),
        curves=replayed.curves,
    )


def cell_of(row, key, other, config, completions, traces, reports, steps):
    """The Cell of one Row; `other` is the key of the same step at the precision of the sensitivity without parity."""
    trace = traces[key]
    baseline = timed(row, trace, key[1])
    one = compared(baseline, key, config, completions, traces, reports)
    verdicts = tuple(judge(name, claim, one, key[0], completions) for name, claim in config.claim.items())
    without_parity = ()
    if other in steps and other != key:
        unequal = compared(baseline, other, config, completions, traces, reports)
        without_parity = tuple(
            judge(name, replace(claim, parity=False), unequal, key[0], completions)
            for name, claim in config.claim.items()
        )
    curves = reports[key].curves
    return Cell(
        step=steps[key],
        baseline=baseline,
        measured_s=tuple(float(value) for value in one.measured_s),
        simulated_s=tuple(float(value) for value in one.simulated_s[:, 0]),
        speedup=tuple(float(value) for value in one.speedups[:, 0]),
        verdicts=verdicts,
        break_even=tuple(
            breakeven.smallest(curves, baseline.step_s * ratio_of(claim), baseline.scope)
            if curves is not None and claim.metric is not Metric.energy_reduction
            else {}
            for claim in config.claim.values()
        ),
        remarks=one.remarks,
        without_parity=without_parity,
    )


def compared(baseline, key, config, completions, traces, reports):
    """The Comparison of a Measurement with the replayed step `key`."""
    floor_s = compute_floor_s(traces[key], completions.designs)
    simulation = simulate(reports[key].report, floor_s, baseline.scope)
    return compare(baseline, simulation, shipped.precision(key[2]).operands, config.compare)


def _failed(found):
    return isinstance(found, Exception)


def _name(key):
    name, batch, precision = key
    return f"{name}, batch {batch}, {precision}"
