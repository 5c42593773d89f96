"""The settings of a run: conf/ as checked values."""
