"""Claims and verdicts: what one comparison says of a claim, over the whole set of designs that nobody ruled out."""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from harness.settings.schema import ClaimConfig

OUTCOMES = ("all", "some", "undecided", "none")
"""Supported by all completions; by some of them; by none, but left open by some; refuted by every one."""
SINGLE = ("supported", "refuted", "undecided")  # what one design makes of a claim


@dataclass(frozen=True)
class Completion:
    """One design of the set and what it makes of a claim."""

    text: str  # the values that tell it from the others, "" for the nominal design
    step_s: float  # simulated, within the baseline's scope
    value: tuple[float, float, float]  # of the claim's metric, (low, middle, high)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one comparison says of one claim; values of the metric are fractions (0.5 is 50 %) or a speed-up."""

    claim: str
    outcome: str  # over all completions: one of OUTCOMES
    counts: dict  # completions by SINGLE
    nominal_outcome: str  # one of SINGLE
    nominal: Completion
    best: Completion
    median: Completion
    worst: Completion
    threshold: float
    ceiling: float  # the metric's largest value that physics allows any completion
    common: tuple[str, ...]  # what the completions that support the claim share, beyond what all share
    binding: str  # what most of the nominal design's time goes to: compute, dram, buffer, vector, host or launch
    reason: str
    scope: str  # why the claim does not rest on this baseline, or ""

    @property
    def decides(self):
        """Whether the claim speaks of this baseline and nothing keeps the row from deciding."""
        return not self.scope

    @property
    def impossible(self):
        """Whether no design of these MAC units, clock and bandwidth can meet the claim."""
        return self.ceiling < self.threshold

    @property
    def supported_share(self):
        """Share of the completions that support the claim."""
        return self.counts["supported"] / max(sum(self.counts.values()), 1)

    @property
    def open_share(self):
        """Share of the completions that the intervals leave undecided."""
        return self.counts["undecided"] / max(sum(self.counts.values()), 1)


def ratio_of(claim: ClaimConfig) -> float:
    """The largest simulated over measured that meets a claim."""
    return claim.rule.ratio(claim.threshold)


def speedup(claim):
    """The speed-up (or, for energy, the factor saved) that a claim asks for."""
    return 1 / ratio_of(claim)


def judge(claim_name, claim, comparison, workload, completions=None):
    """The Verdict on `claim` (ClaimConfig) of one Comparison; the first design is the nominal one.

    For each design an interval that lies wholly at or above the threshold supports the claim, one wholly below refutes
    it, and one across it leaves it undecided. completions: Completions of the comparison's designs, which name them;
    without it they have no names.
    """
    energy = claim.rule.quantity == "energy"
    ratios = comparison.energy_ratios if energy else comparison.ratios
    low, middle, high = ratios or [np.full(comparison.floor_s.shape, np.nan)] * 3
    values = np.stack([claim.rule.value(one) for one in (high, middle, low)])
    supported, refuted = values[0] >= claim.threshold, values[2] < claim.threshold
    counts = {
        "supported": int(supported.sum()),
        "refuted": int(refuted.sum()),
        "undecided": int((~supported & ~refuted).sum()),
    }
    # physics bounds times; of energies none is known that holds for every design
    ceiling = math.inf if energy else float(claim.rule.value(float(comparison.floor_ratio.min())))
    order = np.argsort(middle, kind="stable")
    nominal, best, median, worst = (
        Completion(
            completions.text(row) if completions else "",
            float(comparison.simulated_s[1, row]),
            tuple(float(value) for value in values[:, row]),
        )
        for row in (0, int(order[0]), int(order[len(order) // 2]), int(order[-1]))
    )
    outcome = outcome_of(counts)
    binding = max(comparison.shares, key=comparison.shares.get, default="")
    return Verdict(
        claim=claim_name,
        outcome=outcome,
        counts=counts,
        nominal_outcome="supported" if supported[0] else "refuted" if refuted[0] else "undecided",
        nominal=nominal,
        best=best,
        median=median,
        worst=worst,
        threshold=claim.threshold,
        ceiling=ceiling,
        common=completions.common(supported) if completions and outcome == "some" else (),
        binding=binding,
        reason=reason(outcome, ceiling, claim, comparison.shares),
        scope=out_of_scope(claim, comparison, workload),
    )


def outcome_of(counts):
    """One of OUTCOMES for the numbers of completions by SINGLE."""
    if counts["supported"]:
        return "some" if counts["refuted"] or counts["undecided"] else "all"
    return "undecided" if counts["undecided"] else "none"


def out_of_scope(claim, comparison, workload):
    """Why `claim` does not rest on this comparison, or "" where it does."""
    baseline = comparison.baseline
    if not any(fnmatchcase(workload, pattern) for pattern in claim.workloads):
        return f"the claim speaks of {', '.join(claim.workloads)}, not of {workload}"
    if baseline.device_kind not in claim.device_kinds:
        return (
            f"the claim speaks of {' and '.join(claim.device_kinds)}, not of {baseline.device_kind}: shown as context"
        )
    if baseline.kind not in claim.kinds:
        return f"the claim rests on {', '.join(claim.kinds)} baselines, and this one is {baseline.kind}"
    since, until = claim.years
    if baseline.year and not since <= baseline.year <= until:
        return f"the claim speaks of {since} to {until}, and this baseline is of {baseline.year}"
    if claim.rule.quantity == "energy" and comparison.energy_ratios is None:
        return f"no energy of it is known ({baseline.energy_note})"
    return comparison.obstacle if claim.parity else comparison.obstacle_without_parity


def reason(outcome, ceiling, claim, shares):
    """One sentence on what binds a verdict."""
    bound, share = max(shares.items(), key=lambda item: item[1], default=("nothing", 0.0))
    spent = f"{share:.0%} of the simulated time is {bound}-bound"
    if ceiling < claim.threshold:
        most = claim.rule.text(ceiling)
        return f"refuted at any utilisation: even with every MAC unit busy {most} is the most; {spent}"
    if outcome == "undecided":
        return f"the intervals of some completions lie across the threshold; {spent}"
    return spent


def overall(verdicts):
    """The counts of the verdicts that decide, as {outcome: count}."""
    return {outcome: sum(v.decides and v.outcome == outcome for v in verdicts) for outcome in OUTCOMES}


def contradiction(claims):
    """A sentence where the thresholds of the claims ask for different speed-ups, or ""."""
    speedups = {name: speedup(claim) for name, claim in claims.items() if claim.rule.quantity == "time"}
    if len(set(np.round(list(speedups.values()), 9))) < 2:
        return ""
    asked = ", ".join(f"{name} asks for {speedup:.3g}x" for name, speedup in speedups.items())
    return f"The claims contradict each other, since time and throughput of the same step are one number: {asked}."


def verdict_text(verdict):
    """One cell: the outcome with the share of completions behind it, or that the row is only context."""
    if not verdict.decides:
        return "context"
    if verdict.outcome == "none":
        return "impossible" if verdict.impossible else "refuted"
    return {
        "all": "supported by all",
        "some": f"supported by {share_text(verdict.supported_share)}",
        "undecided": f"undecided ({share_text(verdict.open_share)} open)",
    }[verdict.outcome]


def share_text(share):
    """A share as text in percent, neither 0 nor 100 % where it is not quite."""
    if 0 < share < 0.01:
        return "<1 %"
    return f"{min(100 * share, 99 if share < 1 else 100):.0f} %"
