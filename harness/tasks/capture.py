"""task=capture: save the trace of one training step, captured without memory or device."""

from dataclasses import dataclass
from pathlib import Path

from harness.flows.traces import captured
from harness.report.listings import trace_line, uncounted_line
from harness.store.files import TRACE
from harness.tasks.job import Job
from harness.text.console import console


@dataclass
class CaptureConfig:
    """What task=capture is told."""

    trace: str | None  # the file to write


SCHEMA = CaptureConfig


def capture(job: Job) -> dict:
    """Save the trace of one training step; returns its path."""
    config = job.config
    trace = captured(config.workload, config.precision, config.batch_size, config.strict)
    path = Path(config.task.trace or job.folder / TRACE)
    trace.save(path)
    lines = (trace_line(trace), uncounted_line(trace), f"Saved: {path}")
    console().print(*filter(None, lines), sep="\n")
    return {"trace": str(path)}
