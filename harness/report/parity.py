"""What the verdicts would be without parity of precision: a sensitivity that is shown and never counted."""

from __future__ import annotations

from harness.report.claim_map.answers import WORDS
from harness.report.words import key_of
from harness.text.table import Table


def parity_table(claim_map):
    """How the verdicts of each workload would change with the accelerator at ClaimMap.without_parity."""
    rows = []
    for workload in dict.fromkeys(cell.step.workload for cell in claim_map.cells):
        for index, name in enumerate(claim_map.claims):
            pairs = [
                (key_of(cell.verdicts[index]), key_of(cell.without_parity[index]))
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
