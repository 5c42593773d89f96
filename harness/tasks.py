"""The tasks beside the main job: capture a trace, replay one, list baselines, validate the model against chips."""

from pathlib import Path

from harness.settings.errors import ConfigError

TRACE = "trace.halfstep"


def capture(config, folder):
    """Save the trace of one training step."""
    from harness.flows.run import captured
    from harness.report.listings import trace_line, uncounted_line
    from harness.text.console import console

    trace = captured(config.workload, config.precision, config.batch_size, config.strict)
    path = Path(config.task.trace or folder / TRACE)
    trace.save(path)
    lines = (trace_line(trace), uncounted_line(trace), f"Saved: {path}")
    console().print(*filter(None, lines), sep="\n")
    return {"trace": str(path)}


def replay(config, folder):
    """Replay a saved trace, or a SCALE-Sim topology, without torch; task.timeline writes it for ui.perfetto.dev."""
    from accel_model import replay as replay_on
    from harness.report import listings
    from harness.text.console import console, show

    if not config.task.trace:
        raise ConfigError("task.trace has no value: give the file of a trace, e.g. task.trace=outputs/trace.halfstep")
    trace, design = read_trace(config.task.trace), _design(config)
    report = replay_on(trace, design)
    out, lines = console(), []
    out.print(*filter(None, (listings.trace_line(trace), listings.uncounted_line(trace))), sep="\n")
    if config.task.timeline:
        from accel_model.formats.timeline import save_timeline

        save_timeline(config.task.timeline, trace, report)
        lines.append(f"Timeline: {config.task.timeline} (open it in ui.perfetto.dev)")
    if config.task.topology:
        from accel_model.formats.scalesim_topology import save_topology

        save_topology(trace, config.task.topology)
        lines.append(f"SCALE-Sim GEMM topology: {config.task.topology}")
    show(out, [listings.replay_table(trace, report)], lines)
    return {"step_s": float(report.step_s[0])}


def baselines(config, folder):
    """List the recorded and published baselines that pass the filters, with their sources."""
    from harness import known
    from harness.app import chosen
    from harness.text.console import console, show

    workload, precision = (getattr(config, name).name if chosen(name) else None for name in ("workload", "precision"))
    tables, lines, count = known.tables(config, workload, precision)
    out = console()
    show(out, tables, [])
    out.print(*lines, sep="\n", markup=False, soft_wrap=True)
    return {"rows": count}


def claims(config, folder):
    """Judge the claims over their whole map."""
    from harness.tasks.claims import run_claims

    return run_claims(config, folder)


def validate(config, folder):
    """Published figures of real chips beside what the model says of the same work."""
    from accel_model.chips.validation import ERROR_COLUMNS, cells, model_errors
    from harness.flows.run import captured
    from harness.report import listings
    from harness.settings import shipped
    from harness.settings.schema import PrecisionConfig
    from harness.store import files
    from harness.text.console import console, show
    from harness.text.table import as_csv, as_markdown

    resnet50, mixed = shipped.load("imagenet_resnet50"), PrecisionConfig("bf16", "bf16", "bfloat16")  # as TPUs train
    table = cells(lambda batch: captured(resnet50, mixed, batch))
    shown = [listings.validation_table(table), listings.validation_errors(table)]
    path = folder / "validation.md"
    files.write(path, "\n".join(as_markdown(one) for one in shown))
    lines = [f"Saved: {path}"]
    if config.task.errors:
        head = "# Signed errors ln(simulated / published) of the model: halfstep task=validate task.errors=FILE\n"
        files.write(config.task.errors, head + as_csv(ERROR_COLUMNS, model_errors(table)))
        lines.append(f"Saved: {config.task.errors}")
    show(console(), shown, lines)
    return {"cells": len(table)}


def explore(config, folder):
    """Search a design space for time, energy and area."""
    from harness.tasks.explore import explore as search

    return search(config, folder)


def read_trace(path):
    """The Trace in the file at `path`, a SCALE-Sim topology (.csv) or a PyTorch execution trace (.json)."""
    from accel_model import Trace

    if str(path).endswith(".csv"):
        from accel_model.formats.scalesim_topology import load_topology

        return load_topology(path)
    if str(path).endswith(".json"):
        from harness.capture.chakra.file import load

        return load(path)
    return Trace.load(path)


def _design(config):
    from harness.flows.run import nominal_design

    if config.task.config:
        from accel_model.formats.scalesim_config import load_config

        return load_config(config.task.config)
    return nominal_design(config)
