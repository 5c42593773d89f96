"""The claim map's live side: what the device here does, as far as a budget of seconds goes."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace

from accel_model import Trace
from harness.flows import run
from harness.flows.claim_map.rows import Row
from harness.settings import shipped
from harness.settings.errors import HalfstepError
from harness.settings.shipped import precision as precision_config
from harness.training.grid import GridCell
from harness.training.modes import measure, modes_there, plan_of
from harness.training.train import check_memory

LOG = logging.getLogger(__name__)
STEPS = 30  # that one measurement takes at least, with its warm-up: to tell whether the next one fits the budget
MEASUREMENT_S = 0.5  # seconds of samples of one measurement at most
ENERGY_WINDOW_S = 0.3
UNUSABLE = "the device is of no more use to this process after what failed last: run the same command again"


def trained(config, say, on_step):
    """(rows, Result) of a short training of the run's own workload; ([], None) where none is asked for."""
    if not config.task.train_steps or not run.live_device(config):
        return [], None
    short = replace(
        config,
        baseline=replace(config.baseline, kinds=["live"]),
        compare=replace(config.compare, ceiling_of=None),
        train=replace(config.train, steps=config.task.train_steps),
    )
    result = run.run(short, say, on_step)
    rows = [
        Row(config.workload.name, config.precision.name, one.baseline)
        for one in result.comparisons
        if config.precision.name in config.task.precisions
    ]
    return rows, result


def measured(config, paths, say, on_step):
    """(Rows, failures) of the steps in `paths`, {(workload, batch, precision): path of a trace}, on the device here.

    The smallest steps come first, and what map.live_budget_s leaves no time for is a failure that says so.
    """
    device = run.live_device(config)
    if not device or not config.task.live_budget_s:
        return [], []
    until_s = time.monotonic() + config.task.live_budget_s
    plan = plan_of(MEASUREMENT_S, ENERGY_WINDOW_S)
    modes = modes_there(config.baseline.modes, device)
    rows, failures, macs_per_s, skipped, why = [], [], 0.0, 0, "no time was left (map.live_budget_s)"
    keys = [key for key in paths if precision_config(key[2]).trains]
    traces = {key: Trace.load(paths[key]) for key in keys}
    say(f"Measuring on {device}, at most {config.task.live_budget_s:.3g} s (map.live_budget_s)")
    for number, key in enumerate(sorted(keys, key=lambda key: int(traces[key].ops.macs.sum()))):
        on_step(number, len(keys), float("nan"))
        name, batch, precision = key
        macs = int(traces[key].ops.macs.sum())
        needs_s = STEPS * macs / macs_per_s if macs_per_s else 0.0
        if time.monotonic() + needs_s > until_s:
            skipped += 1
            continue
        try:
            check_memory(int(traces[key].live_bytes().max()), config, device)
        except HalfstepError as error:
            failures.append((f"live, {name}, batch {batch}, {precision}", str(error)))
            continue
        for word in ("tf32", precision) if precision == "fp32" and device.startswith("cuda") else (precision,):
            cell = GridCell(name, batch, word, modes)
            workload, asked = shipped.workload_of(config, name), shipped.precision_of(config, word)
            found, refused = measure(cell, device, workload, asked, ("step_and_copy",), plan, config.seed)
            rows += [Row(name, precision, one) for one, _ in found]
            macs_per_s = max([macs_per_s, *(macs / one.step_s for one, _ in found)])
            failures += [(f"live, {name}, batch {batch}, {word}, {one.mode}", one.why) for one in refused]
            if any(one.ends for one in refused):
                until_s, why = -math.inf, UNUSABLE
                break
    if skipped:
        failures.append((f"live measurement of {skipped} further steps", why))
    return rows, failures
