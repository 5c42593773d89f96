"""The claim map's flow: gather baselines, capture, replay on every completion, compare, judge. Nothing here writes
results; traces and replays are kept in config.outputs/cache, so that a second run takes seconds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from accel_model import Trace, compute_floor_s, replay
from accel_model.errors import AccelModelError
from accel_model.silicon.energy import energy_by_part
from baselines import Measurement
from harness.flows.claim_map import live, placed
from harness.flows.claim_map.rows import batch_of, equal_quality, known_rows, timed
from harness.flows.claim_map.values import Cell, ClaimMap, Profile, Step
from harness.flows.replays import replay_groups
from harness.flows.run import quiet, unseen
from harness.flows.traces import stored
from harness.judging import breakeven
from harness.judging.claims import judge, ratio_of
from harness.judging.compare import Comparison, compare, simulate
from harness.judging.completions import Completions
from harness.judging.model_error import of_settings
from harness.settings import shipped
from harness.settings.errors import ConfigError, HalfstepError
from harness.settings.schema import RunConfig


def run(config: RunConfig, say: Callable = quiet, on_step: Callable = unseen) -> ClaimMap:
    """The ClaimMap of `config`, whose task is a MapConfig. say, on_step: as of harness.flows.run.run."""
    completions, names = Completions.of(config.accelerator), shipped.matching(config.task.workloads)
    check_scope(config, names)
    settings = {name: shipped.workload_of(config, name) for name in names}
    own_batches = {name: one.batch_size for name, one in settings.items()}
    own, trained = live.trained(config, say, on_step) if config.workload.name in names else ([], None)
    known, failures = known_rows(config, names)
    arrays, no_arrays = placed.arrays(config)
    wanted = batches_wanted(config, own_batches, own + known, arrays)
    paths, refused = captured_all(config, settings, wanted, say, on_step)
    measured, not_measured = live.measured(config, paths, say, on_step)
    say(f"Replaying {len(paths)} training steps on {len(completions):,} completions")
    lost = {key: found for key, found in replayed(paths, config, completions, on_step) if _failed(found)}
    steps, cells, profiles = {}, (), {}
    for number, name in enumerate(names):
        say(f"Judging {name}")
        on_step(number, len(names), float("nan"))
        mine = {key: path for key, path in paths.items() if key[0] == name and key not in lost}
        rows = [row for row in measured + own + known if row.workload == name]
        traces = {key: Trace.load(path) for key, path in mine.items()}
        replays = Replays(config, completions, traces, dict(replayed(mine, config, completions)))
        found = judged(name, own_batches[name], rows, arrays, replays)
        steps, cells, profiles = steps | found[0], cells + found[1], profiles | found[2]
    failures += no_arrays + refused + not_measured
    failures += [(_name(key), str(error)) for key, error in lost.items()]
    spoken = {cell.step.workload for cell in cells if any(verdict.decides for verdict in cell.verdicts)}
    failures += [(name, "no baseline that a claim can rest on is known") for name in names if name not in spoken]
    return ClaimMap(
        accelerator=str(completions.designs.name[0]),
        design=completions.designs[:1],
        completions=len(completions),
        open_values=completions.open_values(),
        claims=dict(config.claim),
        model_error=of_settings(config.compare, "time"),
        steps=steps,
        cells=cells,
        profiles=profiles,
        trained=trained,
        failures=tuple(failures),
        without_parity=config.task.without_parity or "",
    )


@dataclass(frozen=True, eq=False)
class Replays:
    """The steps of one workload on all completions, by (workload, batch, precision)."""

    config: RunConfig
    completions: Completions
    traces: dict  # {key: Trace}
    reports: dict  # {key: Replayed}

    def comparison(self, baseline: Measurement, key: tuple) -> Comparison:
        """The Comparison of a Measurement with the step `key`."""
        floor_s = compute_floor_s(self.traces[key], self.completions.designs)
        simulation = simulate(self.reports[key].report, floor_s, baseline.scope)
        return compare(baseline, simulation, shipped.precision(key[2]).operands, self.config.compare)


def replayed(paths, config, completions, on_step=unseen):
    """Yield (key, Replayed or error) of every step in `paths`, {(workload, batch, precision): path of its trace}."""
    groups = {}
    for key, path in paths.items():
        groups.setdefault((key[0], key[2]), []).append((key, path))
    cache, workers = Path(config.outputs) / "cache" / "replays", config.task.workers or os.cpu_count() or 1
    yield from replay_groups(
        *(list(groups.values()), completions.designs, cache, workers, config.task.break_even),
        lambda done, total: on_step(done, total, float("nan")),
    )


def judged(name, own_batch, rows, arrays, replays):
    """({key: Step}, Cells, {name: Profile}) of one workload; arrays: PlacedArrays that are baselines of it too."""
    config, completions = replays.config, replays.completions
    steps = {key: step_of(key, trace, replays.reports[key], completions) for key, trace in replays.traces.items()}
    cells = []
    for row in rows + placed.rows(arrays, name, config, replays.traces):
        key = (name, row.baseline.batch_size or own_batch, row.precision)
        if key in steps:
            cells.append(cell_of(row, key, replays, steps))
    if (key := (name, own_batch, config.task.precisions[0])) not in steps:
        return steps, tuple(cells), {}
    trace, nominal = replays.traces[key], completions.designs[:1]
    report = replay(trace, nominal)
    parts = {part: float(joules[0]) for part, joules in energy_by_part(trace, nominal, report).items()}
    steps[key] = replace(steps[key], energy_by_part_j=parts)
    return steps, tuple(cells), {name: Profile(steps[key], trace, report)}


def check_scope(config, names):
    """Raise ConfigError where there is no claim, none speaks of any of the workloads, or a precision is none."""
    for precision in filter(None, [*config.task.precisions, config.task.without_parity]):
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


def batches_wanted(config, own_batches, rows, arrays):
    """{(workload, precision): sorted batches} of every training step that is replayed."""
    settings, names = config.task, list(own_batches)
    wanted = {(name, settings.precisions[0]): {own_batches[name], *settings.batches} for name in names}
    for row in rows:
        wanted.setdefault((row.workload, row.precision), set()).add(batch_of(row, own_batches))
    for name in names:
        for precision in placed.precisions(arrays, config):
            wanted.setdefault((name, precision), set()).update(settings.batches)
    if other := settings.without_parity:
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


def cell_of(row, key, replays, steps):
    """The Cell of one Row with the step `key`; without parity, the same step at the precision of that sensitivity."""
    config, (name, batch, _) = replays.config, key
    baseline = timed(row, replays.traces[key], batch)
    one, other = replays.comparison(baseline, key), (name, batch, config.task.without_parity)
    without_parity = ()
    if other in steps and other != key:
        unequal = {claim_name: replace(claim, parity=False) for claim_name, claim in config.claim.items()}
        without_parity = verdicts(unequal, replays.comparison(baseline, other), name, replays.completions)
    curves = replays.reports[key].curves
    return Cell(
        step=steps[key],
        baseline=baseline,
        measured_s=tuple(float(value) for value in one.measured_s),
        simulated_s=tuple(float(value) for value in one.simulated_s[:, 0]),
        speedup=tuple(float(value) for value in one.speedups[:, 0]),
        verdicts=verdicts(config.claim, one, name, replays.completions),
        break_even=tuple(
            breakeven.smallest(curves, baseline.step_s * ratio_of(claim), baseline.scope)
            if curves is not None and claim.rule.quantity == "time"
            else {}
            for claim in config.claim.values()
        ),
        remarks=one.remarks,
        without_parity=without_parity,
    )


def verdicts(claims, comparison, workload_name, completions):
    """The Verdict of each of {name: ClaimConfig} on one Comparison."""
    return tuple(judge(name, claim, comparison, workload_name, completions) for name, claim in claims.items())


def _failed(found):
    return isinstance(found, Exception)


def _name(key):
    name, batch, precision = key
    return f"{name}, batch {batch}, {precision}"
