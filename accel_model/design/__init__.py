"""Accelerators as a table: its fields and what they may hold, its files, and spaces of designs around one."""

from accel_model.design.table import LARGEST_GRID, Design, from_choices

__all__ = ["LARGEST_GRID", "Design", "from_choices"]
