"""The settings of a run: conf/ as checked values."""

from pathlib import Path

CONF = Path(__file__).resolve().parents[2] / "conf"
