"""Every cell and claim as one row of plain values, for cells.csv."""

from __future__ import annotations

from harness.flows.claim_map.values import Cell, ClaimMap
from harness.judging.breakeven import PARAMETERS
from harness.judging.claims import verdict_text
from harness.report.words import key_of
from harness.text.table import as_csv


def cells_csv(claim_map: ClaimMap) -> str:
    """The text of cells.csv: one row for each cell and claim, units in the column names, floats in full."""
    rows = [row(claim_map, cell, index) for cell in claim_map.cells for index in range(len(cell.verdicts))]
    return as_csv(list(rows[0]) if rows else ["workload"], rows)


def row(claim_map: ClaimMap, cell: Cell, index: int) -> dict:
    """{column: value} of a Cell and its verdict at `index`."""
    one, step, verdict = cell.baseline, cell.step, cell.verdicts[index]
    claim = claim_map.claims[verdict.claim]
    found = {
        "workload": step.workload,
        "batch_size": step.batch_size,
        "accelerator": claim_map.accelerator,
        "accelerator_precision": step.precision,
        "device": one.device,
        "device_kind": one.device_kind,
        "kind": one.kind,
        "year": one.year or "",
        "model": one.model,
        "variant": one.variant,
        "precision": one.precision,
        "mode": one.mode,
        "scope": one.scope,
        "confidence": one.confidence,
        **ends("measured", cell.measured_s, "_s"),
        **ends("simulated", cell.simulated_s, "_s"),
        **ends("speedup", cell.speedup),
        "claim": verdict.claim,
        "metric": claim.metric,
        "threshold": verdict.threshold,
        **ends("nominal_value", verdict.nominal.value),
        "verdict": key_of(verdict),
        "verdict_text": verdict_text(verdict),
        "decides": verdict.decides,
        "why_context": verdict.scope,
        "nominal_outcome": verdict.nominal_outcome,
        **{f"completions_{name}": count for name, count in verdict.counts.items()},
    }
    for name in ("nominal", "best", "median", "worst"):
        completion = getattr(verdict, name)
        found |= {
            f"{name}_completion_s": completion.step_s,
            f"{name}_completion_value": completion.value[1],
            f"{name}_completion": completion.text,
        }
    found |= {
        "ceiling": verdict.ceiling,
        "impossible": verdict.impossible,
        "bound_by": verdict.binding,
        "common": "; ".join(verdict.common),
        "reason": verdict.reason,
        "step_floor_s": step.floor_s,
        "step_nominal_s": step.nominal_s,
        "step_macs": step.macs,
        "simulated_energy_j": step.energy_j,
        "measured_energy_j": one.energy_j,
    }
    answers = cell.break_even[index] if index < len(cell.break_even) else {}
    for name in PARAMETERS:
        answer = answers.get(name)
        found[f"break_even_{name}"] = answer.value if answer else ""
        found[f"break_even_{name}_factor"] = answer.factor if answer else ""
        found[f"break_even_{name}_why"] = answer.why if answer else ""
    return found | {"source": one.source, "locator": one.locator, "remarks": "; ".join(cell.remarks)}


def ends(name: str, values: tuple[float, float, float], unit: str = "") -> dict[str, float]:
    """{column: value} of an interval (low, middle, high)."""
    return dict(zip((f"{name}_low{unit}", f"{name}{unit}", f"{name}_high{unit}"), values, strict=True))
