"""What happens around a sweep: its store is created once, in the parent, and its parent run is closed at its end."""

import atexit
import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

from hydra.experimental.callback import Callback

LOG = logging.getLogger(__name__)
PARENT_FILE = "mlflow_parent.json"


class SweepCallback(Callback):
    """Hydra's hooks: jobs of a sweep read what `on_multirun_start` writes into the sweep's folder."""

    def on_multirun_start(self, config, **_):
        from harness import results, tracking
        from harness.config import TaskName, to_config

        if config.task.name is not TaskName.run:
            return
        place = tracking.prepare(to_config(config.tracking))
        if place is None:
            return
        folder = Path(config.hydra.sweep.dir).absolute()
        name = f"sweep {folder.name[:16]}"
        run_id = tracking.start(place, name, parent=True)
        place = replace(place, parent_run_id=run_id, sweep=name)
        results.write_json(folder / PARENT_FILE, asdict(place))
        # Hydra does not call on_multirun_end where a job failed
        atexit.register(close_parent, place, folder)

    def on_job_end(self, config, job_return, **_):
        from hydra.core.utils import JobStatus

        from harness.failures import explained

        if job_return.status == JobStatus.FAILED and config.hydra.mode.name == "MULTIRUN":
            error = job_return._return_value
            overrides = " ".join(config.hydra.overrides.task)
            LOG.error("the run %s failed: %s", overrides or "with default settings", explained(error) or repr(error))


def close_parent(place, folder):
    """Show what the sweep's jobs found, log it to their parent run, and close that."""
    from harness import listings, tracking
    from harness.console import console, show
    from harness.errors import TrackingError
    from harness.results import sweep_table

    table = sweep_table(folder)
    jobs = sum(path.is_dir() and path.name.isdigit() for path in folder.iterdir())
    done = len(table.get("run", []))
    ui, url = tracking.page(place)
    show(
        console(), [listings.sweep_table(table)] if done else [], [f"{done} of {jobs} runs finished: {folder}", ui, url]
    )
    try:
        tracking.log(
            place,
            place.parent_run_id,
            params={"folder": folder},
            metrics={"sweep/finished_count": done, "sweep/unfinished_count": jobs - done},
            tables={"sweep.json": table} if done else {},
            description=f"Sweep: {done} of {jobs} started runs finished. Results in `{folder}`.",
        )
        tracking.finish(place, place.parent_run_id, "FINISHED" if done == jobs else "FAILED")
    except TrackingError as error:
        LOG.error("the sweep's parent run is left open: %s", error)


def read_parent(folder):
    """The Place that `on_multirun_start` wrote into the sweep's `folder`, or None where there is none."""
    from harness.tracking import Place

    path = Path(folder) / PARENT_FILE
    return Place(**json.loads(path.read_text())) if path.is_file() else None
