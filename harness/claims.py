"""Claims and verdicts: supported, refuted or undecided, over a whole set of designs."""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from harness.config import Metric

OUTCOMES = ("supported", "refuted", "undecided")


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one comparison says of one claim; intervals are (low, middle, high), as fractions."""

    claim: str
    outcome: str  # of the nominal design: one of OUTCOMES
    value: tuple[float, float, float]  # of the claim's metric, for the nominal design
    threshold: float
    counts: dict  # designs by outcome
    ceiling: float  # the metric's largest value that physics allows
    reason: str
    scope: str  # why the claim does not speak of this baseline, or ""

    @property
    def decides(self):
        """Whether the claim speaks of this baseline and nothing keeps the row from deciding."""
        return not self.scope


def judge(claim_name, claim, comparison, workload):
    """The Verdict on `claim` (ClaimConfig) of one Comparison; the first design is the nominal one.

    An interval that lies wholly at or above the threshold supports the claim, one wholly below refutes it, and one
    across it leaves it undecided.
    """
    metric = comparison.reduction if claim.metric is Metric.time_reduction else comparison.gain
    outcomes = np.where(
        metric[0] >= claim.threshold, "supported", np.where(metric[2] < claim.threshold, "refuted", "undecided")
    )
    ratio = float(comparison.floor_ratio.min())
    ceiling = 1 - ratio if claim.metric is Metric.time_reduction else 1 / ratio - 1 if ratio else math.inf
    return Verdict(
        claim=claim_name,
        outcome=str(outcomes[0]),
        value=tuple(float(value) for value in metric[:, 0]),
        threshold=claim.threshold,
        counts={outcome: int((outcomes == outcome).sum()) for outcome in OUTCOMES},
        ceiling=ceiling,
        reason=reason(str(outcomes[0]), ceiling, claim.threshold, comparison.shares),
        scope=out_of_scope(claim, comparison, workload),
    )


def out_of_scope(claim, comparison, workload):
    """Why `claim` does not rest on this comparison, or "" where it does."""
    baseline = comparison.baseline
    if not any(fnmatchcase(workload, pattern) for pattern in claim.workloads):
        return f"the claim speaks of {', '.join(claim.workloads)}, not of {workload}"
    if baseline.device_kind not in claim.device_kinds:
        return (
            f"the claim speaks of {' and '.join(claim.device_kinds)}, not of {baseline.device_kind}: shown as context"
        )
    return comparison.obstacle


def reason(outcome, ceiling, threshold, shares):
    """One sentence on what binds a verdict."""
    bound, share = max(shares.items(), key=lambda item: item[1], default=("nothing", 0.0))
    spent = f"{share:.0%} of the simulated time is {bound}-bound"
    if ceiling < threshold:
        return f"refuted at any utilisation: even with every MAC unit busy {percent(ceiling)} is the most; {spent}"
    if outcome == "undecided":
        return f"the interval lies across the threshold; {spent}"
    return spent


def overall(verdicts):
    """The counts of the verdicts that decide, as {outcome: count}."""
    return {outcome: sum(v.decides and v.outcome == outcome for v in verdicts) for outcome in OUTCOMES}


def contradiction(claims):
    """A sentence where the thresholds of the claims ask for different speed-ups, or ""."""
    speedups = {name: speedup(claim) for name, claim in claims.items()}
    if len(set(np.round(list(speedups.values()), 9))) < 2:
        return ""
    asked = ", ".join(f"{name} asks for {speedup:.3g}x" for name, speedup in speedups.items())
    return f"The claims contradict each other, since time and throughput of the same step are one number: {asked}."


def speedup(claim):
    """The speed-up that a claim asks for: 1 / (1 - r) for a time reduction r, 1 + g for a throughput gain g."""
    return 1 / (1 - claim.threshold) if claim.metric is Metric.time_reduction else 1 + claim.threshold


def percent(fraction):
    """A signed percentage as text, e.g. +50 % or -12 %."""
    return f"{100 * fraction:+.0f} %".replace("-0 %", "+0 %")
