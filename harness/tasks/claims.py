"""task=claims: the claim map, its files, and its runs in MLflow."""

from __future__ import annotations

from dataclasses import replace

from harness.report.claim_map import values
from harness.settings import shipped


def run_claims(config, folder):
    """Judge the claims of `config` over its whole map; returns a small dict."""
    from harness.app import shell_command, tracked
    from harness.flows.claim_map.flow import check_scope, run
    from harness.report.claim_map.answers import headline
    from harness.report.claim_map.tables import counts_table
    from harness.store import pages
    from harness.text.console import console, show

    check_scope(config, shipped.matching(config.map.workloads))  # refused before a store is touched
    out = console()
    name = f"claims {config.accelerator.get('name', '')}"[:22]
    family = {"sweep": f"claims-{pages.sweep_key(folder)}", "columns": pages.CLAIM_COLUMNS}
    with tracked(config, name, out, **family) as (place, run_id, told):
        claim_map = run(config, *told)
        lines = deliver(claim_map, config, folder, place, run_id, shell_command())
    counts = counts_table(claim_map)
    show(out, [counts] if counts.rows else [], [*(f"[bold]{line}[/bold]" for line in headline(claim_map)), *lines])
    return {"folder": str(folder), "cells": len(claim_map.cells)}


def deliver(claim_map, config, folder, place, run_id, command):
    """Write the report and the values, log them, and return the lines for the terminal."""
    from harness.report.claim_map.page import PICTURES, write
    from harness.report.run_values import versions
    from harness.store import files, tracking

    page = write(claim_map, folder, command, versions())
    files.write_json(folder / files.RESULT, values.as_json(claim_map, config, command, versions()))
    maps = sorted(path.name for path in (folder / PICTURES).glob("claim_map*.png"))
    tracking.log(
        place,
        run_id,
        params=values.params(claim_map, config),
        metrics=values.metrics(claim_map),
        tables={"claim_map.json": values.cells_table(claim_map)},
        description=values.description(claim_map, command, maps),
        answer=values.answer(claim_map),
        folder=folder,
    )
    family = place and replace(place, parent_run_id=run_id)
    for name, one in values.series_runs(claim_map).items():
        child = tracking.start(family, name)
        tracking.log(place, child, **one)
        tracking.finish(place, child, "FINISHED")
    browse = tracking.browse(place, run_id, "report.html", charts=True)
    return ["", f"Report:  {page}", f"Results: {folder}", *browse]
