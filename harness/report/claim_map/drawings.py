"""The pictures of a ClaimMap, each with its title and what it shows in words."""

from __future__ import annotations

import math
from functools import partial

from harness.judging.claims import share_text, speedup
from harness.report import words
from harness.report.claim_map.answers import plural
from harness.report.energies import measured_energies
from harness.report.layers import folded
from harness.report.pictures import layers
from harness.report.pictures.breakeven import breakeven_figure
from harness.report.pictures.canvas import Picture
from harness.report.pictures.completions import completions
from harness.report.pictures.energy import energy
from harness.report.pictures.heatmap import heatmap
from harness.report.pictures.roofline import left_out, roofline
from harness.report.pictures.sensitivity import sensitivity
from harness.report.pictures.time import time_absolute, time_shares


def heatmap_picture(panel):
    """The Picture of one Panel."""
    alt = f"{panel.title}, batch by batch, a colour and a sign for each verdict; the cells are in the tables below."
    return Picture(f"claim_map_{panel.workload}", panel.title, alt, partial(heatmap, panel))


def completions_picture(claim_map, workload):
    """The Picture of the completions' spread on a workload, or None where no baseline decides."""
    claims = timed(claim_map)
    fastest = {}
    for cell in claim_map.cells:
        verdicts = {v.claim: v for v in cell.verdicts if v.claim in claims and v.decides}
        if cell.step.workload == workload and verdicts and math.isfinite(cell.measured_s[1]):
            one = cell.baseline
            key = (words.device(one), one.kind, words.precision(cell), one.mode, one.scope)
            rate = cell.measured_s[1] / cell.step.batch_size
            if key not in fastest or rate < fastest[key][0]:
                fastest[key] = rate, cell, next(iter(verdicts.values()))
    if not fastest:
        return None
    ranked = sorted(fastest.values(), key=lambda found: -found[1].speedup[1])
    rows = [spread_row(claim_map, cell, verdict) for _, cell, verdict in ranked]
    thresholds = {name: speedup(claim) for name, claim in claims.items()}
    title = f"{workload}: speed-up of all {claim_map.completions:,} completions over each baseline"
    alt = f"Speed-up of the worst, median, nominal and best completion of {workload} over {len(rows)} baselines."
    return Picture(f"completions_{workload}", title, alt, partial(completions, rows, thresholds, title))


def timed(claim_map):
    """{name: ClaimConfig} of the claims on time."""
    return {name: claim for name, claim in claim_map.claims.items() if claim.rule.quantity == "time"}


def spread_row(claim_map, cell, verdict):
    """What harness.report.pictures.completions shows of one Cell."""
    one, measured_s = cell.baseline, cell.measured_s[1]
    detail = ", ".join(filter(None, [f"b{cell.step.batch_size}", words.precision(cell), words.mode(one)]))
    claim = claim_map.claims[verdict.claim]
    return {
        "label": f"{words.device(one)}, {one.kind}, {detail}",
        **{name: measured_s / getattr(verdict, name).step_s for name in ("worst", "median", "nominal", "best")},
        "low": cell.speedup[0],
        "high": cell.speedup[2],
        "ceiling": words.as_speedup(claim.metric, verdict.ceiling),
    }


def sensitivity_picture(step):
    """The Picture of a Step's Effects."""
    title = f"{step.workload}, batch {step.batch_size:,}, {step.precision}: what the open values decide"
    alt = f"Open values ranked by how much longer a step takes with the slowest than with the fastest, {step.workload}."
    return Picture(f"sensitivity_{step.workload}", title, alt, partial(sensitivity, step, title))


def roofline_picture(profile, design):
    """(the Picture of a Profile's roofline, a sentence on the ops that have no place there or "")."""
    step = profile.step
    title = f"{step.workload}, batch {step.batch_size:,}, {step.precision}: every op under the roofs"
    alt = f"Attained rate of each op of {step.workload} over its operations per byte of DRAM traffic, with the roofs."
    count, share = left_out(profile)
    note = (
        f"Not in the picture, since they only move data: {count} {plural('op', count)} of {step.workload}, "
        f"{share_text(share)} of the simulated time."
    )
    draw = partial(roofline, profile, design, title)
    return Picture(f"roofline_{step.workload}", title, alt, draw), note if count else ""


def time_pictures(steps):
    """The Pictures of where the time of `steps` goes."""
    if not steps:
        return []
    shares, absolute = "Simulated step of the nominal design, shares", "Simulated step of the nominal design"
    alt = "Time of each workload's simulated step by phase and by what binds it"
    return [
        Picture("time_shares", shares, f"{alt}, as shares.", partial(time_shares, steps, shares)),
        Picture("time", absolute, f"{alt}, in milliseconds.", partial(time_absolute, steps, absolute)),
    ]


def energy_picture(claim_map, steps):
    """The Picture of the energy of `steps` beside measured devices."""
    title = "Energy of a training sample: simulated by part, and beside measured devices"
    alt = "Share of each part in the simulated energy, and joules a sample of the accelerator and of measured devices."
    return Picture("energy", title, alt, partial(energy, steps, measured_energies(claim_map), title))


def breakeven_picture(claim_map, workload):
    """The Picture of break-even against one baseline of a workload, or None where no curves were asked for.

    The baseline is the one whose speed-up is the nearest to what a claim asks for.
    """
    thresholds = {name: speedup(claim) for name, claim in timed(claim_map).items()}
    near = {}
    for cell in claim_map.cells:
        asked = [thresholds[v.claim] for v in cell.verdicts if v.decides and v.claim in thresholds]
        known = cell.step.curves is not None and 0 < cell.speedup[1] < math.inf
        if cell.step.workload == workload and known and asked:
            near[min(abs(math.log(cell.speedup[1] / threshold)) for threshold in asked)] = cell
    if not near:
        return None
    cell = near[min(near)]
    one, measured_s = cell.baseline, cell.measured_s[1]
    detail = ", ".join(filter(None, [words.precision(cell), words.mode(one), words.scope(one)]))
    title = f"{workload}, batch {cell.step.batch_size:,}, against {words.device(one)}, {detail}"
    alt = f"Time saved over MAC units and memory bandwidth, with the lines where each claim is met. {title}."
    draw = partial(breakeven_figure, cell.step.curves, measured_s, one.scope, thresholds, title)
    return Picture(f"breakeven_{workload}", title, alt, draw)


def layers_picture(claim_map):
    """The Picture of measured and simulated time by layer."""
    title, device, caption = claim_map.layers_title
    alt = f"Measured and simulated time of each layer. {title}, {device}."
    table = folded(claim_map.layers)
    return Picture("layers", title, alt, lambda theme: layers.layers_figure(table, title, device, caption, theme))
