"""Every picture is drawn, without a warning, for nothing, for one cell and for many, in both themes, as PNG and SVG."""

import io
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from accel_model import Design, replay
from harness.flows.claim_map.values import Profile
from harness.judging.breakeven import curves
from harness.report.claim_map.sections import sections
from harness.report.panels import Panel, panels
from harness.report.pictures.breakeven import breakeven
from harness.report.pictures.canvas import DARK, LIGHT, MARKS, Picture, drawn, png, svg
from harness.report.pictures.completions import completions
from harness.report.pictures.energy import energy
from harness.report.pictures.heatmap import heatmap
from harness.report.pictures.roofline import left_out, ops_of, roofline
from harness.report.pictures.sensitivity import sensitivity
from harness.report.pictures.sweep import sweep
from harness.report.pictures.time import by_phase, time_absolute, time_shares
from harness.report.words import KEYS
from tests.helpers import claim_maps


def check(draw, themes=(LIGHT, DARK)):
    """Draw in each theme, with warnings as errors, and read the bytes back; returns the PNG's size."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for theme in themes:
            dots, lines = drawn(Picture("name", "title", "alt", draw), theme, png, svg)
            image = Image.open(io.BytesIO(dots))
            image.load()
            assert image.format == "PNG" and min(image.size) > 100
            paper = tuple(int(theme.paper[i : i + 2], 16) for i in (1, 3, 5))
            assert np.abs(np.subtract(image.convert("RGB").getpixel((1, 1)), paper)).max() <= 3
            assert ET.fromstring(lines).tag.endswith("svg")
    return image.size


@pytest.mark.parametrize(
    "draw",
    [
        partial(heatmap, Panel("none", "nothing", (), (), (), {})),
        partial(completions, [], {}, "nothing"),
        partial(time_shares, [], "nothing"),
        partial(time_absolute, [], "nothing"),
        partial(energy, [], {}, "nothing"),
    ],
    ids=lambda draw: draw.func.__name__,
)
def test_a_picture_of_nothing_is_an_empty_frame(draw):
    check(draw)


@pytest.mark.parametrize(
    "rows",
    [
        [("mnist_mlp, b32, fp32", 330.0, 0.1557)],
        [("mnist_mlp, b32, int8", None, 0.1557), ("mnist_mlp, b64, fp32", 0.2, 0.1765)],
        [(f"mnist_lenet5, b{2**i}, fp32", 1.0 * 2**i, 2.0) for i in range(40)],
    ],
    ids=["one run", "one not measured", "many"],
)
def test_the_picture_of_a_sweep_is_drawn(rows):
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = Image.open(io.BytesIO(sweep(rows, "a title")))
    assert image.format == "PNG" and min(image.size) > 100


def test_every_picture_of_a_map_of_one_cell_is_drawn():
    small = claim_maps.one_cell()
    found = {b.picture.name: b.picture for part in sections(small, "", {}) for b in part.blocks if b.picture}
    kinds = {name.removesuffix("_mnist_lenet5") for name in found}
    assert kinds >= {"claim_map", "completions", "sensitivity", "roofline", "breakeven"}
    assert kinds >= {"time", "time_shares", "energy", "layers"}
    for picture in found.values():
        assert picture.alt and picture.title
        check(picture.draw)


def test_a_large_map_stays_legible():
    large = claim_maps.claim_map(workloads=("mnist_lenet5",), per_batch=49, batches=tuple(2**i for i in range(9)))
    (panel,) = panels(large)
    assert len(panel.rows) > 40 and len(panel.cells) == len(large.cells) > 400
    width, height = check(partial(heatmap, panel), (LIGHT,))
    assert width / len(panel.batches) / len(panel.claims) > 80 and height / len(panel.rows) > 30  # dots a cell


def test_a_step_without_effects_or_parts_is_drawn():
    step = replace(claim_maps.one_cell().cells[0].step, effects=(), energy_by_part_j={}, energy_j=float("nan"))
    check(partial(sensitivity, step, "no effects"))
    check(partial(energy, [step], {}, "no energy"))


def test_the_roofline_has_every_op_once_and_none_above_its_roof():
    profile = claim_maps.one_cell().profiles["mnist_lenet5"]
    design = Design.load("seed")
    points = ops_of(profile)
    assert points["operations"].sum() == 2 * profile.trace.ops.macs.sum()
    assert np.isclose(points["seconds"].sum(), profile.report.op_s.sum())
    rate = points["operations"] / points["seconds"]
    assert (rate <= 2 * design.macs_per_s[0, 0] * (1 + 1e-9)).all()
    assert (rate <= points["operations"] / points["bytes"] * design.dram_bytes_per_s[0] * (1 + 1e-9)).all()
    assert left_out(profile) == (0, 0.0)
    check(partial(roofline, profile, design, "a title"))


@pytest.mark.slow
def test_the_roofline_of_a_captured_step_has_its_vector_ops(compose):
    from harness.flows.run import captured

    config = compose("workload=mnist_lenet5")
    trace = captured(config.workload, config.precision, 64)
    for fusion in (False, True):
        design = replace(Design.load("seed"), fusion=np.array([fusion]))
        profile = Profile(claim_maps.one_cell().cells[0].step, trace, replay(trace, design))
        points = ops_of(profile)
        assert points["operations"][points["has_macs"]].sum() == 2 * trace.ops.macs.sum()
        assert (~points["has_macs"]).any()
        check(partial(roofline, profile, design, "a captured step"), (LIGHT,))


def test_shares_of_a_step_add_up_to_it():
    for step in claim_maps.claim_map(workloads=("cifar10_resnet20",), per_batch=1, batches=(8,)).steps.values():
        assert np.isclose(sum(by_phase(step).values()), step.nominal_s)
        assert np.isclose(sum(step.by_bound_s.values()), step.nominal_s)


def luminance(color):
    """Relative luminance of a colour as #rrggbb; source: WCAG 2.2, relative luminance."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_every_text_stands_out_from_its_ground(theme):
    pairs = [(theme.ink, theme.paper), (theme.muted, theme.paper), *theme.verdicts.values()]
    for one, other in pairs:
        low, high = sorted([luminance(one), luminance(other)])
        assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.2, contrast (minimum), level AA
    assert set(theme.verdicts) == set(MARKS) == set(KEYS)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_verdicts_differ_for_readers_without_green_or_red_cones(theme):
    """Source of the projections: Vienot, Brettel and Mollon, Color Research & Application, 1999, linear RGB."""
    deuteranope = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    protanope = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    grounds = [theme.verdicts[key][0] for key in KEYS if key != "context"]
    linear = np.array([[(int(c[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)] for c in grounds])
    for seen in (linear, linear @ deuteranope.T, linear @ protanope.T):
        shown = np.clip(seen, 0, 1) ** (1 / 2.2)
        distance = np.linalg.norm(shown[:, None] - shown[None], axis=2)
        assert distance[~np.eye(len(shown), dtype=bool)].min() > 0.15


def test_break_even_is_drawn_where_the_claim_is_met_nowhere_everywhere_and_somewhere():
    found = curves(claim_maps.gemms(64), Design.load("seed"))
    seconds = found.grid_s("step")
    middle = float(np.median(seconds[np.isfinite(seconds)]))
    for measured_s in (1e-12, 2 * middle, 1e6):
        check(partial(breakeven, found, measured_s, "step", {"half": 2.0, "third": 3.0}, "a title"), (LIGHT,))
