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
        from accel_model.atomic import write_bytes
        from harness import tracking
        from harness.config import TaskName, to_config_part

        if config.task.name is not TaskName.run:
            return
        place = tracking.prepare(to_config_part(config, "tracking"))
        if place is None:
            return
        folder = Path(config.hydra.sweep.dir)
        name = f"sweep {folder.name[:16]}"
        run_id = tracking.start(place, name, parent=True)
        place = replace(place, parent_run_id=run_id, sweep=name)
        write_bytes(folder / PARENT_FILE, json.dumps(asdict(place)).encode())
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
    """Log what the sweep's jobs found to its parent run, and close it."""
    from harness import tracking
    from harness.sweep import sweep_table

    table, failed, running = sweep_table(folder)
    status = "FAILED" if failed else "KILLED" if running else "FINISHED"
    tracking.log(
        place,
        place.parent_run_id,
        params={},
        metrics={"sweep/finished_runs": len(table["run"]), "sweep/failed_runs": failed},
        tables={"sweep.json": table} if table["run"] else {},
        description=f"Sweep of {len(table['run'])} finished runs; results in `{folder}`.",
    )
    tracking.finish(place, place.parent_run_id, status)


def read_parent(folder):
    """The Place that `on_multirun_start` wrote into the sweep's `folder`, or None where there is none."""
    from harness.tracking import Place

    path = Path(folder) / PARENT_FILE
    return Place(**json.loads(path.read_text())) if path.is_file() else None
