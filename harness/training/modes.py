"""A training step measured in several modes and scopes, beside the training or for a file: what fails is told."""

import gc
import logging

import baselines
from harness.settings.errors import HalfstepError, NoRoomError
from harness.training.grid import Refusal

LOG = logging.getLogger(__name__)
TRAINED = ("eager", "step_and_copy")  # the mode and scope that the training itself measures


def in_modes(workload, precision, batch_size, device, modes, scopes, plan, seed, loader=None):
    """([Measurement], [Refusal]) of a training step of `workload`; whatever goes wrong with a mode is its Refusal.

    workload: WorkloadConfig. precision: PrecisionConfig. plan: baselines.Plan. loader: of training batches, for the
    scope "step_and_loading"; in the others what is timed begins when a batch of random data lies in the host's memory.
    """
    from harness.training import data
    from harness.training.step import build_step
    from harness.training.train import forever, seeded

    try:
        with seeded(seed):
            step = build_step(workload, precision, batch_size, device)
            found, refused = baselines.measure_all(
                step,
                device,
                modes,
                scopes,
                subject=baselines.Subject(
                    workload=workload.name,
                    model=workload.target,
                    batch_size=batch_size,
                    precision=precision.name,
                    dataset="synthetic",
                    input_shape="x".join(map(str, workload.input_shape)),
                ),
                batch=data.random_batch(step, workload, seed),
                batches=forever(loader) if loader is not None else None,
                plan=plan,
            )
        return found, [refusal(mode, error) for mode, error in refused]
    except Exception as error:  # what surrounds the measuring outlives what one step raises
        LOG.info("%s at batch %s is not measured", workload.name, batch_size, exc_info=error)
        return [], [refusal(mode, error) for mode in modes]
    finally:
        gc.collect()  # what a failure left behind would keep the device's memory


def beside_training(config, device, samples, say=lambda text: None):
    """([Measurement], [Refusal]) of every mode and scope of config.baseline that the training itself does not measure.

    samples: the Samples that were trained on. CUDA graphs are left out where there is no CUDA.
    """
    from harness.training import data

    settings = config.baseline
    modes = [mode for mode in dict.fromkeys(settings.modes) if mode != "graphs" or device.startswith("cuda")]
    if list(dict.fromkeys(settings.scopes)) == [TRAINED[1]]:
        modes = [mode for mode in modes if mode != TRAINED[0]]
    if not modes:
        return [], []
    say(f"Timing the step in mode {' and '.join(modes)}")
    plan = baselines.Plan(
        budget_s=settings.measurement_s,
        warmup_limit_s=min(settings.measurement_s, baselines.Plan.warmup_limit_s),
        energy_window_s=min(settings.measurement_s, baselines.Plan.energy_window_s),
    )
    found, refused = in_modes(
        config.workload,
        config.precision,
        config.batch_size,
        device,
        tuple(modes),
        tuple(dict.fromkeys(settings.scopes)),
        plan,
        config.seed,
        data.batches(samples.train, config.batch_size, config.data, config.seed, True, device),
    )
    return [one for one in found if (one.mode, one.scope) != TRAINED], refused


def refusal(mode, error):
    """The Refusal of a mode for what was raised."""
    known = isinstance(error, HalfstepError | baselines.BaselineError)
    first = (str(error).strip().splitlines() or ["no reason given"])[0][:300]
    short = isinstance(error, NoRoomError | baselines.errors.OutOfMemoryError)
    too_large = short or baselines.memory_is_full(error)
    return Refusal(mode, first if known else f"{type(error).__name__}: {first}", too_large)
