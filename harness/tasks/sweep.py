"""What happens around a sweep: its store is created once, in the parent, and its parent run is closed at its end."""

import atexit
import logging
from dataclasses import replace
from math import prod
from pathlib import Path

from hydra.experimental.callback import Callback

from harness import tasks
from harness.settings.schema import TrackingConfig, checked
from harness.store import files, pages, tracking
from harness.tasks.failures import explained
from harness.text.shown import message, shown

LOG = logging.getLogger(__name__)
LOGGED = "run"  # the task whose jobs are logged as a sweep's


class SweepCallback(Callback):
    """Hydra's hooks: jobs of a sweep read what `on_multirun_start` writes into the sweep's folder."""

    def on_multirun_start(self, config, **_):
        if config.task.name != LOGGED:
            return
        folder = Path(config.hydra.sweep.dir).absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return  # Hydra meets the same at its first job, and its error reaches the user
        place = tracking.prepare(checked(config.tracking, TrackingConfig, "tracking"))
        if place is None:
            return
        planned = planned_jobs(config.hydra)
        place = replace(place, sweep=pages.sweep_key(folder))
        run_id = tracking.start(place, pages.sweep_name(planned or "?"), pages.RUN_COLUMNS)
        place = replace(place, parent_run_id=run_id)
        files.write_parent(folder, place)
        # Hydra does not call on_multirun_end where a job failed
        atexit.register(tasks.closing.close_parent, place, folder, planned)

    def on_job_end(self, config, job_return, **_):
        from hydra.core.utils import JobStatus

        if job_return.status != JobStatus.FAILED:
            return
        job_return.overrides = [shown(one) for one in job_return.overrides or ()]  # Hydra repeats them before the error
        if config.hydra.mode.name == "MULTIRUN":
            error = job_return._return_value
            overrides = " ".join(map(shown, config.hydra.overrides.task))
            LOG.error(
                "the run %s failed: %s", overrides or "with default settings", message(explained(error) or repr(error))
            )


def planned_jobs(hydra):
    """How many jobs Hydra's own sweeper makes of the command line, or None where another sweeper decides."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if not hydra.sweeper._target_.endswith("BasicSweeper"):
        return None
    given = [f"{key}={value}" for key, value in (hydra.sweeper.params or {}).items()] + list(hydra.overrides.task)
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    lists = {one.get_key_element(): one for one in parser.parse_overrides(given)}  # the last one counts
    sweeps = [one for one in lists.values() if one.is_sweep_override() and one.is_discrete_sweep()]
    return prod(len(list(one.sweep_string_iterator())) for one in sweeps)
