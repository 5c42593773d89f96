"""What several tests make measurements with: an imagined GPU's, and a small training step that is really run."""

import numpy as np
import torch
from torch import nn

from baselines import Measurement, Plan, Subject

SHORT = Plan(blocks=2, samples_per_block=3, sample_s=2e-3, warmup_limit_s=0.2, pause_s=0.0, energy_window_s=0.0)
SUBJECT = Subject(workload="mnist_mlp", model="a small net", batch_size=16)


def imagined_context():
    """What is known of an imagined GPU."""
    return {
        "device": "Imagined 9000",
        "device_kind": "gpu",
        "clock": "cuda_event",
        "time_utc": "2026-01-01T00:00:00+00:00",
        "commit": "unknown",
        "python": "3.12.0",
        "torch": "2.11.0",
        "driver": "600.1",
        "cuda": "13.0",
    }


def measurement(**changes):
    """A Measurement of that GPU, with any field replaced."""
    fields = {
        "device": "Imagined 9000",
        "device_kind": "gpu",
        "kind": "live",
        "workload": "imagenet_resnet50",
        "model": "resnet50",
        "samples_s": np.array([0.1, 0.11, 0.1, 0.09, 0.1, 0.1]),
        "block": np.array([0, 0, 1, 1, 2, 2]),
        "batch_size": 64,
        "precision": "tf32",
        "scope": "step_and_copy",
        "clock": "cuda_event",
        "source": "measured here",
        "confidence": "measured",
        "context": imagined_context(),
    }
    return Measurement(**fields | changes)


def random_batch():
    """(inputs, targets) on the host for a SmallStep."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(16, 20, generator=generator), torch.randint(5, (16,), generator=generator)


class SmallStep:
    """A real training step on random data; counts what is called."""

    def __init__(self, device="cpu", dropout=0.0, lr=1e-2, optimizer=torch.optim.SGD, model=None):
        torch.manual_seed(0)
        net = model or nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Dropout(dropout), nn.Linear(30, 5))
        self.model = net.to(device)
        self.optimizer = optimizer(self.model.parameters(), lr=lr)
        self.inputs = torch.zeros(16, 20, device=device)
        self.targets = torch.zeros(16, dtype=torch.long, device=device)
        self.copies = self.computes = 0

    def copy_in(self, inputs, targets):
        self.copies += 1
        self.inputs.copy_(inputs, non_blocking=True)
        self.targets.copy_(targets, non_blocking=True)

    def compute(self):
        self.computes += 1
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(self.model(self.inputs), self.targets)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class CheatingLayer(nn.Linear):
    """A layer that computes `factor` times as much when it is compiled; counts how often."""

    def __init__(self, factor):
        super().__init__(20, 5)
        self.factor, self.compiled_calls = factor, 0

    def compile(self, dynamic):
        self._compiled_call_impl = self.other

    def other(self, inputs):
        self.compiled_calls += 1
        return self.factor * self.forward(inputs)
