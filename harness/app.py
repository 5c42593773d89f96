"""One job of the command line: read the settings, do the task, write the results, show them."""

import contextlib
import logging
import sys
from dataclasses import replace
from pathlib import Path

from harness.settings.schema import TaskName, to_config
from harness.tasks import TRACE

LOG = logging.getLogger(__name__)
SHOWN = 16  # rows of a table in the terminal


def job(node):
    """Do what the composed settings say; raises an error that harness.tasks.failures explains. Returns a small dict."""
    from hydra.core.hydra_config import HydraConfig

    from harness import tasks
    from harness.tasks.record import record

    config = to_config(node)
    folder = Path(HydraConfig.get().runtime.output_dir)
    others = {
        TaskName.capture: tasks.capture,
        TaskName.replay: tasks.replay,
        TaskName.baselines: tasks.baselines,
        TaskName.validate: tasks.validate,
        TaskName.record: record,
        TaskName.claims: tasks.claims,
        TaskName.explore: tasks.explore,
    }
    return others.get(config.task.name, run_task)(config, folder)


def run_task(config, folder):
    """Train, capture, replay, compare, judge, log."""
    from harness import logged
    from harness.flows import run
    from harness.store import files, tracking
    from harness.text.console import console, show

    run.nominal_design(config)  # refused before anything slow
    out = console()
    if config.resume and (earlier := files.finished(config)):
        out.print(f"Done already with the same settings: {earlier} (resume=false runs it again)")
        found = files.read_json(earlier / files.RESULT)
        files.write_json(folder / files.RESULT, found | {"resumed_from": str(earlier)})
        if entry := logged.missing(config, earlier, place_of(config)):
            with tracked(config, run_name(config), out) as (place, run_id, _):
                logged.log(config, earlier, place, run_id, entry)
            show(out, [], ["Logged now, since the tracking store did not have it.", *tracking.browse(place, run_id)])
        return {"folder": str(earlier)}
    with tracked(config, run_name(config), out) as (place, run_id, told):
        result = run.run(config, *told)
        shown = deliver(result, config, folder, place, run_id)
    show(out, *shown)
    return {"folder": str(folder)}


def place_of(config):
    """The Place where this job logs: its sweep's, or its own, created where it is missing; None: tracking is off."""
    from hydra.core.hydra_config import HydraConfig

    from harness.store import tracking
    from harness.tasks.sweep import read_parent

    hydra = HydraConfig.get()
    place = read_parent(hydra.sweep.dir) if hydra.mode.name == "MULTIRUN" else None
    return place or tracking.prepare(config.tracking)


@contextlib.contextmanager
def tracked(config, name, out, sweep="", columns=()):
    """An MLflow run around what is done, under progress: yields (place, run id, (say, on_step)).

    The run is FINISHED at the end, and KILLED or FAILED, with the reason, where an error leaves.
    sweep, columns: the tag and the saved view's columns of the runs that this one is to be the parent of.
    """
    from hydra.core.hydra_config import HydraConfig

    from harness.settings.errors import TrackingError
    from harness.store import tracking
    from harness.store.files import RESULT
    from harness.tasks.failures import explained, forget
    from harness.text.console import progress

    place = place_of(config)
    if place and sweep:
        place = replace(place, sweep=sweep)
    run_id = tracking.start(place, name, columns)
    try:
        with progress(out) as (say, on_step):

            def told(text):
                LOG.info(text)
                say(text)

            yield place, run_id, (told, on_step)
        tracking.finish(place, run_id, "FINISHED")
    except BaseException as error:
        killed = isinstance(error, KeyboardInterrupt)
        is_away = isinstance(error, TrackingError) and tracking.is_server(place)  # asked again, it is waited for again
        if not is_away:
            tracking.abandon(place, run_id, "KILLED" if killed else "FAILED", explained(error) or repr(error))
        forget(error)
        folder = Path(HydraConfig.get().runtime.output_dir)
        if isinstance(error, TrackingError) and (folder / RESULT).is_file():
            raise TrackingError(
                f"{error}. Nothing is lost: all results are in {folder}, and the same command with resume=true logs "
                f"them without computing them again"
            ) from None
        raise


def deliver(result, config, folder, place, run_id):
    """Write the result files, log them, and return (tables, lines) for the terminal."""
    from hydra.core.hydra_config import HydraConfig

    from harness import logged
    from harness.report import layers, run, run_values
    from harness.report.pictures import layers
    from harness.store import files, tracking
    from harness.text.table import shortened

    command = shell_command()
    text = run.markdown(result, config, command)
    by_layer = layers.layer_table(result)
    result.trace.save(folder / TRACE)
    files.write(folder / "summary.md", text)
    files.write_json(folder / "layers.json", by_layer)
    picture = layers.layers(layers.folded(by_layer), *run_values.layer_title(result))
    files.write(folder / "layers.png", picture)
    if rows := run_values.speedup_rows(result):
        files.write(folder / "speedups.png", layers.speedups(rows, *run_values.speedup_title(config)))
    files.write_json(folder / files.RESULT, run_values.as_json(result, config, command))
    entry = {
        "params": run_values.params(result, config),
        "metrics": run_values.metrics(result, config),
        "series": run_values.series(result),
        "tables": {"layers_table.json": by_layer},
        "description": run.note(result, config, text, bool(rows)),
        "answer": run.answer(result, config),
    }
    logged.log(config, folder, place, run_id, entry)
    lines = [f"[bold]{line}[/bold]" for line in run.headline(result, config)]
    lines += run.remarks(result, config)
    is_sweep = HydraConfig.get().mode.name == "MULTIRUN"
    lines += ["", f"Results: {folder}", *([] if is_sweep else tracking.browse(place, run_id, charts=True))]
    found = run.tables(result, config)
    return ([] if is_sweep else [shortened(table, SHOWN) for table in found]), lines


def run_name(config):
    """A name of at most 22 characters, the most telling part first."""
    from harness.settings.shipped import short_name

    return f"{short_name(config.workload.name)} b{config.batch_size} {config.precision.name}"[:22]


def chosen(name):
    """Whether the command line sets `name`, a setting or a group."""
    from hydra.core.hydra_config import HydraConfig

    return any(one.lstrip("+~").partition("=")[0] == name for one in HydraConfig.get().overrides.task)


def shell_command():
    """The command that makes this run again, as it was called: by its name, or as a module where it has none."""
    from hydra.core.hydra_config import HydraConfig

    overrides = list(HydraConfig.get().overrides.task)
    program = "python -m harness" if sys.argv[0].endswith("__main__.py") else "halfstep"
    return " ".join([program, *(f"'{one}'" if set(one) & set(" []{}*?,&|;$") else one for one in overrides)])
