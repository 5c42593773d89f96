"""How the report words one baseline, one verdict and one break-even."""

from __future__ import annotations

import math
from collections.abc import Iterable

from baselines import Measurement
from baselines.vocabulary import SCOPES
from harness.flows.claim_map.values import Cell
from harness.judging.breakeven import Answer
from harness.judging.claims import Verdict, share_text, speedup
from harness.settings.metrics import METRICS, metric_text
from harness.settings.schema import ClaimConfig
from harness.text.shown import LONGEST_SOURCE, shown
from harness.text.units import milli, quantity, times

DATASETS = {"imagenet": "ImageNet", "cifar10": "CIFAR-10", "mnist": "MNIST", "text": "text"}
KINDS = {
    "live": "live: measured in this run",
    "recorded": "recorded: measured with this program, on another machine",
    "published": "published: printed by others",
    "placed": "placed: the array placed and routed on an FPGA, its time modelled",
}
DEVICE_KINDS = {"gpu": "GPU", "cpu": "CPU", "fpga": "FPGA", "other": "other"}
FEW = 0.1  # share of the completions below which it is said how few support a claim
KEYS = ("all", "some", "undecided", "none", "impossible", "context")
"""What a cell can say: a verdict's outcome, where `none` splits off what physics rules out, or that it is context."""

NONE = {  # how it reads where no value of a parameter of break-even meets a claim
    "macs": "no number of MAC units",
    "clock_hz": "no clock",
    "dram_bytes_per_s": "no bandwidth",
    "buffer_bytes": "no on-chip memory",
}


def few_support(verdicts: Iterable[Verdict]) -> str:
    """What share of the completions supports a claim where that is below FEW, or ""."""
    shares = [one.supported_share for one in verdicts if one.decides and one.outcome in ("all", "some")]
    few = [share for share in shares if share < FEW]
    if not few:
        return ""
    most = f"by {'at most ' if len(few) > 1 else ''}{share_text(max(few))} of the completions"
    return f" ({most})" if len(few) == len(shares) else f" ({len(few)} of them {most})"


def key_of(verdict: Verdict) -> str:
    """The one of KEYS that a Verdict says."""
    if not verdict.decides:
        return "context"
    return "impossible" if verdict.outcome == "none" and verdict.impossible else verdict.outcome


def dataset(workload: str) -> str:
    """The data set of a workload as people write it, from the first word of its name."""
    first = workload.split("_")[0]
    return DATASETS.get(first, first)


def device(baseline: Measurement) -> str:
    """The baseline's device with its year."""
    name = shown(baseline.device)
    return f"{name} ({baseline.year})" if baseline.year else name


def source(baseline: Measurement) -> str:
    """Where the baseline's figure comes from: its source and the place in it."""
    return "; ".join(shown(one, LONGEST_SOURCE) for one in (baseline.source, baseline.locator) if one)


def classes(precision: str) -> str:
    """A precision, or several of which it is one: fp32/tf32."""
    return precision.replace("_or_", "/")


def precision(cell: Cell) -> str:
    """The baseline's precision, with the accelerator's where it is another."""
    own = classes(cell.baseline.precision)
    return own if own == cell.step.precision else f"{own} (accelerator {cell.step.precision})"


def mode(baseline: Measurement) -> str:
    """How the baseline ran its step, "" where nobody says."""
    return "" if baseline.mode == "unstated" else baseline.mode


def scope(baseline: Measurement) -> str:
    """What the baseline's time covers."""
    return SCOPES.get(baseline.scope, baseline.scope)


def plural(noun: str, count: int) -> str:
    """`noun` with an s unless `count` is 1."""
    return noun if count == 1 else f"{noun}s"


def asks(claim: ClaimConfig) -> str:
    """What a claim asks for, in words."""
    rule, factor = claim.rule, times(speedup(claim))
    value = rule.text(claim.threshold)
    if value == factor:
        return f"{value} {rule.noun}"
    return f"{value.lstrip('+') if rule.noun.startswith('less') else value} {rule.noun}, {factor}"


def interval(metric: str, values: tuple[float, float, float]) -> str:
    """A claim's value (low, middle, high) as text: the middle with the interval in brackets."""
    low, middle, high = values
    if not math.isfinite(middle):
        return "not known"
    if math.isfinite(low) and math.isfinite(high):
        return f"{metric_text(metric, middle)} [{metric_text(metric, low)} to {metric_text(metric, high)}]"
    if math.isfinite(high):
        return f"{metric_text(metric, middle)} [at most {metric_text(metric, high)}]"
    if math.isfinite(low):
        return f"{metric_text(metric, middle)} [at least {metric_text(metric, low)}]"
    return f"{metric_text(metric, middle)} [no bounds]"


def limit(metric: str, value: float) -> str:
    """A claim's ceiling as text."""
    return metric_text(metric, value) if math.isfinite(value) else "none known"


def as_speedup(metric: str, value: float) -> float:
    """The speed-up (of energy: the factor saved) that a value of a metric stands for; infinite where all is saved."""
    ratio = METRICS[metric].ratio(value)
    return 1 / ratio if ratio > 0 else math.inf


def break_even(answers: dict[str, Answer]) -> str:
    """What it takes to meet a claim, one parameter changed at a time, in a sentence; "" where nobody asked.

    answers: {parameter: harness.judging.breakeven.Answer}.
    """
    met, missed = [], []
    for name, answer in answers.items():
        if math.isfinite(answer.value):
            met.append(f"{quantity(name, answer.value)} ({times(answer.factor)})")
        else:
            missed.append(f"{NONE[name]} does" + (f": {answer.why}" if answer.why else ""))
    parts = [f"meets it from {', '.join(met)}"] if met else []
    return "; ".join(parts + missed)


def spread(verdict: Verdict) -> str:
    """The step's time with the best, the median and the worst completion."""
    return " / ".join(milli(one.step_s) for one in (verdict.best, verdict.median, verdict.worst))
