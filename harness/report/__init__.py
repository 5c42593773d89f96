"""The report: what a ClaimMap says, as sentences, tables, one HTML page and the same in Markdown."""

from harness.report.claim_map.answers import headline
from harness.report.claim_map.page import PICTURES, write
from harness.report.claim_map.tables import tables

__all__ = ["PICTURES", "headline", "tables", "write"]
