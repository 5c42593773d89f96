"""task=replay: replay a saved trace on the accelerator, without torch."""

from dataclasses import dataclass
from typing import Any

from accel_model import Design, Report, Trace
from accel_model import replay as replay_on
from accel_model.formats.scalesim_config import load_config
from accel_model.formats.scalesim_topology import save_topology
from accel_model.formats.timeline import save_timeline
from harness.capture import chakra
from harness.flows.run import nominal_design
from harness.flows.traces import is_execution_trace, read_recording, read_trace
from harness.report.listings import replay_table, trace_line, uncounted_line
from harness.settings.errors import ConfigError
from harness.settings.fields import above_zero, check
from harness.settings.schema import RunConfig
from harness.tasks.job import Job
from harness.text.console import console, show
from harness.text.units import ms


@dataclass
class ReplayConfig:
    """What task=replay is told."""

    trace: str  # the file to read
    config: str | None  # SCALE-Sim configuration to take the accelerator from
    timeline: str | None  # Perfetto file to write
    topology: str | None  # SCALE-Sim topology to write
    chakra: str | None  # execution trace to write, with durations
    step: int | None  # of an execution trace
    memory_mb: int | None = above_zero(2048, "MB")  # that an execution trace may take

    def __post_init__(self):
        check(self, "task")


SCHEMA = ReplayConfig
OF_EXECUTION_TRACES = ("chakra", "step", "memory_mb")


def replay(job: Job) -> dict:
    """Replay a saved trace on the nominal design; returns its step time in seconds."""
    settings = job.config.task
    if not settings.trace:
        raise ConfigError("task.trace has no value: give the file of a trace, e.g. task.trace=outputs/trace.halfstep")
    recording, trace = _read(settings)
    design = _design(job.config)
    report = replay_on(trace, design)
    out, lines = console(), []
    out.print(*filter(None, (trace_line(trace), _step_line(trace), uncounted_line(trace))), sep="\n")
    if settings.timeline:
        save_timeline(settings.timeline, trace, report)
        lines.append(f"Timeline: {settings.timeline} (open it in ui.perfetto.dev)")
    if settings.topology:
        save_topology(trace, settings.topology)
        lines.append(f"SCALE-Sim GEMM topology: {settings.topology}")
    if settings.chakra:
        lines += _exported(settings.chakra, recording, report)
    show(out, [replay_table(trace, report)], lines)
    return {"step_s": float(report.step_s[0])}


def _read(settings) -> tuple[Any, Trace]:
    """(the Recording of an execution trace or None, the Trace)."""
    if is_execution_trace(settings.trace):
        recording = read_recording(settings.trace, settings.step, settings.memory_mb)
        return recording, recording.trace
    for name in OF_EXECUTION_TRACES:
        if getattr(settings, name) is not None:
            raise ConfigError(
                f"task.{name} is set, and task.trace={settings.trace} is no execution trace: give one of "
                f"torch.profiler.ExecutionTraceObserver (.json, .json.gz), or task.{name}=null"
            )
    return None, read_trace(settings.trace)


def _step_line(trace: Trace) -> str:
    """Which of the steps of an execution trace was taken, "" for another trace."""
    count = trace.meta.get("steps", 0) if trace.meta.get("source") == "chakra" else 0
    if count == 1:
        return f"Step taken: {trace.meta['step']}."
    return f"Step taken: {trace.meta['step']}, one of {count}; task.step=N takes another." if count else ""


def _exported(path: str, recording: Any, report: Report) -> list[str]:
    exported = chakra.export.save(path, recording, report.op_s[0])
    told = (
        f"Execution trace: {path}, {exported.nodes} calls with their simulated duration, {ms(exported.total_s)} in sum"
    )
    return [told, *filter(None, (exported.text,))]


def _design(config: RunConfig) -> Design:
    return load_config(config.task.config) if config.task.config else nominal_design(config)
