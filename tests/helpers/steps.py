"""Small training steps, and Python run beside a copy of the program."""

import subprocess
import sys
from pathlib import Path

import torch


def make_step(model, *inputs, optimizer=None, loss=torch.mean):
    """A step that trains `model` on `inputs`; the loss is the mean by default, the optimiser plain SGD."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = optimizer(trained) if optimizer else torch.optim.SGD(trained, lr=0.01)

    def step():
        optimizer.zero_grad()
        out = model(*inputs)
        loss(out[0] if isinstance(out, tuple) else out).backward()
        optimizer.step()

    step.model, step.optimizer, step.inputs = model, optimizer, inputs
    return step


def python_in(folder: Path, code: str) -> subprocess.CompletedProcess:
    """The finished process of Python code that imports the project from `folder`, with its output as text."""
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
