"""A workload as a training step: built, fed, trained and timed. What needs torch loads on first use."""

from harness import on_first_use

__getattr__ = on_first_use(__name__, ("layers", "modes", "step", "train"))
