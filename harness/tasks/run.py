"""task=run, the main job: train, capture, replay, compare, judge, log."""

from harness.flows import run as flow
from harness.report import layers, run_values
from harness.report import run as report
from harness.report.pictures import layers as layers_picture
from harness.report.pictures.speedups import speedups
from harness.store import files, tracking
from harness.store.keys import run_key
from harness.tasks.job import Job, place_of, run_name, tracked
from harness.text.console import console, show
from harness.text.table import shortened

SHOWN = 16  # rows of a table in the terminal


def run(job: Job) -> dict:
    """Train, capture, replay, compare, judge, log; or, with resume=true, say where that was done already."""
    config = job.config
    flow.nominal_design(config)  # refused before anything slow
    key = run_key(config)
    out = console()
    if config.resume and (earlier := files.finished(config.outputs, key)):
        return _resumed(job, key, earlier, out)
    with tracked(job, run_name(config), out) as (place, run_id, told):
        result = flow.run(config, *told)
        shown = deliver(result, job, key, place, run_id)
    show(out, *shown)
    return {"folder": str(job.folder)}


def _resumed(job, key, earlier, out):
    """Point to the run that finished in the folder `earlier`, and log it where the store lacks it."""
    out.print(f"Done already with the same settings: {earlier} (resume=false runs it again)")
    if earlier.resolve() != job.folder.resolve():
        files.make_way(job.folder, key)
        found = files.read_json(earlier / files.RESULT)
        files.write_json(job.folder / files.RESULT, found | {"resumed_from": str(earlier)})
    if entry := files.missing(job.config.outputs, key, earlier, place_of(job)):
        with tracked(job, run_name(job.config), out) as (place, run_id, _):
            files.log(job.config.outputs, key, earlier, place, run_id, entry)
        show(out, [], ["Logged now, since the tracking store did not have it.", *tracking.browse(place, run_id)])
    return {"folder": str(earlier)}


def deliver(result: flow.Result, job: Job, key: str, place, run_id: str) -> tuple:
    """Write the result files, log them, and return (tables, lines, headline) for the terminal."""
    config, folder, command = job.config, job.folder, job.command
    text = report.markdown(result, config, command)
    by_layer = layers.layer_table(result)
    files.make_way(folder, key)
    result.trace.save(folder / files.TRACE)
    files.write(folder / "summary.md", text)
    files.write_json(folder / "layers.json", by_layer)
    picture = layers_picture.layers(layers.folded(by_layer), *run_values.layer_title(result))
    files.write(folder / "layers.png", picture)
    if rows := run_values.speedup_rows(result):
        files.write(folder / "speedups.png", speedups(rows, *run_values.speedup_title(config)))
    files.write_json(folder / files.RESULT, run_values.as_json(result, config, command))
    entry = tracking.Entry(
        params=run_values.params(result, config),
        metrics=run_values.metrics(result, config),
        series=run_values.series(result),
        tables={"layers_table.json": by_layer},
        description=report.note(result, config, text, bool(rows)),
        answer=report.answer(result, config),
    )
    files.log(config.outputs, key, folder, place, run_id, entry)
    lines = [*report.remarks(result, config), "", f"Results: {folder}"]
    lines += [*([] if job.sweep else tracking.browse(place, run_id, charts=True))]
    found = [] if job.sweep else [shortened(table, SHOWN) for table in report.tables(result, config)]
    return found, lines, report.headline(result, config)
