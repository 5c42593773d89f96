"""A workload as a training step: built, fed, trained and timed."""
