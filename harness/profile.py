"""Where a real step's time goes, layer by layer: shares from a pass of its own, scaled to the unprofiled step time."""

from collections import defaultdict

import numpy as np
from torch.utils._python_dispatch import TorchDispatchMode

from accel_model.types import Phase
from baselines import StepTimer
from harness import data
from harness.capture.attribution import Attribution
from harness.step import build_step
from harness.train import matrix_precision, seeded

STEPS = 5  # timed with every op on its own
WARMUP = 2


def layer_seconds(config, device, step_s, samples):
    """{module path: seconds} of one training step on `device`, forward, backward and update, summing to `step_s`.

    samples: the Samples that were trained on. Every op is timed on its own, which slows the step: only the shares are
    kept, as medians over STEPS steps. The optimiser, which updates all parameters in a few ops, is spread over the
    layers by their number of parameters.
    """
    loader = data.batches(samples.train, config.batch_size, config.data, config.seed, True, device)
    with seeded(config.seed), matrix_precision(config.precision):
        step = build_step(config.workload, config.precision, config.batch_size, device)
        step.copy_in(*next(iter(loader)))
        for _ in range(WARMUP):
            step.compute()
        passes = [_timed(step) for _ in range(STEPS)]
    layers = list(dict.fromkeys(layer for one in passes for layer in one))
    seconds = {layer: float(np.median([one.get(layer, 0.0) for one in passes])) for layer in layers}
    scale = step_s / (sum(seconds.values()) or 1.0)
    return {layer: value * scale for layer, value in seconds.items()}


def _timed(step):
    """{module path: seconds} of the ops of one call of `step`."""
    attribution = Attribution(lambda module: None, lambda tensor: None)
    attribution.name_modules(step.model, "")
    parameters = defaultdict(int)
    for parameter in step.model.parameters():
        parameters[attribution.layer_of_parameter(parameter)] += parameter.numel()
    watch = _OpTimer(attribution, step.device)
    update = step.optimizer.register_step_pre_hook(lambda *_: watch.updates(True))
    done = step.optimizer.register_step_post_hook(lambda *_: watch.updates(False))
    try:
        with attribution.watching(), watch:
            step.compute()
    finally:
        update.remove()
        done.remove()
    seconds = defaultdict(float)
    for layer, value in zip(watch.layers, watch.timer.samples_s(), strict=True):
        if layer is None:
            for owner, count in parameters.items():
                seconds[owner] += value * count / sum(parameters.values())
        else:
            seconds[layer] += value
    return {attribution.layers[layer]: value for layer, value in seconds.items()}


class _OpTimer(TorchDispatchMode):
    """Times every op; `layers` holds the layer of each, None for the optimiser's."""

    def __init__(self, attribution, device):
        super().__init__()
        self.attribution, self.timer = attribution, StepTimer(device)
        self.layers = []
        self._updating = False

    def updates(self, now):
        self._updating = now

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        place = self.attribution.place()
        with self.timer:
            outputs = op(*args, **(kwargs or {}))
        self.attribution.note(place.layer, (), works=True)
        self.layers.append(None if self._updating or place.phase is Phase.UPDATE else place.layer)
        return outputs
