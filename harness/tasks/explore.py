"""task=explore: search a design space, keep the Pareto front, go on where a search was interrupted."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accel_model.design.space import Space
from harness.flows.explore.checkpoint import load_state, save_state, save_table
from harness.flows.explore.sampler import sampled
from harness.flows.explore.search import LIMITS, ExploreConfig, Problem, front, grid, key_of, metrics_of, start, widest
from harness.flows.run import nominal_design
from harness.flows.traces import captured, read_trace
from harness.report import exploration
from harness.report.listings import trace_line
from harness.report.pictures.pareto import pareto
from harness.settings.errors import ExploreError
from harness.settings.schema import RunConfig
from harness.store import files, tracking
from harness.tasks.job import LONGEST_NAME, Job, run_name, tracked
from harness.text.console import console, show

CHECKPOINT_S = 1.0  # seconds of search that a killed process loses at most, beside the batch it was at
EVERY_S = 10  # seconds between lines of progress off a terminal
FRONT = "pareto.parquet"
SECTION, SCHEMA = "explore", ExploreConfig


def explore(job: Job) -> dict:
    """Search explore.space, write the front and its pictures, log them, show them; returns the folder."""
    config = job.config
    nominal = nominal_design(config)
    space = Space.around(config.accelerator, config.task.space, str(nominal.name[0]), "explore.space")
    out = console()
    problem = problem_of(config, space, out.print)
    with tracked(job, f"explore {run_name(config)}"[:LONGEST_NAME], out) as (place, run_id, (say, on_step)):
        say(f"Replaying designs around {space.name}")
        state, was_interrupted = searched(problem, config, out, on_step)
        rows = front(problem, state.rows)
        if not len(rows["excess"]) and not was_interrupted:
            raise ExploreError(exploration.nothing(problem, state))
        own, whole = metrics_of(problem, nominal), is_grid(problem, config)
        found = exploration.Outcome(problem, state, rows, nominal, own, whole)
        lines = written(found, job, was_interrupted)
        shown = [exploration.table(found)], lines
        if was_interrupted:
            show(out, *shown)
            raise KeyboardInterrupt
        lines += logged(found, job, place, run_id)
    show(out, *shown)
    return {"folder": str(job.folder)}


def problem_of(config: RunConfig, space: Space, say: Callable) -> Problem:
    """The Problem of the settings, with the trace that task.trace names or a captured one."""
    settings = config.task
    if settings.trace:
        trace = read_trace(settings.trace)
    else:
        say(f"Capturing a training step of {config.workload.name} at batch {config.batch_size}")
        trace = captured(config.workload, config.precision, config.batch_size, config.strict)
    say(trace_line(trace))
    limits = {name: getattr(settings, name) for name in LIMITS if hasattr(settings, name)}
    return Problem(trace, space, widest(trace), tuple(settings.objectives), limits)


def is_grid(problem: Problem, config: RunConfig) -> bool:
    """Whether every design of the space is replayed."""
    return problem.space.count <= config.task.grid_most


def searched(problem: Problem, config: RunConfig, out: Any, on_step: Callable) -> tuple:
    """(State, whether it was interrupted) of the search, gone on with from its checkpoint where resume=true."""
    settings, whole = config.task, is_grid(problem, config)
    key = key_of(problem, **({} if whole else {"population": settings.population, "seed": config.seed}))
    path = Path(config.outputs) / "explore" / f"{key}.parquet"
    state, total = start(problem), problem.space.count if whole else settings.trials
    try:
        earlier = load_state(path, problem, key)
    except ExploreError as error:
        out.print(f"{error}: it is not used, and the exploration starts anew")
        earlier = None
    if earlier and config.resume:
        state = earlier
        is_done = "Done already" if state.done >= total else "Going on after"
        out.print(f"{is_done}, {state.done:,} of {total:,} designs: {path}")
    elif earlier and earlier.done < total:
        out.print(
            f"An interrupted exploration of {earlier.done:,} designs is replaced; resume=true would go on with it"
        )
    steps = grid(problem, state) if whole else sampled(problem, state, total, settings.population, config.seed)
    interrupted, saved, tell = False, time.monotonic(), teller(out, on_step, state.done, total)
    try:
        for state in steps:
            tell(min(state.done, total))
            if time.monotonic() - saved > CHECKPOINT_S:
                save_state(path, problem, state, key)
                saved = time.monotonic()
    except KeyboardInterrupt:
        interrupted = True
    save_state(path, problem, state, key)
    return state, interrupted


def teller(out, on_step, first, total):
    """A function of the designs done that shows them with their rate: a bar, or a line now and then off a terminal."""
    began = said = time.monotonic()

    def tell(done):
        nonlocal said
        now = time.monotonic()
        per_s = (done - first) / max(now - began, 1e-9)
        on_step(done, total, f"{per_s:,.0f} designs/s")
        if not out.is_terminal and now - said >= EVERY_S:
            said = now
            out.print(f"{done:,} of {total:,} designs, {per_s:,.0f}/s, {(total - done) / per_s:,.0f} s left")

    return tell


def written(found: exploration.Outcome, job: Job, was_interrupted: bool) -> list[str]:
    """Write the result files, and return the lines for the terminal."""
    config, folder, command = job.config, job.folder, job.command
    lines = exploration.lines(found)
    if len(found.rows["excess"]):
        save_table(folder / FRONT, found.columns(), {"command": command})
        title = f"{exploration.subject(config)}: designs around {found.problem.space.name}"
        for kind, data in pareto(found.rows, found.own, title).items():
            files.write(folder / f"pareto.{kind}", data)
    files.write(folder / "summary.md", exploration.markdown(found, config, command))
    if was_interrupted:
        again = command if config.resume else f"{command} resume=true"
        return [*lines, "", f"Interrupted. Nothing is lost: `{again}` goes on.", f"So far: {folder}"]
    files.write_json(folder / files.RESULT, exploration.as_json(found, config, command))
    return lines


def logged(found: exploration.Outcome, job: Job, place: tracking.Place | None, run_id: str) -> list[str]:
    """Log what was written, and return the lines that tell where it is."""
    config, folder = job.config, job.folder
    entry = tracking.Entry(
        params=exploration.params(found, config),
        metrics=exploration.metrics(found),
        tables={"pareto_table.json": exploration.logged(found)},
        description=exploration.note(found, config, job.command),
        answer=exploration.answer(found),
    )
    tracking.log(place, run_id, entry, folder)
    return ["", f"Results: {folder}", *tracking.browse(place, run_id)]
