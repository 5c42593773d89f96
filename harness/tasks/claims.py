"""task=claims: the claim map, its files, and its runs in MLflow."""

from dataclasses import replace

from harness.flows.claim_map.flow import check_scope
from harness.flows.claim_map.flow import run as judge_all
from harness.flows.claim_map.values import ClaimMap, MapConfig
from harness.report.claim_map import values
from harness.report.claim_map.answers import headline
from harness.report.claim_map.page import PICTURES
from harness.report.claim_map.page import write as write_report
from harness.report.claim_map.tables import counts_table
from harness.report.run_values import versions
from harness.settings import shipped
from harness.store import files, pages, tracking
from harness.tasks.job import LONGEST_NAME, Job, tracked
from harness.text.console import console, show

SECTION, SCHEMA = "map", MapConfig


def claims(job: Job) -> dict:
    """Judge the claims over their whole map; returns the folder and how many cells it has."""
    config = job.config
    check_scope(config, shipped.matching(config.task.workloads))  # refused before a store is touched
    out = console()
    name = f"claims {config.accelerator.get('name', '')}"[:LONGEST_NAME]
    sweep = f"claims-{pages.sweep_key(job.folder)}"
    with tracked(job, name, out, sweep, pages.CLAIM_COLUMNS) as (place, run_id, told):
        claim_map = judge_all(config, *told)
        lines = deliver(claim_map, job, place, run_id)
    counts = counts_table(claim_map)
    show(out, [counts] if counts.rows else [], lines, headline(claim_map))
    return {"folder": str(job.folder), "cells": len(claim_map.cells)}


def deliver(claim_map: ClaimMap, job: Job, place: tracking.Place | None, run_id: str) -> list[str]:
    """Write the report and the values, log them, and return the lines for the terminal."""
    config, folder, command = job.config, job.folder, job.command
    page = write_report(claim_map, folder, command, versions())
    files.write_json(folder / files.RESULT, values.as_json(claim_map, config, command, versions()))
    maps = sorted(path.name for path in (folder / PICTURES).glob("claim_map*.png"))
    entry = tracking.Entry(
        params=values.params(claim_map, config),
        metrics=values.metrics(claim_map),
        tables={"claim_map.json": values.cells_table(claim_map)},
        description=values.description(claim_map, command, maps),
        answer=values.answer(claim_map),
    )
    tracking.log(place, run_id, entry, folder)
    family = place and replace(place, parent_run_id=run_id)
    for name, one in values.series_runs(claim_map).items():
        child = tracking.start(family, name)
        tracking.log(place, child, one)
        tracking.finish(place, child, "FINISHED")
    browse = tracking.browse(place, run_id, "report.html", charts=True)
    return ["", f"Report:  {page}", f"Results: {folder}", *browse]
