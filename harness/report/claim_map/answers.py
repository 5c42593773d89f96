"""The answer to each claim, in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass

from harness.flows.claim_map.values import ClaimMap
from harness.judging.claims import contradiction
from harness.report.words import DEVICE_KINDS, asks, dataset, key_of, plural
from harness.text.units import number

WORDS = {
    "all": "supported by all completions",
    "some": "supported by some",
    "undecided": "undecided",
    "none": "refuted by all",
    "impossible": "refuted at any utilisation",
}
CLASSES = tuple(WORDS)


@dataclass(frozen=True)
class ClaimAnswer:
    """What the claim map says of one claim."""

    claim: str
    statement: str
    asks: str  # the threshold, in words
    short: str  # the answer in a few words
    counts: dict  # {one of CLASSES: comparisons}, of those that decide
    devices: int  # distinct ones among them

    @property
    def total(self) -> int:
        """Comparisons that decide."""
        return sum(self.counts.values())


def answers(claim_map: ClaimMap) -> list[ClaimAnswer]:
    """The ClaimAnswer to each claim, in their order."""
    return [_answer(claim_map, index, name, claim) for index, (name, claim) in enumerate(claim_map.claims.items())]


def headline(claim_map: ClaimMap) -> list[str]:
    """The answer in plain sentences: of each claim, by device and data set, and what physics allows."""
    lines = []
    for index, answer in enumerate(answers(claim_map)):
        if not answer.total:
            lines.append(f"{answer.claim} ({answer.asks}): no verdict, since no baseline here can decide it.")
            continue
        lines.append(f"{answer.claim} ({answer.asks}): {answer.short}. {sentence(answer)}")
        if len(split := by_kind(claim_map, index)) > 1:
            each = "; ".join(f"{kind} on {data}: {counted(counts)}" for (kind, data), counts in split.items())
            lines.append(f"{answer.claim} by device and data set: {each}.")
    return [*lines, *remarks(claim_map)]


def remarks(claim_map: ClaimMap) -> list[str]:
    """What stands beside the answers: the ceiling that physics sets, and whether the claims contradict each other."""
    return [*ceiling(claim_map), *filter(None, [contradiction(claim_map.claims)])]


def sentence(answer: ClaimAnswer) -> str:
    """The counts of a ClaimAnswer in a sentence."""
    return (
        f"Of {answer.total} {plural('comparison', answer.total)} that the claim can rest on, with "
        f"{answer.devices} {plural('device', answer.devices)}, "
        f"{counted(answer.counts)}."
    )


def counted(counts: dict[str, int]) -> str:
    """{class: count} in words, those of zero left out."""
    shown = [f"{counts[key]} {WORDS[key]}" for key in CLASSES if counts.get(key)]
    return ", ".join(shown) or "none decides"


def by_kind(claim_map: ClaimMap, index: int) -> dict[tuple[str, str], dict[str, int]]:
    """{(device kind, data set): {class: count}} of the verdicts on the claim at `index` that decide."""
    split = {}
    for cell in claim_map.cells:
        if (key := key_of(cell.verdicts[index])) != "context":
            kind = DEVICE_KINDS.get(cell.baseline.device_kind, cell.baseline.device_kind)
            counts = split.setdefault((kind, dataset(cell.step.workload)), dict.fromkeys(CLASSES, 0))
            counts[key] += 1
    return dict(sorted(split.items()))


def ceiling(claim_map: ClaimMap) -> list[str]:
    """What physics allows on the workload of the most MACs, in a sentence; [] where nothing was simulated."""
    steps = [step for step in claim_map.steps.values() if step.floor_s > 0]
    if not steps:
        return []
    heaviest = max(steps, key=lambda step: step.macs / step.batch_size).workload
    step = max((s for s in steps if s.workload == heaviest), key=lambda step: step.batch_size / step.floor_s)
    nominal, best = step.samples_per_s, step.batch_size / step.best_s
    return [
        f"Ceiling of the workload with the most MACs per sample: with every MAC unit busy in every cycle, "
        f"{step.workload} ({step.precision}, batch "
        f"{step.batch_size:,}) cannot exceed {number(step.batch_size / step.floor_s)} samples/s; the best "
        f"completion reaches {number(best)}, the nominal one {number(nominal)}."
    ]


def _answer(claim_map, index, name, claim):
    keys = [key_of(cell.verdicts[index]) for cell in claim_map.cells]
    counts = {key: keys.count(key) for key in CLASSES}
    devices = {cell.baseline.device for cell, key in zip(claim_map.cells, keys, strict=True) if key != "context"}
    kinds = {}
    for cell, key in zip(claim_map.cells, keys, strict=True):
        if key != "context":
            kinds.setdefault(cell.baseline.device_kind, dict.fromkeys(CLASSES, 0))[key] += 1
    short = "; ".join(f"{DEVICE_KINDS.get(kind, kind)}s: {_short(each)}" for kind, each in sorted(kinds.items()))
    return ClaimAnswer(
        name, claim.statement, asks(claim), short if len(kinds) > 1 else _short(counts), counts, len(devices)
    )


def _short(counts):
    won, total = counts["all"] + counts["some"], sum(counts.values())
    if not total:
        return "no verdict"
    if counts["all"] == total:
        return "yes, against every baseline and with every completion"
    if won == total:
        return "against every baseline, but only with some completions"
    if counts["all"]:
        return f"only against {won} of {total}"
    if won:
        return f"only with some completions, and only against {won} of {total}"
    if counts["undecided"]:
        return f"not shown: supported against none, undecided against {counts['undecided']} of {total}"
    return f"no, against none of {total}"
