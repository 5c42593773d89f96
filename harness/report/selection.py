"""What the report picks from a claim map: its workloads, the step of each that is shown, its claims on time."""

from __future__ import annotations

import math

from harness.flows.claim_map.values import ClaimMap, Step
from harness.report import words
from harness.settings.schema import ClaimConfig


def workloads(claim_map: ClaimMap) -> list[str]:
    """Names of the workloads that have cells, in order."""
    return list(dict.fromkeys(cell.step.workload for cell in claim_map.cells))


def shown_steps(claim_map: ClaimMap) -> list[Step]:
    """The Steps that pictures and rankings are made of: that of each profile, else the first of its workload."""
    steps = {workload: profile.step for workload, profile in claim_map.profiles.items()}
    for step in claim_map.steps.values():
        steps.setdefault(step.workload, step)
    return list(steps.values())


def claims_on_time(claim_map: ClaimMap) -> dict[str, ClaimConfig]:
    """{name: ClaimConfig} of the claims on time."""
    return {name: claim for name, claim in claim_map.claims.items() if claim.rule.quantity == "time"}


def measured_energies(claim_map: ClaimMap) -> dict[str, list[tuple[str, float]]]:
    """{workload: [(device and mode, J a sample)]} of the baselines whose energy was measured."""
    found = {}
    for cell in claim_map.cells:
        one = cell.baseline
        if math.isfinite(one.energy_j) and one.energy_j > 0:
            name = ", ".join(filter(None, [words.device(one), words.mode(one)]))
            joules = one.energy_j / one.batch_size
            found.setdefault(cell.step.workload, {})[name, one.batch_size, one.precision] = joules
    return {workload: [(key[0], joules) for key, joules in rows.items()] for workload, rows in found.items()}
