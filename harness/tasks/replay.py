"""task=replay: replay a saved trace on the accelerator, without torch."""

from dataclasses import dataclass

from accel_model import Design
from accel_model import replay as replay_on
from accel_model.formats.scalesim_config import load_config
from accel_model.formats.scalesim_topology import save_topology
from accel_model.formats.timeline import save_timeline
from harness.flows.run import nominal_design
from harness.flows.traces import read_trace
from harness.report.listings import replay_table, trace_line, uncounted_line
from harness.settings.errors import ConfigError
from harness.settings.schema import RunConfig
from harness.tasks.job import Job
from harness.text.console import console, show


@dataclass
class ReplayConfig:
    """What task=replay is told."""

    trace: str  # the file to read
    config: str | None  # SCALE-Sim configuration to take the accelerator from
    timeline: str | None  # Perfetto file to write
    topology: str | None  # SCALE-Sim topology to write


SCHEMA = ReplayConfig


def replay(job: Job) -> dict:
    """Replay a saved trace on the nominal design; returns its step time in seconds."""
    settings = job.config.task
    if not settings.trace:
        raise ConfigError("task.trace has no value: give the file of a trace, e.g. task.trace=outputs/trace.halfstep")
    trace, design = read_trace(settings.trace), _design(job.config)
    report = replay_on(trace, design)
    out, lines = console(), []
    out.print(*filter(None, (trace_line(trace), uncounted_line(trace))), sep="\n")
    if settings.timeline:
        save_timeline(settings.timeline, trace, report)
        lines.append(f"Timeline: {settings.timeline} (open it in ui.perfetto.dev)")
    if settings.topology:
        save_topology(trace, settings.topology)
        lines.append(f"SCALE-Sim GEMM topology: {settings.topology}")
    show(out, [replay_table(trace, report)], lines)
    return {"step_s": float(report.step_s[0])}


def _design(config: RunConfig) -> Design:
    return load_config(config.task.config) if config.task.config else nominal_design(config)
