"""Gemmini, a generated accelerator: the convolutions of ResNet-50 without its host's work."""

from collections.abc import Callable
from dataclasses import replace

from accel_model.chips.convolutions import from_convolutions
from accel_model.chips.nvdla import estimated_layers
from accel_model.design import Design
from accel_model.engine import replay
from accel_model.trace import Trace


def figures(rows: list[dict[str, str]], resnet50: Callable[[int], Trace] | None) -> dict[tuple, tuple[float, str]]:
    """{(chip, workload, layer, batch, metric): (simulated, remark)}; see accel_model/chips/validation.py."""
    single = [replace(layer, batch=1) for _, layer in estimated_layers(rows, "ResNet50 inference")]
    report = replay(from_convolutions(single, "int8"), Design.load("gemmini"), per_op=False)
    key = ("Gemmini 16x16 (Rocket host)", "ResNet-50 inference", "whole", "1", "throughput")
    return {key: (1 / float(report.step_s[0]), "convolutions and fc only; the host's work is left out")}
