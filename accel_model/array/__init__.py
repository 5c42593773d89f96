"""Systolic arrays: cycles, traffic and tiles of the MAC operations, for any number of designs at once."""
