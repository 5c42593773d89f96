"""A ClaimMap as plain values: what goes into its JSON file, and into MLflow."""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness.flows.claim_map.values import Cell, ClaimMap, Step
from harness.judging.claims import OUTCOMES, verdict_text
from harness.report.claim_map.answers import WORDS, answers, headline
from harness.report.claim_map.cells import row
from harness.report.run_values import verdict_values
from harness.report.words import few_support
from harness.settings.metrics import metric_text
from harness.settings.schema import RunConfig
from harness.settings.shipped import short_name
from harness.store.keys import run_key
from harness.store.tracking import Entry
from harness.text.shown import as_code, as_markdown_text, shown
from harness.text.units import digits

SCHEMA = 1
SHOWN = (
    "workload",
    "batch_size",
    "device",
    "kind",
    "mode",
    "precision",
    "scope",
    "year",
)  # columns of a table for people


def params(claim_map: ClaimMap, config: RunConfig) -> dict:
    """{name: value} of the settings that tell one claim map from another."""
    return {
        "accelerator": claim_map.accelerator,
        "completions": claim_map.completions,
        "claims": ", ".join(claim_map.claims),
        "workloads": ", ".join(dict.fromkeys(step.workload for step in claim_map.steps.values())),
        "precisions": ", ".join(config.task.precisions),
        "batches": ", ".join(map(str, config.task.batches)),
        "model_error": f"{digits(claim_map.model_error.low, 3)} to {digits(claim_map.model_error.high, 3)}",
        "seed": config.seed,
        "fingerprint": run_key(config),
    }


def metrics(claim_map: ClaimMap, cells: Iterable[Cell] | None = None) -> dict[str, float]:
    """{name: float} of verdicts by claim and outcome, over all cells or the given ones."""
    cells = claim_map.cells if cells is None else cells
    found = {}
    for index, name in enumerate(claim_map.claims):
        verdicts = [cell.verdicts[index] for cell in cells if cell.verdicts[index].decides]
        for outcome in OUTCOMES:
            found[f"verdict/{name}_{outcome}_count"] = sum(one.outcome == outcome for one in verdicts)
        found[f"verdict/{name}_impossible_count"] = sum(one.impossible for one in verdicts)
    return found


def series_runs(claim_map: ClaimMap) -> dict[str, Entry]:
    """{run name: Entry}, one run for each workload and precision, by batch size."""
    runs = {}
    for name, precision in dict.fromkeys((step.workload, step.precision) for step in claim_map.steps.values()):
        steps = [one for one in claim_map.steps.values() if (one.workload, one.precision) == (name, precision)]
        cells = [cell for cell in claim_map.cells if (cell.step.workload, cell.step.precision) == (name, precision)]
        runs[f"{short_name(name)} {precision}"[:22]] = Entry(
            params={
                "workload": name,
                "precision": precision,
                "accelerator": claim_map.accelerator,
                "batches": ", ".join(str(step.batch_size) for step in steps),
                "completions": claim_map.completions,
            },
            metrics=metrics(claim_map, cells),
            series=by_batch(steps, cells),
            tables={"cells.json": cells_table(claim_map, cells)} if cells else {},
            description=series_note(claim_map, name, precision, cells),
            answer=series_answer(claim_map, cells),
        )
    return runs


def by_batch(steps: list[Step], cells: Iterable[Cell]) -> dict[str, dict[int, float]]:
    """{metric: {batch size: value}} of simulated steps and of the fastest measured device at each batch."""
    found = {
        "time/simulated_nominal_ms": {s.batch_size: 1e3 * s.nominal_s for s in steps},
        "time/simulated_best_ms": {s.batch_size: 1e3 * s.best_s for s in steps},
        "time/simulated_worst_ms": {s.batch_size: 1e3 * s.worst_s for s in steps},
        "time/floor_ms": {s.batch_size: 1e3 * s.floor_s for s in steps},
        "throughput/simulated_nominal_per_s": {s.batch_size: s.samples_per_s for s in steps},
        "throughput/simulated_best_per_s": {s.batch_size: s.batch_size / s.best_s for s in steps},
        "energy/simulated_per_sample_mj": {s.batch_size: 1e3 * s.energy_j / s.batch_size for s in steps},
    }
    fastest = {}
    for cell in cells:
        if cell.baseline.kind != "placed":
            batch = cell.step.batch_size
            fastest[batch] = max(fastest.get(batch, 0.0), cell.baseline.samples_per_s)
    return found | ({"throughput/fastest_measured_per_s": fastest} if fastest else {})


def cells_table(claim_map: ClaimMap, cells: Iterable[Cell] | None = None) -> dict[str, list]:
    """{column: list}, one row a cell: the baseline, the verdict on each claim and both times, as people read them."""
    columns = {}
    for cell in claim_map.cells if cells is None else cells:
        values = row(claim_map, cell, 0)
        values |= {"measured_ms": 1e3 * cell.measured_s[1], "simulated_ms": 1e3 * cell.simulated_s[1]}
        for verdict in cell.verdicts:
            metric = claim_map.claims[verdict.claim].metric
            values[f"{verdict.claim} verdict"] = verdict_text(verdict)
            values[f"{verdict.claim} nominal"] = metric_text(metric, verdict.nominal.value[1])
            values[f"{verdict.claim} ceiling"] = metric_text(metric, verdict.ceiling)
        verdicts = [name for name in values if name.endswith(" verdict")]
        others = [name for name in values if " " in name and name not in verdicts]
        names = [*SHOWN[:3], *verdicts, "measured_ms", "simulated_ms", *SHOWN[3:], *others]
        for name in names:
            columns.setdefault(name, []).append(values[name])
    return columns


def description(claim_map: ClaimMap, command: str, maps: list[str]) -> str:
    """The parent run's description in Markdown: the answer, where to look, the claim map's pictures.

    maps: file names of the pictures.
    """
    short = " ".join(f"{one.claim} ({one.asks}): {one.short}." for one in answers(claim_map))
    lines = [f"**{as_markdown_text(short)}**", *(f"- {as_markdown_text(line)}" for line in headline(claim_map))]
    where = [
        "[**The report**](artifact:report.html)",
        "[every cell](artifact:claim_map.json)",
        "the same as a file: [cells.csv](artifact:cells.csv)",
    ]
    pictures = [f"![Claim map](artifact:pictures/{name})" for name in maps]
    return "\n\n".join([*lines[:1], " · ".join(where), *lines[1:], *pictures, f"Made by {as_code(command)}."])


def answer(claim_map: ClaimMap) -> str:
    """The answer to each claim in a few words."""
    told = []
    for index, one in enumerate(answers(claim_map)):
        few = few_support(cell.verdicts[index] for cell in claim_map.cells)
        told.append(f"{one.claim}: {one.short}{few}")
    return "; ".join(told)


def series_note(claim_map: ClaimMap, name: str, precision: str, cells: Iterable[Cell]) -> str:
    """The description of one workload's run in Markdown."""
    lines = [f"**{as_markdown_text(series_answer(claim_map, cells))}.**", ""]
    where = as_markdown_text(f"{name} at {precision} on {shown(claim_map.accelerator)}")
    lines.append(f"{where}, over batch size (the step of each metric).")
    for index, claim in enumerate(claim_map.claims):
        texts = {}
        for cell in cells:
            if cell.verdicts[index].decides:
                word = cell.verdicts[index].outcome
                texts[word] = texts.get(word, 0) + 1
        counted = ", ".join(f"{count} {WORDS[word]}" for word, count in texts.items()) or "no baseline decides"
        lines.append(f"- {as_markdown_text(claim)}: {counted}")
    lines += ["", "Every comparison: [cells.json](artifact:cells.json)."] if cells else []
    return "\n".join(lines)


def series_answer(claim_map: ClaimMap, cells: Iterable[Cell]) -> str:
    """How many comparisons of one workload and precision support each claim, in a few words."""
    told = []
    for index, claim in enumerate(claim_map.claims):
        outcomes = [cell.verdicts[index].outcome for cell in cells if cell.verdicts[index].decides]
        if outcomes:
            told.append(f"{claim}: {sum(one in ('all', 'some') for one in outcomes)} of {len(outcomes)} supported")
    return "; ".join(told) or "no baseline decides"


def as_json(claim_map: ClaimMap, config: RunConfig, command: str, versions: dict[str, str]) -> dict:
    """Everything that the claim map holds, as plain values with units in their names."""
    return {
        "schema": SCHEMA,
        "command": command,
        "versions": versions,
        "params": params(claim_map, config),
        "metrics": metrics(claim_map),
        "headline": headline(claim_map),
        "model_error": {
            "low": claim_map.model_error.low,
            "high": claim_map.model_error.high,
            "basis": claim_map.model_error.basis,
        },
        "open_values": [
            {"name": one.name, "nominal": one.nominal, "values": one.values, "source": one.source}
            for one in claim_map.open_values
        ],
        "steps": [step_values(step) for step in claim_map.steps.values()],
        "cells": [cell_values(claim_map, cell) for cell in claim_map.cells],
        "failures": [{"what": what, "why": why} for what, why in claim_map.failures],
    }


def step_values(step: Step) -> dict:
    """A Step as plain values."""
    return {
        "workload": step.workload,
        "batch_size": step.batch_size,
        "precision": step.precision,
        "macs": step.macs,
        "nominal_s": step.nominal_s,
        "best_s": step.best_s,
        "median_s": step.median_s,
        "worst_s": step.worst_s,
        "floor_s": step.floor_s,
        "by_phase_s": step.by_phase_s,
        "by_bound_s": step.by_bound_s,
        "energy_j": step.energy_j,
        "effects": [
            {"value": one.name, "factor": one.factor, "fastest": one.fastest, "slowest": one.slowest}
            for one in step.effects
        ],
    }


def cell_values(claim_map: ClaimMap, cell: Cell) -> dict:
    """A Cell as plain values."""
    one = cell.baseline
    return {
        "workload": cell.step.workload,
        "batch_size": cell.step.batch_size,
        "precision": cell.step.precision,
        "device": one.device,
        "kind": one.kind,
        "mode": one.mode,
        "scope": one.scope,
        "baseline_precision": one.precision,
        "source": one.source,
        "locator": one.locator,
        "measured_s": cell.measured_s,
        "simulated_s": cell.simulated_s,
        "speedup": cell.speedup,
        "remarks": cell.remarks,
        "verdicts": [verdict_values(verdict) for verdict in cell.verdicts],
        f"without_parity_at_{claim_map.without_parity or 'none'}": [verdict_values(v) for v in cell.without_parity],
        "break_even": {
            claim: {name: None if math.isnan(answer.value) else answer.value for name, answer in answers.items()}
            for claim, answers in zip(claim_map.claims, cell.break_even, strict=True)
        },
    }
