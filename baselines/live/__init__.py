"""Devices measured here: clocks, modes, energy and the context of a measurement."""
