"""Execution traces that torch's observer writes here, of small networks."""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.profiler import ExecutionTraceObserver, record_function


def record(step, path, marks=None, warm_up=1):
    """The path of the execution trace of `step()`, or of one call for each name in `marks`, under that name."""
    for _ in range(warm_up):
        step()
    observer = ExecutionTraceObserver().register_callback(str(path))
    observer.start()
    for mark in marks if marks is not None else [None]:
        if mark is None:
            step()
        else:
            with record_function(mark):
                step()
    observer.stop()
    observer.unregister_callback()
    return Path(path)


def step_of(model, x, y, optimizer=None, autocast=False):
    """A training step of a classifier."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            scores = model(x)
        functional.cross_entropy(scores.float(), y).backward()
        optimizer.step()

    step.model, step.optimizer, step.inputs, step.targets = model, optimizer, x, y
    return step


def classifier(batch=2):
    """A step of a small convolutional network: convolution, normalisation, pooling, products."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 16),
        nn.GELU(),
        nn.LayerNorm(16),
        nn.Linear(16, 10),
    )
    return step_of(model, torch.randn(batch, 3, 8, 8), torch.zeros(batch, dtype=torch.long))


def perceptron(batch=4):
    """A step of two linear layers."""
    model = nn.Sequential(nn.Linear(16, 8, bias=False), nn.ReLU(), nn.Linear(8, 3, bias=False))
    return step_of(model, torch.randn(batch, 16), torch.zeros(batch, dtype=torch.long))


def changed(path, change, out):
    """The path `out` with the document in `path` after `change(document)`, or with what that returns."""
    document = json.loads(Path(path).read_text())
    document = change(document) or document
    Path(out).write_text(json.dumps(document))
    return Path(out)


def node_named(document, name):
    """The first node of that name."""
    return next(node for node in document["nodes"] if node["name"] == name)
