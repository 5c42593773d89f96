"""Measured against simulated: comparisons, claims, verdicts, what it would take."""
