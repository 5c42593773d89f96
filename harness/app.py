"""One job of the command line: read the settings, do the task, write the results, show them."""

import logging
import sys
from pathlib import Path

from harness.config import TaskName, to_config
from harness.tasks import TRACE

LOG = logging.getLogger(__name__)
SHOWN = 16  # rows of a table in the terminal


def job(node):
    """Do what the composed settings say; raises an error that harness.failures explains. Returns a small dict."""
    from hydra.core.hydra_config import HydraConfig

    from harness import tasks
    from harness.record import record

    config = to_config(node)
    folder = Path(HydraConfig.get().runtime.output_dir)
    others = {
        TaskName.capture: tasks.capture,
        TaskName.replay: tasks.replay,
        TaskName.baselines: tasks.baselines,
        TaskName.validate: tasks.validate,
        TaskName.record: record,
        TaskName.explore: tasks.explore,
    }
    return others.get(config.task.name, run_task)(config, folder)


def run_task(config, folder):
    """Train, capture, replay, compare, judge, log."""
    from hydra.core.hydra_config import HydraConfig

    from harness import flow, results, tracking
    from harness.callbacks import read_parent
    from harness.console import console, progress, show
    from harness.failures import explained

    flow.nominal_design(config)  # refused before anything slow
    hydra = HydraConfig.get()
    out = console()
    if config.resume and (earlier := results.finished(config)):
        out.print(f"Done already with the same settings: {earlier} (resume=false runs it again)")
        found = results.read_json(earlier / results.RESULT)
        results.write_json(folder / results.RESULT, found | {"resumed_from": str(earlier)})
        return {"folder": str(earlier)}
    place = read_parent(hydra.sweep.dir) if hydra.mode.name == "MULTIRUN" else None
    place = place or tracking.prepare(config.tracking)
    run_id = tracking.start(place, run_name(config))
    try:
        with progress(out) as (say, on_step):

            def told(text):
                LOG.info(text)
                say(text)

            result = flow.run(config, told, on_step)
        shown = deliver(result, config, folder, place, run_id)
        results.mark_finished(config, folder)
    except BaseException as error:
        killed = isinstance(error, KeyboardInterrupt)
        tracking.abandon(place, run_id, "KILLED" if killed else "FAILED", explained(error) or repr(error))
        raise
    tracking.finish(place, run_id, "FINISHED")
    show(out, *shown)
    return {"folder": str(folder)}


def deliver(result, config, folder, place, run_id):
    """Write the result files, log them, and return (tables, lines) for the terminal."""
    from hydra.core.hydra_config import HydraConfig

    from harness import charts, result_values, results, summary, tracking
    from harness.tables import shortened

    command = shell_command()
    text = summary.markdown(result, config, command)
    layers = result_values.layer_table(result)
    result.trace.save(folder / TRACE)
    results.write(folder / "summary.md", text)
    results.write_json(folder / "layers.json", layers)
    results.write(folder / "layers.png", charts.layers(layers, *result_values.layer_title(result, config)))
    if rows := result_values.speedup_rows(result):
        results.write(folder / "speedups.png", charts.speedups(rows, *result_values.speedup_title(config)))
    results.write_json(folder / results.RESULT, result_values.as_json(result, config, command))
    tracking.log(
        place,
        run_id,
        params=result_values.params(result, config),
        metrics=result_values.metrics(result, config),
        series=result_values.series(result),
        tables={"layers_table.json": layers},
        description=text,
        folder=folder,
    )
    ui, url = tracking.page(place, run_id)
    lines = [f"[bold]{line}[/bold]" for line in summary.headline(result, config)]
    lines += summary.remarks(result, config)
    lines += ["", f"Results: {folder}"]
    lines += [f"Browse:  {ui}"] if ui else []
    lines += [f"         {url}"] if url else []
    found = summary.tables(result, config)
    is_sweep = HydraConfig.get().mode.name == "MULTIRUN"
    return ([] if is_sweep else [shortened(table, SHOWN) for table in found]), lines


def run_name(config):
    """A name of at most 22 characters, the most telling part first."""
    short = config.workload.name.removeprefix("imagenet_").removeprefix("mnist_").removeprefix("text_")
    return f"{short} b{config.batch_size} {config.precision.name}"[:22]


def shell_command():
    """The command that makes this run again, as it was called: by its name, or as a module where it has none."""
    from hydra.core.hydra_config import HydraConfig

    overrides = list(HydraConfig.get().overrides.task)
    program = "python -m harness" if sys.argv[0].endswith("__main__.py") else "halfstep"
    return " ".join([program, *(f"'{one}'" if set(one) & set(" []{}*?,&|;$") else one for one in overrides)])
