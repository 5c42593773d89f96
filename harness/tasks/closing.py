"""The end of a sweep: what its jobs found is shown, and logged to their parent run, which is closed."""

import logging

from harness.report import listings
from harness.report.pictures.sweep import sweep
from harness.settings.errors import OutputError, TrackingError
from harness.store import files, tracking
from harness.text.console import console, show
from harness.text.shown import as_code
from harness.text.table import as_markdown

LOG = logging.getLogger(__name__)


def close_parent(place, folder, planned):
    """Show what the sweep's jobs found, log it to their parent run, and close that.

    planned: jobs of the sweep, or None where only those that started are known.
    """
    table = files.sweep_table(folder)
    started = sum(path.is_dir() and path.name.isdigit() for path in folder.iterdir())
    done, of = len(table.get("run", [])), max(planned or 0, started)
    answer = f"{done} of {of} runs finished"
    told = answer if started == of else f"{answer}, {of - started} of them were not started"
    shown = [listings.sweep_table(table)] if done else []
    show(console(), shown, [f"{told}: {folder}", *tracking.browse(place, place.parent_run_id, charts=True)])
    rows, pictures = listings.sweep_rows(table), []
    try:
        if rows:
            pictures.append(folder / "sweep.png")
            files.write(pictures[0], sweep(rows, f"{answer}: time of a training step, measured over simulated"))
        picture = "![Measured and simulated time of each run](artifact:sweep.png)\n" if pictures else ""
        again = "" if done == of else " The same command with `resume=true` goes on with it."
        text = [f"**{told}.**{again} Results in {as_code(folder)}.", "", picture, *map(as_markdown, shown), ""]
        entry = tracking.Entry(
            params={"folder": folder},
            metrics={"sweep/finished_count": done, "sweep/unfinished_count": of - done},
            tables={"sweep.json": table} if done else {},
            description="\n".join(text),
            answer=told,
        )
        tracking.log(place, place.parent_run_id, entry, files=pictures)
        killed = started < of or (done < of and tracking.killed(place))
        tracking.finish(place, place.parent_run_id, "FINISHED" if done == of else "KILLED" if killed else "FAILED")
    except (TrackingError, OutputError) as error:
        LOG.error("the sweep's parent run is left open: %s", error)
