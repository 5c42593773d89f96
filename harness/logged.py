"""What is logged of a run: written beside its results first, so that a store that goes away loses nothing."""

from harness.store import files, tracking

ENTRY = "logged.json"  # keyword arguments of tracking.log
AWAY = "The store went away while this was logged; resume=true logged it anew."


def log(config, folder, place, run_id, entry):
    """Record the run in `folder` as finished, and log `entry` (keyword arguments of tracking.log) and its files.

    Raises TrackingError; resume=true then logs the same later, without computing it again.
    """
    files.write_json(folder / ENTRY, entry)
    files.mark_finished(config, folder, run_id)
    tracking.log(place, run_id, **entry, folder=folder)


def missing(config, earlier, place):
    """The entry of the run that finished in the folder `earlier`, if the store at `place` lacks it, or None.

    A run that the store has joins the sweep of `place`, where that is a sweep's.
    """
    entry = files.read_json(earlier / ENTRY)
    if place is None or entry is None:
        return None
    run_id = files.finished_run(config)
    status = tracking.status(place, run_id)
    if status == "FINISHED":
        tracking.join(place, run_id)
        return None
    if status:
        tracking.abandon(place, run_id, "FAILED", AWAY)
    return entry
