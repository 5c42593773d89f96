"""Where a real step's time goes, layer by layer: shares from a profiled pass, scaled to the unprofiled step time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from accel_model.types import Phase
from harness import capture
from harness.settings.errors import NoRoomError
from harness.training.data.samples import Samples, batches
from harness.training.profiler import label, labelled_seconds, profiled
from harness.training.step import build_step
from harness.training.train import explained, matrix_precision, seeded

if TYPE_CHECKING:
    from harness.settings.schema import RunConfig

PHASES = ("forward", "backward", "update")  # of a device, which runs dgrad, wgrad and recompute as one backward pass
COPY = "(copy of the batch)"  # in place of a layer, before the forward pass
STEPS = 5  # profiled, fewer where they would take longer than PASS_S
PASS_S = 10.0


@dataclass(frozen=True, eq=False)
class LayerTimes:
    """Where one unprofiled step's time went, by the shares that a profiled pass of its own shows.

    seconds: float64 (layers, phases); with `unattributed_s` they add up to the step.
    """

    layers: tuple[str, ...]  # module paths, and COPY
    seconds: np.ndarray
    unattributed_s: float  # for the work of the device that belongs to no layer that is known
    profiled_s: float  # of kernels (on a CPU: of ops) in a step while they were profiled
    note: str = ""  # why nothing could be attributed


def layer_times(
    config: RunConfig, device: str, step_s: float, samples: Samples, layout: str | None = None
) -> LayerTimes:
    """The LayerTimes of one training step on `device`, which add up to `step_s`.

    samples: the Samples that were trained on. Every op runs under a label of its own in torch's profiler, which slows
    the step: only the shares are kept, as medians over up to STEPS steps. The copy of the batch, which is part of the
    step's time, is a row of its own, COPY. The optimiser, which updates all parameters in a few ops, is spread over the
    layers by their number of parameters. layout: that of the step that was timed, see build_step.
    """
    try:
        with explained(config, device):
            return _profiled(config, device, step_s, samples, layout)
    except NoRoomError:
        return LayerTimes((), np.zeros((0, len(PHASES))), step_s, 0.0, "the memory was full while it was profiled")


def _profiled(config, device, step_s, samples, layout):
    steps = int(np.clip(PASS_S / step_s, 1, STEPS))
    loader = batches(samples.train, config.batch_size, config.data, config.seed, True, device)
    with seeded(config.seed), matrix_precision(config.precision):
        step = build_step(config.workload, config.precision, config.batch_size, device, layout)
        batch = next(iter(loader))
        step.copy_in(*batch)
        for _ in range(2 if steps > 1 else 1):  # warms up, creating the optimiser's state
            float(step.compute())  # a loss that is read has waited for the device
        places = []
        with profiled(device) as events:
            for number in range(steps):
                _labelled(step, number, places, batch)
    found, spare_s = labelled_seconds(events, step.device.type == "cpu")
    return scaled(found, spare_s, places, _parameters(step.model), step_s)


def scaled(
    found: Mapping[int, float],
    spare_s: float,
    places: Sequence[tuple[int, str | None, str]],
    parameters: Mapping[str, int],
    step_s: float,
) -> LayerTimes:
    """The LayerTimes of what was found under each label.

    found: {label: seconds}. spare_s: seconds of work without a label. places: (step, module path, phase) of each label,
    the path None for the optimiser's. parameters: {module path: trained parameters of its own}.
    """
    steps = 1 + max((step for step, _, _ in places), default=0)
    sums = defaultdict(lambda: np.zeros(steps))
    for number, seconds in found.items():
        step, path, phase = places[number]
        sums[path, phase][step] += seconds
    seconds, whole = defaultdict(lambda: np.zeros(len(PHASES))), sum(parameters.values())
    for (path, phase), values in sums.items():
        shares = {path: 1.0} if path is not None else {name: count / whole for name, count in parameters.items()}
        for name, share in shares.items():
            seconds[name][PHASES.index(phase)] += share * float(np.median(values))
    labelled_s = sum(found.values())
    if not labelled_s:
        reason = "the profiler saw no work of the device" if not spare_s else "the profiler links no kernel to its op"
        return LayerTimes((), np.zeros((0, len(PHASES))), step_s, spare_s / steps, reason)
    unattributed = spare_s / (labelled_s + spare_s)
    table = np.array(list(seconds.values()))
    return LayerTimes(
        layers=tuple(seconds),
        seconds=table * (1 - unattributed) * step_s / table.sum(),
        unattributed_s=unattributed * step_s,
        profiled_s=(labelled_s + spare_s) / steps,
    )


def _labelled(step, number, places, batch):
    """Copy `batch` in and run `step`, with a label around every op.

    Adds (number, module path, phase) of each label to `places`.
    """
    places.append((number, COPY, "forward"))
    with label(len(places) - 1):
        step.copy_in(*batch)
    attribution = _attribution(step.model)
    labels = _Labels(attribution, number, places)
    update = step.optimizer.register_step_pre_hook(lambda *_: labels.updates(True))
    done = step.optimizer.register_step_post_hook(lambda *_: labels.updates(False))
    try:
        with attribution.watching(), capture.every_op(labels.run):
            step.compute()
    finally:
        update.remove()
        done.remove()


def _parameters(model):
    """{module path: number of the trained parameters that are its own}; a shared parameter counts once."""
    attribution = _attribution(model)
    counts = defaultdict(int)
    for parameter in model.parameters():
        if parameter.requires_grad:
            counts[attribution.layers[attribution.layer_of_parameter(parameter)]] += parameter.numel()
    return dict(counts)


def _attribution(model):
    """The Attribution of ops to the modules of `model` alone."""
    attribution = capture.Attribution(lambda module: None, lambda tensor: None)
    attribution.name_modules(model, "")
    return attribution


class _Labels:
    """Runs every op under a label of torch's profiler and keeps which layer and phase each label stands for."""

    def __init__(self, attribution, step, places):
        self._attribution, self._step, self._places = attribution, step, places
        self._updating = self._went_back = False

    def updates(self, now):
        self._updating = now

    def run(self, op, args, kwargs):
        """What `op` returns, run under the next label."""
        place = self._attribution.place()
        phase = self._phase(place)
        path = None if phase == "update" else self._attribution.layers[place.layer]
        self._places.append((self._step, path, phase))
        with label(len(self._places) - 1):
            outputs = op(*args, **kwargs)
        self._attribution.note(place.layer, (), works=True)
        return outputs

    def _phase(self, place):
        """One of PHASES; what lies outside modules is the loss before the backward pass, and the update after it."""
        if place.backward or place.phase is Phase.RECOMPUTE:
            self._went_back = True
            return "backward"
        outside = place.phase is None and self._went_back  # as the unscaling of float16 gradients
        return "update" if self._updating or place.phase is Phase.UPDATE or outside else "forward"
