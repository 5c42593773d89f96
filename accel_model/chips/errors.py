"""How wrong the model is beside published chips: signed errors of times and energies, and their quantiles."""

import numpy as np

from accel_model.chips.validation import ChipCell, families

ERROR_COLUMNS = ("quantity", "chip", "workload", "layer", "batch", "metric", "published", "simulated", "log_error")


def time_metrics() -> dict[str, str]:
    """{chip: the metric that tells how wrong a time is}: silicon that did the very work that the model replays.

    Left out are estimates by vendors (NVDLA), stand-in layers (TPU v1) and times with a host's work in them (Gemmini).
    """
    return {chip: metric for family in families() for chip, metric in getattr(family, "TIMES", {}).items()}


def model_errors(table: list[ChipCell]) -> list[dict[str, str]]:
    """Rows of ERROR_COLUMNS: signed errors ln(simulated / published) of times and energies, from the cells of `table`.

    A throughput's error counts as that of the time it is the inverse of. Where a chip's power is published for what its
    time is published for, their product is an energy. Sums over layers are left out, for they say nothing that their
    layers do not.
    """
    kept = [cell for cell in table if np.isfinite(cell.simulated) and cell.layer != "Total"]
    power = {(cell.chip, cell.layer): cell for cell in kept if cell.metric == "power"}
    times, rows = time_metrics(), []
    for cell in kept:
        if times.get(cell.chip) != cell.metric:
            continue
        sign = -1.0 if "throughput" in cell.metric else 1.0
        error = sign * float(np.log(cell.simulated / cell.published))
        rows.append(_error_row("time", cell, cell.metric, cell.published, cell.simulated, error))
        if watts := power.get((cell.chip, cell.layer)):
            published, simulated = cell.published * watts.published, cell.simulated * watts.simulated
            error = float(np.log(simulated / published))
            rows.append(_error_row("energy", cell, f"power x {cell.metric}", published, simulated, error))
    return rows


def summary(table: list[ChipCell]) -> dict[tuple[str, str], np.ndarray]:
    """{(chip, metric): quantiles (0, 25, 50, 75, 100 %) of ln(simulated / published)} over the cells of `table`."""
    groups = {}
    for cell in table:
        if np.isfinite(cell.simulated) and cell.simulated > 0 and cell.published > 0:
            groups.setdefault((cell.chip, cell.metric), []).append(np.log(cell.simulated / cell.published))
    return {key: np.quantile(errors, [0, 0.25, 0.5, 0.75, 1]) for key, errors in groups.items()}


def _error_row(quantity, cell, metric, published, simulated, error):
    texts = (quantity, cell.chip, cell.workload, cell.layer, cell.batch, metric)
    numbers = (f"{value:.6g}" for value in (published, simulated, error))
    return dict(zip(ERROR_COLUMNS, (*texts, *numbers), strict=True))
