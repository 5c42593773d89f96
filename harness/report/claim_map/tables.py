"""Every table of the report, in the order to show them."""

from __future__ import annotations

import math

from harness.flows.claim_map.values import ClaimMap
from harness.judging.claims import share_text, verdict_text
from harness.report import words
from harness.report.claim_map.answers import WORDS, by_kind
from harness.report.claim_map.modes import modes_table
from harness.report.layers import layer_table
from harness.report.panels import ordered
from harness.report.run_values import layer_title
from harness.report.selection import shown_steps, workloads
from harness.settings.metrics import metric_text
from harness.text.shown import LONGEST_SOURCE, shown
from harness.text.table import Table
from harness.text.units import milli, number, percent, times


def tables(claim_map: ClaimMap) -> list[Table]:
    """All tables of a ClaimMap, without those that would be empty."""
    found = [counts_table(claim_map)]
    found += [cells_table(claim_map, workload) for workload in workloads(claim_map)]
    found += [
        steps_table(claim_map),
        some_table(claim_map),
        sensitivity_table(claim_map),
        modes_table(claim_map),
        energy_table(claim_map),
        *(breakeven_table(claim_map, workload) for workload in workloads(claim_map)),
        layers_table(claim_map),
        open_table(claim_map),
        error_table(claim_map),
        sources_table(claim_map),
        failures_table(claim_map),
    ]
    return [table for table in found if table.rows]


def counts_table(claim_map: ClaimMap) -> Table:
    """How many comparisons each verdict has, by claim, device and data set."""
    rows = []
    for index, name in enumerate(claim_map.claims):
        split = by_kind(claim_map, index)
        whole = {key: sum(counts[key] for counts in split.values()) for key in WORDS}
        for (kind, data), counts in split.items():
            rows.append((name, kind, data, str(sum(counts.values())), *(str(counts[key]) for key in WORDS)))
        if len(split) > 1:
            rows.append((name, "all", "all", str(sum(whole.values())), *(str(whole[key]) for key in WORDS)))
    columns = ("claim", "device", "data set", "comparisons", *WORDS.values())
    note = (
        f"Comparisons that a claim can rest on, each over {claim_map.completions:,} completions. Refuted by all counts "
        f"those that some other design of these MAC units, clock and bandwidth could still meet; refuted at any "
        f"utilisation, those that none can."
    )
    return Table("Verdicts by claim, device and data set", columns, tuple(rows), note)


def cells_table(claim_map: ClaimMap, workload: str) -> Table:
    """Every baseline of a workload with the times of both sides and the verdict on each claim."""
    claims = claim_map.claims
    columns = (
        *("baseline", "kind", "batch", "precision", "mode", "covers", "measured (ms)", "simulated (ms)"),
        *claims,
        *(f"{name}: nominal" for name in claims),
        *(f"{name}: ceiling" for name in claims),
        *("best / median / worst completion (ms)", "bound by", "remarks", "source"),
    )
    rows = []
    for cell in ordered(cell for cell in claim_map.cells if cell.step.workload == workload):
        one, verdicts = cell.baseline, cell.verdicts
        metrics = [claims[verdict.claim].metric for verdict in verdicts]
        scopes = dict.fromkeys(f"context: {verdict.scope}" for verdict in verdicts if verdict.scope)
        rows.append(
            (
                *(words.device(one), one.kind, f"{cell.step.batch_size:,}", words.precision(cell), words.mode(one)),
                *(words.scope(one), span(cell.measured_s), span(cell.simulated_s)),
                *(verdict_text(verdict) for verdict in verdicts),
                *(words.interval(m, v.nominal.value) for m, v in zip(metrics, verdicts, strict=True)),
                *(words.limit(m, v.ceiling) for m, v in zip(metrics, verdicts, strict=True)),
                *((words.spread(verdicts[0]), verdicts[0].binding) if verdicts else ("", "")),
                "; ".join([*scopes, *cell.remarks]),
                words.source(one),
            )
        )
    note = (
        "Times are of the step within what the baseline's own time covers. Nominal: the nominal completion; the "
        "verdict is over all of them. Ceiling: every MAC unit busy, or every unavoidable byte at full bandwidth."
    )
    return Table(f"{workload}: every baseline", columns, tuple(rows), note)


def span(times: tuple[float, float, float]) -> str:
    """(low, middle, high) seconds as text in milliseconds."""
    low, middle, high = times
    if not math.isfinite(middle):
        return "not known"
    ends = f"{milli(low)} to {milli(high)}" if math.isfinite(high) else "no bounds"
    return f"{milli(middle)} [{ends}]"


def steps_table(claim_map: ClaimMap) -> Table:
    """Every simulated step: nominal, best, median and worst completion, floor and rate."""
    rows = tuple(
        (
            *(step.workload, f"{step.batch_size:,}", step.precision, number(step.macs / 1e9)),
            *(milli(s) for s in (step.nominal_s, step.best_s, step.median_s, step.worst_s, step.floor_s)),
            *(number(step.samples_per_s), f"{step.floor_s / step.nominal_s:.1%}" if step.nominal_s > 0 else ""),
            milli(step.energy_j / step.batch_size) if math.isfinite(step.energy_j) else "not known",
        )
        for step in claim_map.steps.values()
    )
    columns = (
        *("workload", "batch", "precision", "GMAC", "nominal (ms)", "best (ms)", "median (ms)", "worst (ms)"),
        *("floor (ms)", "nominal samples/s", "floor / nominal", "energy (mJ/sample)"),
    )
    note = (
        "Best, median and worst of all completions. Floor: no design of these MAC units, clock and bandwidth is faster."
    )
    return Table("The simulated step of every workload and batch", columns, rows, note)


def some_table(claim_map: ClaimMap) -> Table:
    """Where a claim holds for some completions only: how many, which, and what they share."""
    rows = []
    for cell in claim_map.cells:
        for verdict in cell.verdicts:
            if verdict.decides and verdict.outcome == "some":
                metric = claim_map.claims[verdict.claim].metric
                rows.append(
                    (
                        *(cell.step.workload, words.device(cell.baseline), f"{cell.step.batch_size:,}", verdict.claim),
                        *(share_text(verdict.supported_share), share_text(verdict.open_share)),
                        "; ".join(verdict.common) or "nothing",
                        f"{verdict.best.text or 'nominal'} ({metric_text(metric, verdict.best.value[1])})",
                        f"{verdict.worst.text or 'nominal'} ({metric_text(metric, verdict.worst.value[1])})",
                    )
                )
    columns = (
        *("workload", "baseline", "batch", "claim", "completions that support it", "left open"),
        *("what those share", "best completion", "worst completion"),
    )
    return Table("Where only some completions support a claim", columns, tuple(rows))


def sensitivity_table(claim_map: ClaimMap) -> Table:
    """How much each open value decides, by workload."""
    rows = tuple(
        (
            *(step.workload, f"{step.batch_size:,}", step.precision, effect.name, times(effect.factor)),
            *(effect.fastest, effect.slowest),
        )
        for step in shown_steps(claim_map)
        for effect in step.effects
    )
    columns = ("workload", "batch", "precision", "open value", "slowest over fastest", "fastest with", "slowest with")
    note = (
        "Geometric mean step times over all completions that have the value; the other open values take all of theirs."
    )
    return Table("Which open values decide", columns, rows, note)


def parity_table(claim_map: ClaimMap) -> Table:
    """How the verdicts of each workload would change with the accelerator at ClaimMap.without_parity."""
    rows = []
    for workload in workloads(claim_map):
        for index, name in enumerate(claim_map.claims):
            pairs = [
                (words.key_of(cell.verdicts[index]), words.key_of(cell.without_parity[index]))
                for cell in claim_map.cells
                if cell.step.workload == workload and cell.without_parity and cell.verdicts[index].decides
            ]
            changed = {}
            for before, after in pairs:
                if before != after:
                    change = f"{WORDS[before]} → {WORDS.get(after, after)}"
                    changed[change] = changed.get(change, 0) + 1
            if pairs:
                text = "; ".join(f"{count}: {change}" for change, count in changed.items()) or "none"
                rows.append((workload, name, str(len(pairs)), text))
    note = (
        f"With the accelerator at {claim_map.without_parity} against baselines of every other precision. That is not "
        f"of equal quality, and no verdict of this report rests on it: it tells how much hangs on the number format."
    )
    columns = ("workload", "claim", "comparisons", "verdicts that would change")
    return Table(f"Without equal precision: {claim_map.without_parity}", columns, tuple(rows), note)


def breakeven_table(claim_map: ClaimMap, workload: str) -> Table:
    """What it takes to meet each claim against every baseline of a workload, one parameter changed at a time."""
    rows = []
    for cell in ordered(cell for cell in claim_map.cells if cell.step.workload == workload):
        for verdict, answers in zip(cell.verdicts, cell.break_even, strict=False):
            if verdict.decides and answers:
                place = (words.device(cell.baseline), f"{cell.step.batch_size:,}", words.precision(cell))
                detail = words.mode(cell.baseline), words.scope(cell.baseline)
                rows.append((*place, *detail, verdict.claim, words.break_even(answers)))
    columns = ("baseline", "batch", "precision", "mode", "covers", "claim", "the nominal design")
    note = "One parameter changed alone, all else as in the nominal design, against the middle of the measured time."
    return Table(f"{workload}: what it takes", columns, tuple(rows), note)


def energy_table(claim_map: ClaimMap) -> Table:
    """Joules of a training sample on both sides, for each baseline whose energy was measured."""
    rows = []
    for cell in claim_map.cells:
        one, step = cell.baseline, cell.step
        if math.isfinite(one.energy_j) and one.energy_j > 0 and math.isfinite(step.energy_j):
            rows.append(
                (
                    *(step.workload, words.device(one), words.mode(one), f"{step.batch_size:,}", words.precision(cell)),
                    milli(one.energy_j / one.batch_size),
                    milli(step.energy_j / step.batch_size),
                    percent(1 - step.energy_j / one.energy_j),
                )
            )
    columns = (
        *("workload", "baseline", "mode", "batch", "precision", "measured (mJ/sample)", "simulated (mJ/sample)"),
        "energy saved",
    )
    note = (
        "Measured: the whole device over the step. Simulated: MAC units, registers, on-chip memory, DRAM and vector "
        "unit of the nominal design, by published energies of single operations; what is not stated of it, such as its "
        "leakage, fans and power supply, is left out."
    )
    return Table("Energy of a training sample", columns, tuple(rows), note)


def layers_table(claim_map: ClaimMap) -> Table:
    """Measured and simulated time of each layer, where the claim map trained its workload."""
    if claim_map.trained is None:
        return Table("Time by layer", (), ())
    columns = layer_table(claim_map.trained)
    factors = {name: 1e3 if name.endswith("_s") else 1 for name in columns}
    names = tuple(
        f"{name[:-2]} (ms)".replace("_", " ") if name.endswith("_s") else name.replace("_", " ") for name in columns
    )
    rows = tuple(
        tuple(plain(value, factors[name]) for name, value in zip(columns, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    )
    return Table(layer_title(claim_map.trained)[0], names, rows)


def plain(value: object, factor: float) -> str:
    """One value of a column of layers as text."""
    if value is None:
        return "not measured"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return shown(value) or "(the model itself)"
    return number(factor * value)


def open_table(claim_map: ClaimMap) -> Table:
    """What the accelerator's file leaves open."""
    rows = tuple((one.name, one.nominal, ", ".join(one.values), one.source) for one in claim_map.open_values)
    note = f"All combinations, and the nominal values, make the {claim_map.completions:,} completions."
    return Table(
        "What nobody states of the accelerator", ("value", "nominal", "completions take", "source"), rows, note
    )


def error_table(claim_map: ClaimMap) -> Table:
    """The published chips behind the model's error."""
    keys = ("quantity", "chip", "workload", "layer", "batch", "metric", "published", "simulated")
    rows = tuple(
        (*(str(row.get(key, "")) for key in keys), percent(math.exp(float(row["log_error"])) - 1))
        for row in claim_map.model_error.cells
    )
    return Table("The model beside published chips", (*keys, "simulated time or energy over published, less 1"), rows)


def sources_table(claim_map: ClaimMap) -> Table:
    """Where every baseline's figure comes from."""
    found = {}
    for cell in claim_map.cells:
        one = cell.baseline
        places, devices, kinds = found.setdefault(one.source, ({}, {}, {}))
        places[shown(one.locator, LONGEST_SOURCE)], devices[shown(one.device)], kinds[one.kind] = None, None, None
    rows = tuple(
        (shown(source, LONGEST_SOURCE), "; ".join(filter(None, places)), ", ".join(devices), ", ".join(kinds))
        for source, (places, devices, kinds) in sorted(found.items())
    )
    return Table("Sources of every baseline", ("source", "where in it", "devices", "kind"), rows)


def failures_table(claim_map: ClaimMap) -> Table:
    """What could not be done, and why."""
    return Table("What could not be done", ("what", "why"), tuple(claim_map.failures))
