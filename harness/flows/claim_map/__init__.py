"""The claim map: every workload, batch and baseline, judged."""
