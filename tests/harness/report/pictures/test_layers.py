"""Measured and simulated time by layer in one table and one picture, the longest layers apart from the rest."""

import numpy as np
import pytest

from harness.report import layers
from harness.report.pictures import layers as picture
from harness.training.layers import PHASES, LayerTimes


def test_a_reader_is_told_why_nothing_measured_belongs_to_a_layer():
    nothing = LayerTimes((), np.zeros((0, len(PHASES))), 2.0, 0.0, "the profiler saw no work of the device")
    assert "the profiler saw no work of the device" in layers.caption(nothing)


def table(count, unattributed=True):
    rng = np.random.default_rng(0)
    names = [f"block{i}" for i in range(count)]
    columns = {"layer": names, "macs": [1.0] * count, "touched_bytes": [2.0] * count}
    for side in ("simulated", "measured"):
        parts = rng.lognormal(size=(3, count))
        columns[f"{side}_s"] = parts.sum(axis=0).tolist()
        columns |= {f"{side}_{phase}_s": part.tolist() for phase, part in zip(PHASES, parts, strict=True)}
    if unattributed:
        last = {"layer": layers.UNATTRIBUTED, "measured_s": 0.5}
        for name, values in columns.items():
            values.append(last.get(name, None if name.startswith("measured_") else 0.0))
    return columns


@pytest.mark.parametrize("count", [3, 24, 25, 200])
def test_folding_keeps_the_sums_and_the_longest_layers(count):
    whole = table(count)
    short = layers.folded(whole)
    for name in ("simulated_s", "measured_s", "measured_backward_s", "macs"):
        assert layers._sum(short[name]) == pytest.approx(layers._sum(whole[name]))
    assert len(short["layer"]) == min(count, layers.SHOWN + 1) + 1
    assert short["layer"][-1] == layers.UNATTRIBUTED
    assert whole["layer"][int(np.argmax(whole["measured_s"]))] in short["layer"]
    kept = [name for name in short["layer"] if name.startswith("block")]
    assert kept == sorted(kept, key=whole["layer"].index)


@pytest.mark.parametrize("device", ["Imagined 9000", ""])
def test_the_picture_is_drawn_with_and_without_a_measured_side(device):
    drawn = table(40, unattributed=bool(device))
    if not device:
        drawn |= {name: [None] * 40 for name in drawn if name.startswith("measured")}
    assert picture.layers(layers.folded(drawn), "a title", device, "a caption").startswith(b"\x89PNG")
