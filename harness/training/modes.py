"""A training step measured in several modes and scopes, beside the training or for a file: what fails is told."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import baselines
from baselines.recorded import to_json
from baselines.vocabulary import CUDA_MODES
from harness.settings.errors import HalfstepError, NoRoomError
from harness.training.data.loading import loading_error
from harness.training.data.samples import Samples, batches, random_batch
from harness.training.grid import GridCell, Refusal
from harness.training.step import build_step
from harness.training.train import forever, seeded

if TYPE_CHECKING:
    from harness.settings.schema import PrecisionConfig, RunConfig, WorkloadConfig

LOG = logging.getLogger(__name__)
TRAINED = ("eager", "step_and_copy")  # the mode and scope that the training itself measures


@dataclass(frozen=True)
class Ways:
    """In which modes and scopes a step is measured, and with how many samples."""

    modes: tuple[str, ...]
    scopes: tuple[str, ...]
    plan: baselines.Plan


def plan_of(measurement_s: float, energy_window_s: float) -> baselines.Plan:
    """The Plan of a measurement whose samples take `measurement_s` at most and its energy `energy_window_s`."""
    return baselines.Plan(
        budget_s=measurement_s,
        warmup_limit_s=min(measurement_s, baselines.Plan.warmup_limit_s),
        energy_window_s=energy_window_s,
    )


def in_modes(
    workload: WorkloadConfig,
    precision: PrecisionConfig,
    batch_size: int,
    device: str,
    ways: Ways,
    seed: int,
    loader: Iterable | None = None,
) -> tuple[list[baselines.Measurement], list[Refusal]]:
    """The Measurements of a training step of `workload`; whatever goes wrong with a mode is its Refusal.

    loader: of training batches, for the scope "step_and_loading"; in the others what is timed begins when a batch of
    random data lies in the host's memory.
    """
    try:
        with seeded(seed):
            step = build_step(workload, precision, batch_size, device)
            found, refused = baselines.measure_all(
                step,
                device,
                ways.modes,
                ways.scopes,
                subject=baselines.Subject(
                    workload=workload.name,
                    model=workload.target,
                    batch_size=batch_size,
                    precision=precision.name,
                    dataset="synthetic",
                    input_shape="x".join(map(str, workload.input_shape)),
                ),
                batch=random_batch(step, workload, seed),
                batches=forever(loader) if loader is not None else None,
                plan=ways.plan,
            )
        return found, _ended([refusal(mode, error) for mode, error in refused], device)
    except Exception as error:  # what surrounds the measuring outlives what one step raises
        LOG.info("%s at batch %s is not measured", workload.name, batch_size, exc_info=error)
        return [], _ended([refusal(mode, error) for mode in ways.modes], device)
    finally:
        gc.collect()  # what a failure left behind would keep the device's memory


def _ended(refused, device):
    """`refused`, each marked where the device is of no more use to this process after what went wrong."""
    fault = baselines.device_fault(device) if refused else ""
    if fault:
        LOG.warning("%s is of no more use to this process: %s", device, fault)
    return [replace(one, ends=bool(fault)) for one in refused]


def modes_there(modes: Iterable[str], device: str) -> tuple[str, ...]:
    """`modes`, each once, without those that need CUDA where `device` has none."""
    return tuple(mode for mode in dict.fromkeys(modes) if mode not in CUDA_MODES or device.startswith("cuda"))


def beside_training(
    config: RunConfig, device: str, samples: Samples | None, say: Callable[[str], None] = lambda text: None
) -> tuple[list[baselines.Measurement], list[Refusal]]:
    """The Measurements of every mode and scope of config.baseline that the training itself does not measure.

    samples: what was trained on. Modes that need CUDA are left out where there is none.
    """
    settings = config.baseline
    modes = modes_there(settings.modes, device)
    scopes = tuple(dict.fromkeys(settings.scopes))
    if scopes == TRAINED[1:]:
        modes = tuple(mode for mode in modes if mode != TRAINED[0])
    if not modes:
        return [], []
    say(f"Timing the step in mode {' and '.join(modes)}")
    plan = plan_of(settings.measurement_s, min(settings.measurement_s, baselines.Plan.energy_window_s))
    found, refused = in_modes(
        config.workload,
        config.precision,
        config.batch_size,
        device,
        Ways(modes, scopes, plan),
        config.seed,
        batches(samples.train, config.batch_size, config.data, config.seed, True, device),
    )
    return [one for one in found if (one.mode, one.scope) != TRAINED], refused


def measure(
    cell: GridCell,
    device: str,
    workload: WorkloadConfig,
    precision: PrecisionConfig,
    scopes: Sequence[str],
    plan: baselines.Plan,
    seed: int,
) -> tuple[list[tuple[baselines.Measurement, str]], list[Refusal]]:
    """([(Measurement, text of its file)], [Refusal]) of a cell; whatever goes wrong with it is a Refusal.

    On random data: what is timed begins when a batch lies in the host's memory. workload, precision: those that the
    cell names. Energy is counted in telling cells only.
    """
    plan = plan if cell.telling else replace(plan, energy_window_s=0)
    ways = Ways(cell.modes, tuple(scopes), plan)
    found, refused = in_modes(workload, precision, cell.batch_size, device, ways, seed)
    texts = []
    for one in found:
        try:
            texts.append((one, to_json(one)))
        except baselines.BaselineError as error:
            refused.append(refusal(one.mode, error))
    return texts, refused


def refusal(mode: str, error: Exception) -> Refusal:
    """The Refusal of a mode for what was raised."""
    error = loading_error(error) or error
    known = isinstance(error, HalfstepError | baselines.BaselineError)
    first = (str(error).strip().splitlines() or ["no reason given"])[0][:300]
    short = isinstance(error, NoRoomError | baselines.errors.OutOfMemoryError)
    too_large = short or baselines.memory_is_full(error)
    return Refusal(mode, first if known else f"{type(error).__name__}: {first}", too_large)
