"""task=explore: search a design space, keep the Pareto front, go on where a search was interrupted."""

import time
from pathlib import Path

from accel_model.space import Space
from harness.flows.explore.search import LIMITS, Problem, fingerprint, front, grid, metrics_of, start, widest
from harness.settings.errors import ExploreError

CHECKPOINT_S = 1.0  # seconds of search that a killed process loses at most, beside the batch it was at
EVERY_S = 10  # seconds between lines of progress off a terminal
FRONT = "pareto.parquet"


def explore(config, folder):
    """Search explore.space, write the front and its pictures to `folder`, log them, show them. Returns a small dict."""
    from harness.app import run_name, tracked
    from harness.flows.run import nominal_design
    from harness.text.console import console, show

    nominal = nominal_design(config)
    space = Space.around(config.accelerator, config.explore.space, str(nominal.name[0]), "explore.space")
    out = console()
    problem = problem_of(config, space, out.print)
    with tracked(config, f"explore {run_name(config)}"[:22], out) as (place, run_id, (say, on_step)):
        say(f"Replaying designs around {space.name}")
        state, was_interrupted = searched(problem, config, out, on_step)
        shown = deliver(problem, state, nominal, config, folder, (place, run_id), was_interrupted)
        if was_interrupted:
            show(out, *shown)
            raise KeyboardInterrupt
    show(out, *shown)
    return {"folder": str(folder)}


def problem_of(config, space, say):
    """The Problem of the settings, with the trace that task.trace names or a captured one."""
    from harness.flows.run import captured
    from harness.report.listings import trace_line
    from harness.tasks import read_trace

    if config.task.trace:
        trace = read_trace(config.task.trace)
    else:
        say(f"Capturing a training step of {config.workload.name} at batch {config.batch_size}")
        trace = captured(config.workload, config.precision, config.batch_size, config.strict)
    say(trace_line(trace))
    limits = {name: getattr(config.explore, name) for name in LIMITS if hasattr(config.explore, name)}
    return Problem(trace, space, widest(trace), tuple(config.explore.objectives), limits)


def is_grid(problem, config):
    """Whether every design of the space is replayed."""
    return problem.space.count <= config.explore.grid_most


def searched(problem, config, out, on_step):
    """(State, whether it was interrupted) of the search, gone on with from its checkpoint where resume=true."""
    from harness.flows.explore.checkpoint import load_state, save_state
    from harness.flows.explore.sampler import sampled

    settings, whole = config.explore, is_grid(problem, config)
    of_sampler = {} if whole else {"population": settings.population, "seed": config.seed}
    key = fingerprint(problem, **of_sampler)
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


def deliver(problem, state, nominal, config, folder, logged_to, was_interrupted):
    """Write the result files, log them to `logged_to` (Place, run id), and return (tables, lines) for the terminal.

    Raises ExploreError where nothing that was looked at runs and meets the limits.
    """
    from harness.app import shell_command
    from harness.flows.explore.checkpoint import save_table
    from harness.report import exploration
    from harness.report.pictures.pareto import pareto
    from harness.store import files, tracking

    rows, place, run_id = front(problem, state.rows), *logged_to
    if not len(rows["excess"]) and not was_interrupted:
        raise ExploreError(exploration.nothing(problem, state))
    command = shell_command()
    found = exploration.Outcome(problem, state, rows, nominal, metrics_of(problem, nominal), is_grid(problem, config))
    lines = exploration.lines(found)
    if len(rows["excess"]):
        save_table(folder / FRONT, found.columns(), {"command": command})
        title = f"{exploration.subject(config)}: designs around {problem.space.name}"
        for kind, data in pareto(rows, found.own, title).items():
            files.write(folder / f"pareto.{kind}", data)
    files.write(folder / "summary.md", exploration.markdown(found, config, command))
    if was_interrupted:
        again = command if config.resume else f"{command} resume=true"
        lines += ["", f"Interrupted. Nothing is lost: `{again}` goes on.", f"So far: {folder}"]
        return [exploration.table(found)], lines
    files.write_json(folder / files.RESULT, exploration.as_json(found, config, command))
    tracking.log(
        place,
        run_id,
        params=exploration.params(found, config),
        metrics=exploration.metrics(found),
        tables={"pareto_table.json": exploration.logged(found)},
        description=exploration.note(found, config, command),
        answer=exploration.answer(found),
        folder=folder,
    )
    lines += ["", f"Results: {folder}", *tracking.browse(place, run_id)]
    return [exploration.table(found)], lines
