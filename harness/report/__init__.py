"""The report: what a ClaimMap says, as sentences, tables, one HTML page and the same in Markdown."""

from harness.report.answers import headline
from harness.report.page import PICTURES, write
from harness.report.tables import tables

__all__ = ["PICTURES", "headline", "tables", "write"]
