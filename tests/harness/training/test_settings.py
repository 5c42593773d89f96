"""Training sets torch as measuring does, and tells a full memory by the same words."""

import pytest
import torch

from baselines.live.device import matrix_settings, rounds_to_tf32
from harness.settings import shipped
from harness.settings.errors import NoRoomError
from harness.training import step
from harness.training.modes import refusal
from harness.training.train import matrix_precision


def flags():
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32


@pytest.mark.parametrize("name", ["fp32", "tf32", "bf16", "fp16"])
def test_a_precision_is_trained_and_measured_under_the_same_settings(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    with matrix_precision(shipped.precision(name)):
        trained = flags()
    with matrix_settings(rounds_to_tf32(torch.device("cuda"), name)):
        assert flags() == trained == (True, name == "tf32", name == "tf32")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: out of memory"), RuntimeError("MPS backend out of memory (9 GB)"), MemoryError()],
)
def test_a_model_that_does_not_fit_is_told_in_whatever_words_memory_ran_out(monkeypatch, error):
    def full(workload):
        raise error

    monkeypatch.setattr(step, "build_model", full)
    with pytest.raises(NoRoomError, match="does not fit"):
        step.build_step(shipped.load("mnist_mlp"), shipped.precision("fp32"), 4)


def test_a_mode_is_too_large_in_whatever_words_memory_ran_out():
    assert refusal("eager", RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")).too_large
    assert refusal("graphs", RuntimeError("CUDA error: out of memory")).too_large
    assert not refusal("eager", RuntimeError("shapes differ")).too_large
