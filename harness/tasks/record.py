"""task=record: measure workloads on the device here and write a baseline file for each measurement."""

import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import baselines
from baselines.recorded import RECORDED, read_recorded
from baselines.vocabulary import MODES, RECORDED_SCOPES
from harness.settings import shipped
from harness.settings.errors import ConfigError, RecordError
from harness.settings.fields import above_zero, between, check, some_of
from harness.settings.schema import RunConfig
from harness.store import files
from harness.tasks.job import Job
from harness.text.console import console, progress, show
from harness.text.shown import shown
from harness.text.table import Table
from harness.text.units import ms
from harness.training.grid import GridCell, Left, grid, remaining, work_through
from harness.training.modes import measure, modes_there, plan_of

LOG = logging.getLogger(__name__)
LONGEST_NAME = 100  # letters of a device in the name of a file
VENDORS = {"nvidia", "amd", "intel", "apple", "r", "tm", "cpu", "processor"}  # words left out of file names


@dataclass
class RecordConfig:
    """What task=record measures, and where it goes; an empty list stands for the run's own value."""

    folder: str | None
    workloads: list[str]  # names or patterns
    precisions: list[str]
    batches: list[int] = above_zero("1,64", "samples a step", filled=False)
    modes: list[str] = some_of(MODES)
    scopes: list[str] = some_of(RECORDED_SCOPES)
    budget_s: float = above_zero(480, "s")
    measurement_s: float = above_zero(10, "s")
    energy_window_s: float = between(0, 600, 2, "s")

    def __post_init__(self):
        check(self, "record")


SECTION, SCHEMA = "record", RecordConfig


def record(job: Job) -> dict:
    """Record what the settings ask for; returns how many measurements were recorded and how many are left.

    Raises RecordError where nothing could be recorded.
    """
    config, settings = job.config, job.config.task
    until_s = time.monotonic() + settings.budget_s
    if config.baseline.device == "none":
        raise ConfigError("baseline.device is none: recording needs a device, e.g. baseline.device=auto")
    device = baselines.best_device(config.baseline.device)
    name = baselines.device_context(device)["device"]
    target = Path(settings.folder or RECORDED)
    wanted = cells(config, device)
    done = done_keys(of_device(target, name), settings.scopes) if config.resume else set()
    todo = remaining(wanted, done)
    out = console()
    out.print(f"Recording on {shown(name)}: {_count(todo)} of {_count(wanted)} measurements to make, for {target}")
    written, left = recorded(todo, config, device, target, until_s, out)
    there = of_device(target, name)
    lines = [f"Recorded {len(written)} measurements in {target}"]
    lines += [f"Go on with: {job.command}"] if left and config.resume else []
    show(out, [recorded_table(name, there)] + ([left_table(left)] if left else []), lines)
    if left and not (written or (config.resume and there)):
        raise RecordError(f"nothing was recorded: {left[0].why}")
    return {"recorded": len(written), "left": _count(one.cell for one in left)}


def recorded(
    todo: list[GridCell], config: RunConfig, device: str, target: Path, until_s: float, out: Any
) -> tuple[list[Path], list[Left]]:
    """(paths written to the folder `target`, Lefts) of the GridCells; none begins after `until_s` on the clock."""
    plan = plan_of(config.task.measurement_s, config.task.energy_window_s)
    written = []
    with progress(out) as (say, on_step):

        def begin(number, cell):
            say(f"[{number}/{len(todo)}] {cell.workload} b{cell.batch_size} {cell.precision}")
            on_step(number - 1, len(todo), float("nan"))

        def measured(cell):
            workload = shipped.workload_of(config, cell.workload)
            precision = shipped.precision_of(config, cell.precision)
            found, refusals = measure(cell, device, workload, precision, config.task.scopes, plan, config.seed)
            for one, text in found:
                written.append(target / file_name(one))
                files.write(written[-1], text)
                times = f"{ms(one.step_s)} ± {ms(one.iqr_s / 2)}, {one.samples_per_s:.4g} samples/s"
                out.print(f"  {written[-1].stem}: {times}")
            for one in refusals:
                out.print(f"  {cell.workload} b{cell.batch_size} {cell.precision} {one.mode}: {one.why}")
            return refusals

        return written, work_through(todo, measured, until_s, begin=begin)


def cells(config: RunConfig, device: str) -> list[GridCell]:
    """The GridCells that the settings ask for on a torch device, the most telling first."""
    settings = config.task
    modes = modes_there(settings.modes, device)
    if not modes:
        asked = ",".join(dict.fromkeys(settings.modes))
        raise ConfigError(f"record.modes is [{asked}] and {device} has no CUDA graphs: give record.modes=[eager]")
    precisions = tuple(dict.fromkeys(settings.precisions or [config.precision.name]))
    for precision in precisions:
        if not shipped.precision_of(config, precision).trains:
            raise ConfigError(f"precision {precision} is simulated only: record fp32, tf32, bf16 or fp16")
    if not (settings.workloads or settings.batches or settings.precisions):
        return [GridCell(config.workload.name, config.batch_size, config.precision.name, modes)]
    names = shipped.matching(settings.workloads) if settings.workloads else [config.workload.name]
    own_batches = {name: shipped.workload_of(config, name).batch_size for name in names}
    return grid(own_batches, settings.batches or [config.batch_size], precisions, modes)


def of_device(folder, name):
    """The recorded Measurements in `folder` of the device of that name; invalid files are left out with a warning."""
    there, refused = read_recorded(folder)
    for _, error in refused:
        LOG.warning("left out: %s", error)
    return [one for one in there if one.device == name]


def done_keys(measurements, scopes):
    """The set of keys, as `GridCell.key` gives them, of which every scope is among `measurements`."""
    found = {((one.workload, one.batch_size, one.precision, one.mode), one.scope) for one in measurements}
    return {key for key, _ in found if all((key, scope) in found for scope in scopes)}


def file_name(measurement):
    """A readable file name that tells a measurement from every other of the same device."""
    one = measurement
    device = "_".join(word for word in _words(one.device) if word not in VENDORS)[:LONGEST_NAME] or "device"
    workload = "_".join(_words(one.workload))
    return f"{device}_{workload}_b{one.batch_size}_{one.precision}_{one.mode}_{one.scope}.json"


def recorded_table(device_name, measurements):
    """What is recorded of the device of that name, a row for each workload and precision."""
    rows = {}
    for one in measurements:
        rows.setdefault((one.workload, one.precision), []).append(one)
    texts = []
    for (workload, precision), found in sorted(rows.items()):
        best = max(found, key=lambda one: one.samples_per_s)
        texts.append(
            (
                workload,
                precision,
                ", ".join(map(str, sorted({one.batch_size for one in found}))),
                ", ".join(sorted({one.mode for one in found})),
                str(sum(one.unstable for one in found)),
                f"{best.samples_per_s:.4g} (batch {best.batch_size}, {best.mode})",
            )
        )
    columns = ("workload", "precision", "batches", "modes", "unstable", "most samples/s")
    return Table(f"Recorded on {shown(device_name)}", columns, tuple(texts))


def left_table(left):
    """What was not measured and why, a row for each reason and workload."""
    rows = {}
    for one in left:
        rows.setdefault((one.cell.workload, one.why), []).append(one.cell)
    texts = []
    for (workload, why), found in rows.items():
        batches = sorted({cell.batch_size for cell in found})
        precisions = dict.fromkeys(cell.precision for cell in found)
        modes = dict.fromkeys(mode for cell in found for mode in cell.modes)
        texts.append(
            (workload, ", ".join(map(str, batches)), ", ".join(precisions), ", ".join(modes), str(_count(found)), why)
        )
    columns = ("workload", "batches", "precisions", "modes", "measurements", "why")
    return Table("Left", columns, tuple(texts))


def _count(found):
    return sum(len(cell.modes) for cell in found)


def _words(text):
    return re.findall(r"[a-z0-9]+", text.lower())
