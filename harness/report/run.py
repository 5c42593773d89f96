"""What a run found, as tables of text and sentences that the terminal, Markdown and MLflow show alike."""

from __future__ import annotations

import math
from collections.abc import Iterator

from baselines import Measurement
from harness.flows.run import Result
from harness.judging.claims import contradiction, overall, speedup, verdict_text
from harness.judging.compare import Comparison
from harness.report import words
from harness.report.layers import times_table
from harness.report.listings import uncounted_line
from harness.settings.schema import RunConfig
from harness.text.shown import as_code, as_markdown_text, shown
from harness.text.table import Table, as_markdown
from harness.text.units import digits, ms, percent, times, times_in_full

FEWEST = 8  # samples by which a spread can be told


def headline(result: Result, config: RunConfig) -> list[str]:
    """The answer in a sentence or two for each claim."""
    lines = []
    for index, name in enumerate(config.claim):
        verdicts = [each[index] for each in result.verdicts]
        counts = overall(verdicts)
        total = sum(counts.values())
        if not total:
            lines.append(
                f"{name}: no verdict. No published or recorded GPU or FPGA of equal precision trains "
                f"{config.workload.name}, so the claim cannot be checked on it."
            )
            continue
        hopeless = sum(v.decides and v.impossible for v in verdicts)
        lines.append(
            f"{name}: of {total} baselines, {counts['all']} support it with all completions, {counts['some']} with "
            f"some, {counts['undecided']} leave it undecided and {counts['none']} refute it with every completion "
            f"({hopeless} at any utilisation)."
        )
    return lines


def remarks(result: Result, config: RunConfig) -> list[str]:
    """Sentences that stand beside the headline."""
    found = (ceiling_line(result, config), contradiction(config.claim), uncounted_line(result.trace))
    return [line for line in found if line]


def ceiling_line(result: Result, config: RunConfig) -> str:
    """What the ceiling's workload says of the claims, in a sentence, or ""."""
    ceiling = result.ceiling
    if not ceiling or not ceiling.published:
        return ""
    counts = [
        f"{name} ({times(speedup(claim))}) is possible against "
        f"{sum(ceiling.samples_per_s >= speedup(claim) * one.samples_per_s for one in ceiling.published)}"
        for name, claim in config.claim.items()
    ]
    return (
        f"On {ceiling.workload} the accelerator cannot exceed {ceiling.samples_per_s:.0f} samples/s: of "
        f"{len(ceiling.published)} published GPUs, as printed, {' and '.join(counts)}."
    )


def training_table(result: Result, config: RunConfig) -> Table:
    """What was trained here, and how long it took."""
    training = result.training
    measured = training.measurement
    accuracy = (
        f"{training.accuracy:.1%} of {training.evaluated} held-out samples".replace("%", " %")
        if training.samples.real
        else "none: the data are synthetic, so only the time means something"
    )
    rows = (
        ("device", f"{shown(measured.device)} ({measured.device_kind})"),
        ("data", training.samples.name + ("" if training.samples.real else ", for timing only")),
        (
            "trained",
            f"{len(training.losses)} steps, {digits(training.epochs, 3)} epochs, {training.parameters:,} parameters",
        ),
        ("ended by", training.stopped_by),
        ("loss", f"{digits(training.losses[0], 3)} at the first step, {digits(training.losses[-1], 3)} at the last"),
        ("accuracy", accuracy),
        ("step", step_text(measured, config.compare.level)),
        ("stable", stability(measured)),
        *([("remarks", measured.notes)] if measured.notes else []),
        *further_modes(result, config),
        ("energy", energy(measured)),
        (
            "epoch",
            f"{digits(training.wall_s / training.epochs, 3)} s of {training.steps_per_epoch} steps, "
            f"with the loading of data",
        ),
        ("whole training", f"{digits(training.wall_s, 3)} s with the loading of data"),
    )
    return Table("Trained here", ("what", "value"), rows)


def further_modes(result: Result, config: RunConfig) -> Iterator[tuple[str, str]]:
    """(what, value) of every live measurement beside the training, and of every mode that could not be measured."""
    for one in (each.baseline for each in result.comparisons):
        if one.kind == "live" and one is not result.training.measurement:
            spread = step_text(one, config.compare.level)
            yield f"{words.scope(one)}, {one.mode}", f"{spread}; energy: {energy(one)}"
    for left in result.modes_left_out:
        yield f"step, {left.mode}", f"not measured: {left.why}"


def step_text(measured: Measurement, level: float) -> str:
    """The time of a step of a Measurement with its spread, or that a single sample has none."""
    count = measured.samples_s.size
    if count < 2:
        return f"{ms(measured.step_s)}, a single sample, which has no interval: give more with train.steps"
    low, high = measured.interval_s(level)
    return (
        f"{ms(measured.step_s)} median, {ms(measured.iqr_s)} interquartile range, {level:.0%} interval {ms(low)} to "
        f"{ms(high)}, {count} samples"
    )


def energy(measured: Measurement) -> str:
    """The energy of a step of a Measurement and how it was counted, or why it is not known, as text."""
    if math.isnan(measured.energy_j):
        return f"not known: {measured.energy_note}"
    return f"{digits(measured.energy_j, 3)} J a step ({measured.energy_note})"


def stability(measured: Measurement) -> str:
    """Whether the steps of a Measurement took equally long, as text."""
    if measured.samples_s.size < FEWEST:
        return f"not known: {measured.samples_s.size} samples are too few"
    return "no: the interquartile range is above 10 % of the median" if measured.unstable else "yes"


def time_table(result: Result, config: RunConfig) -> Table:
    """Measured and simulated times of a step, an epoch and the run, side by side."""
    report, training = result.report, result.training
    simulated_s, batch = float(report.step_s[0]), config.batch_size
    steps = math.ceil(config.workload.dataset_samples / batch)
    columns = ["quantity", "simulated accelerator"]
    seconds = [("training step (ms)", 1, 1e3), (f"epoch of {config.workload.dataset} (s)", steps, 1)]
    if training:
        seconds.append(("this run's steps (s)", len(training.losses), 1))
        columns.append(f"measured, {training.measurement.device_kind}")
    rows = []
    for name, count, factor in seconds:
        row = [name, digits(simulated_s * count * factor)]
        if training:
            whole = training.measurement.step_s * count if count != len(training.losses) else training.steps_s
            row.append(digits(whole * factor))
        rows.append(tuple(row))
    rate = ["throughput (samples/s)", digits(batch / simulated_s)]
    if training:
        rate.append(digits(training.measurement.samples_per_s))
    rows.append(tuple(rate))
    shares = {name: float(values[0]) for name, values in report.by_bound().items()}
    whole = sum(shares.values()) or 1.0
    bound = ", ".join(
        f"{name} {value / whole:.0%}" for name, value in sorted(shares.items(), key=lambda x: -x[1]) if value
    )
    note = (
        f"Simulated: nominal completion, {float(report.utilisation[0]):.1%} of the MAC units busy; "
        f"time bound by {bound}. "
        f"Floor {ms(float(report.floor_s[0]))} a step."
    )
    return Table("Time on both sides", tuple(columns), tuple(rows), note)


def comparison_table(result: Result, config: RunConfig) -> Table:
    """Every baseline with the accelerator's time for the same work, and the verdicts."""
    columns = (
        *("baseline", "kind", "batch", "precision", "mode", "scope"),
        *("measured (ms)", "simulated (ms)", "time saved", "interval"),
        *config.claim,
    )
    rows = []
    pairs = zip(result.comparisons, result.verdicts, strict=True)
    for comparison, verdicts in sorted(pairs, key=lambda pair: -pair[0].reduction[1, 0]):
        one = comparison.baseline
        _, middle, _ = (float(value) for value in comparison.reduction[:, 0])
        rows.append(
            (
                words.device(one),
                one.kind,
                str(one.batch_size),
                words.classes(one.precision),
                words.mode(one),
                words.scope(one),
                digits(1e3 * one.step_s),
                digits(1e3 * float(comparison.simulated_s[1, 0])),
                percent(middle),
                saved_interval(comparison),
                *(verdict_text(verdict) for verdict in verdicts),
            )
        )
    note = (
        f"Times and intervals are of the nominal completion; verdicts are over all {len(result.completions):,} "
        f"completions, with the share that supports the claim or leaves it open. Refuted: by every completion. "
        f"Impossible: even with every MAC unit busy in every cycle. Context: the claim does not speak of this "
        f"baseline, or no claim can rest on it."
        if rows
        else f"No published or recorded baseline of {config.workload.name} at this precision is known."
    )
    spare = ("mode", "kind", "scope", "precision", "interval", "simulated (ms)", "measured (ms)", "batch")
    return Table(f"{config.workload.name} against each baseline", columns, tuple(rows), note, spare)


def saved_interval(comparison: Comparison) -> str:
    """The interval of the time that the nominal design saves, as text."""
    low, _, high = (float(value) for value in comparison.reduction[:, 0])
    if not math.isfinite(comparison.measured_s[2]):
        return "none: a single sample"
    return f"{percent(low)} to {percent(high)}" if math.isfinite(low) else f"at most {percent(high)}"


def ceiling_table(result: Result, config: RunConfig) -> Table:
    """The published rates of the ceiling's workload beside the most that the accelerator can reach."""
    ceiling = result.ceiling
    speedups = [speedup(claim) for claim in config.claim.values()]
    rows = tuple(
        (
            words.device(one),
            words.classes(one.precision),
            str(one.batch_size or "not stated"),
            digits(one.samples_per_s),
            percent(1 - one.samples_per_s / ceiling.samples_per_s),
            percent(ceiling.samples_per_s / one.samples_per_s - 1),
            *("possible" if ceiling.samples_per_s / one.samples_per_s >= need else "impossible" for need in speedups),
        )
        for one in ceiling.published
    )
    columns = (
        "baseline",
        "precision",
        "batch",
        "samples/s",
        "most time saved",
        "most throughput gained",
        *config.claim,
    )
    title = f"Ceiling on {ceiling.workload}: {ceiling.samples_per_s:.0f} samples/s with every MAC unit busy"
    note = (
        f"{digits(ceiling.macs_per_sample / 1e9)} GMAC per training sample. The fastest published row of each device, "
        f"as printed; no completion of the accelerator can do better than this."
    )
    return Table(title, columns, rows, note, ("batch", "most throughput gained", "precision"))


def tables(result: Result, config: RunConfig) -> list[Table]:
    """Every table of a run, in the order to show them."""
    found = [training_table(result, config)] if result.training else []
    found += [time_table(result, config), times_table(result), comparison_table(result, config)]
    return found + ([ceiling_table(result, config)] if result.ceiling and result.ceiling.published else [])


def answer(result: Result, config: RunConfig) -> str:
    """The verdict on each claim in a few words, or where none can be given, the live device beside the accelerator."""
    told = []
    for index, name in enumerate(config.claim):
        verdicts = [each[index] for each in result.verdicts]
        counts = overall(verdicts)
        if total := sum(counts.values()):
            told.append(f"{name}: {counts['all'] + counts['some']} of {total} supported{words.few_support(verdicts)}")
    if not told and result.training:
        told.append(f"{ratio(result)} as fast as the {result.training.measurement.device_kind} here")
    return "; ".join([*(told or ["no baseline to compare with"]), *doubt(result)])


def doubt(result: Result) -> list[str]:
    """Why a number of the answer that was measured here is not to be relied on: a text or none."""
    if not result.training:
        return []
    live = [one.baseline for one in result.comparisons if one.baseline.kind == "live"]
    live = [result.training.measurement, *(one for one in live if one is not result.training.measurement)]
    shaky = [one.mode for one in live if one.unstable]
    single = [one.mode for one in live if one.samples_s.size < 2]
    found = [f"unstable: {', '.join(dict.fromkeys(shaky))}"] if shaky else []
    return found + ([f"a single sample: {', '.join(dict.fromkeys(single))}"] if single else [])


def ratio(result: Result) -> str:
    """Measured over simulated time of a step, as text."""
    return times_in_full(result.training.measurement.step_s / float(result.report.step_s[0]))


def note(result: Result, config: RunConfig, text: str, has_speedups: bool) -> str:
    """The description of a run's page: the answer, the pictures, then the summary (`text`) without its title.

    has_speedups: whether the picture of speed-ups is there.
    """
    accelerator = shown(result.design.name[0])
    simulated = f"{ms(float(result.report.step_s[0]))} a step on the accelerator {accelerator}"
    if result.training:
        measured = result.training.measurement
        first = f"{ms(measured.step_s)} a step measured on {shown(measured.device)}, {simulated}: {ratio(result)}."
    else:
        first = f"{simulated[0].upper()}{simulated[1:]}; nothing was trained here."
    lines = [f"**{as_markdown_text(first)}** {' '.join(map(as_markdown_text, headline(result, config)))}", ""]
    lines += ["![Speed-up over each device](artifact:speedups.png)", ""] if has_speedups else []
    lines += ["![Time by layer](artifact:layers.png)", ""]
    lines.append("Layer by layer: [layers_table.json](artifact:layers_table.json).")
    return "\n".join([*lines, *text.splitlines()[1:]])


def markdown(result: Result, config: RunConfig, command: str) -> str:
    """The whole summary as Markdown."""
    title = f"{config.workload.name}, batch {config.batch_size}, {config.precision.name}"
    lines = [f"# {as_markdown_text(title)}", ""]
    lines += [f"- **{as_markdown_text(line)}**" for line in headline(result, config)]
    lines += [f"- {as_markdown_text(line)}" for line in remarks(result, config)]
    lines += [as_markdown(table) for table in tables(result, config)]
    lines += ["", "## Reasons", "", *reasons(result)] if result.comparisons else []
    lines += ["", "## Sources", ""]
    sources = {words.source(c.baseline) for c in result.comparisons if c.baseline.kind != "live"}
    lines += [f"- {as_markdown_text(source)}" for source in sorted(sources)] or ["None beside the live measurement."]
    return "\n".join([*lines, "", f"Made by {as_code(command)}.", ""])


def reasons(result: Result) -> list[str]:
    """A line for each verdict: what binds it, or why it does not count."""
    told = "{}, batch {}, {}: {}".format
    return [
        "- "
        + as_markdown_text(
            told(shown(one.baseline.device), one.baseline.batch_size, verdict.claim, verdict.scope or verdict.reason)
        )
        for one, verdicts in zip(result.comparisons, result.verdicts, strict=True)
        for verdict in verdicts
    ]
