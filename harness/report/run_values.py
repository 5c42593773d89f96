"""A run's Result as plain values: what goes into its JSON file, and into MLflow."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from harness.flows.run import Result
from harness.judging.claims import OUTCOMES, Verdict, speedup, verdict_text
from harness.report import words
from harness.report.layers import caption
from harness.settings.schema import RunConfig
from harness.store.keys import run_key
from harness.store.pages import SECTIONS
from harness.text.shown import shown

if TYPE_CHECKING:
    import numpy as np

PACKAGES = ("halfstep", "torch", "torchvision", "numpy", "mlflow", "hydra-core")
SCHEMA = 1


def layer_title(result: Result) -> tuple[str, str, str]:
    """(title, name of the measured device or "", caption) of the picture of layers."""
    device, meta = shown(result.training.measurement.device) if result.training else "", result.trace.meta
    step = f"{meta['workload']}, batch {meta['batch_size']}, {meta['precision']}"
    return f"{step}: time of a training step by layer", device, caption(result.layer_times)


def speedup_rows(result: Result) -> list[tuple[str, float, float, float, float]]:
    """(label, low, middle, high, ceiling) of the speed-up over the fastest row of each device that decides."""
    fastest = {}
    for one, verdicts in zip(result.comparisons, result.verdicts, strict=True):
        key = (one.baseline.device, one.baseline.precision)
        counts = any(verdict.decides for verdict in verdicts)
        if counts and (key not in fastest or one.gain[1, 0] < fastest[key].gain[1, 0]):
            fastest[key] = one
    rows = []
    for one in sorted(fastest.values(), key=lambda one: -one.gain[1, 0]):
        low, middle, high = (1 + float(value) for value in one.gain[:, 0])
        row = one.baseline
        label = f"{shown(row.device)} ({row.year or row.kind}), b{row.batch_size}, {words.classes(row.precision)}"
        rows.append((label, low, middle, high, 1 / float(one.floor_ratio.min())))
    return rows


def speedup_title(config: RunConfig) -> tuple[str, dict[str, float]]:
    """(title, {label: speed-up}) of the picture of speed-ups."""
    title = f"{config.workload.name}, {config.precision.name}: speed-up over the fastest row of each device"
    return title, {name: speedup(claim) for name, claim in config.claim.items()}


def params(result: Result, config: RunConfig) -> dict:
    """{name: value} of the settings that tell runs apart."""
    return {
        "workload": config.workload.name,
        "batch_size": config.batch_size,
        "precision": config.precision.name,
        "data": config.data.name,
        "device": result.training.measurement.device if result.training else "none",
        "accelerator": str(result.design.name[0]),
        "completions": len(result.completions),
        "optimizer": config.workload.optimizer.name.value,
        "lr": config.workload.optimizer.lr,
        "seed": config.seed,
        "fingerprint": run_key(config),
    }


def metrics(result: Result, config: RunConfig) -> dict[str, float]:
    """{name: float}; names have one slash, which makes the chart's section, and a unit. The most telling come first."""
    report, training = result.report, result.training
    simulated_s = float(report.step_s[0])
    measured = training.measurement if training else None
    found = {"time/measured_step_ms": 1e3 * measured.step_s} if training else {}
    found |= {
        "time/simulated_step_ms": 1e3 * simulated_s,
        "time/floor_step_ms": 1e3 * float(report.floor_s[0]),
        "throughput/simulated_samples_per_s": config.batch_size / simulated_s,
        "throughput/simulated_utilisation_pct": 100 * float(report.utilisation[0]),
        "energy/simulated_per_step_mj": 1e3 * float(report.energy_j[0]),
        "trace/macs_per_step_g": int(result.trace.ops.macs.sum()) / 1e9,
        "trace/peak_memory_gb": int(result.trace.live_bytes().max(initial=0)) / 1e9,
    }
    for name, values in report.by_bound().items():
        found[f"bound/{name}_ms"] = 1e3 * float(values[0])
    if training:
        found |= {
            "time/measured_iqr_ms": 1e3 * measured.iqr_s,
            "time/measured_iqr_pct": 100 * measured.iqr_s / measured.step_s,
            "time/measured_training_s": training.wall_s,
            "throughput/measured_samples_per_s": measured.samples_per_s,
            "time/saved_vs_live_pct": 100 * (1 - simulated_s / measured.step_s),
            "throughput/gain_vs_live_pct": 100 * (measured.step_s / simulated_s - 1),
            "energy/measured_per_step_mj": 1e3 * measured.energy_j,
        }
        for one in (each.baseline for each in result.comparisons):
            if one.kind == "live" and one is not measured:
                found[f"time/measured_{one.mode}_{one.scope}_ms"] = 1e3 * one.step_s
        if training.samples.real:
            found["train/accuracy_pct"] = 100 * training.accuracy
    for index, name in enumerate(config.claim):
        for outcome in OUTCOMES:
            found[f"verdict/{name}_{outcome}_count"] = sum(
                each[index].decides and each[index].outcome == outcome for each in result.verdicts
            )
    known = {name: value for name, value in found.items() if math.isfinite(value)}
    return dict(sorted(known.items(), key=lambda item: SECTIONS.index(item[0].partition("/")[0])))


def series(result: Result) -> dict[str, np.ndarray]:
    """{name: float (steps,)} of what changes from step to step."""
    if not result.training:
        return {}
    return {
        "train/loss": result.training.losses,
        "time/measured_each_step_ms": 1e3 * result.training.measurement.samples_s,
    }


def as_json(result: Result, config: RunConfig, command: str) -> dict:
    """Everything a run found, as plain values with units in their names."""
    return {
        "schema": SCHEMA,
        "command": command,
        "versions": versions(),
        "params": params(result, config),
        "metrics": metrics(result, config),
        "design": result.design.to_rows()[0],
        "macs_by_phase": result.trace.macs_by_phase(),
        "uncounted": result.trace.uncounted,
        "live": _measurement(result.training.measurement) if result.training else None,
        "modes_left_out": [{"mode": one.mode, "why": one.why} for one in result.modes_left_out],
        "comparisons": [
            {
                "baseline": _measurement(one.baseline),
                "measured_s": one.measured_s,
                "simulated_s": one.simulated_s[:, 0],
                "floor_s": one.floor_s[0],
                "time_reduction": one.reduction[:, 0],
                "throughput_gain": one.gain[:, 0],
                "remarks": one.remarks,
                "verdicts": [verdict_values(v) for v in verdicts],
            }
            for one, verdicts in zip(result.comparisons, result.verdicts, strict=True)
        ],
        "ceiling": {
            "workload": result.ceiling.workload,
            "macs_per_sample": result.ceiling.macs_per_sample,
            "samples_per_s": result.ceiling.samples_per_s,
        }
        if result.ceiling
        else None,
    }


def verdict_values(verdict: Verdict) -> dict:
    """A Verdict as plain values."""
    one = verdict
    return {
        "claim": one.claim,
        "text": verdict_text(one),
        "outcome": one.outcome,
        "decides": one.decides,
        "why_not": one.scope,
        "completions": one.counts,
        "threshold": one.threshold,
        "ceiling": one.ceiling,
        "impossible": one.impossible,
        "nominal_outcome": one.nominal_outcome,
        **{name: asdict(getattr(one, name)) for name in ("nominal", "best", "median", "worst")},
        "supporters_share": one.common,
        "binding": one.binding,
        "reason": one.reason,
    }


def versions() -> dict[str, str]:
    """{package: version} of what decides a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _measurement(one):
    return {
        "device": one.device,
        "kind": one.kind,
        "year": one.year,
        "model": one.model,
        "variant": one.variant,
        "batch_size": one.batch_size,
        "precision": one.precision,
        "mode": one.mode,
        "scope": one.scope,
        "step_s": one.step_s,
        "iqr_s": one.iqr_s,
        "samples_s": one.samples_s,
        "energy_j": one.energy_j,
        "energy_note": one.energy_note,
        "relative_uncertainty": one.relative_uncertainty,
        "confidence": one.confidence,
        "source": one.source,
        "locator": one.locator,
        "notes": one.notes,
        "context": one.context,
    }
