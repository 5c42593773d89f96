"""A model that does not fit its data is told in a line: where it failed, and what to set."""

import pytest

from harness.settings.errors import HalfstepError, TrainingError
from harness.training.train import plan, train
from tests.helpers.program import halfstep, refused

MODELS = """
import torch
from torch import nn

def net(num_classes, out=None):
    return nn.Sequential(nn.Flatten(), nn.Linear(12, out or num_classes))

def double(num_classes): return net(num_classes).double()
def half(num_classes): return net(num_classes).half()
def few(num_classes): return net(num_classes, 2)
def wide(num_classes): return nn.Conv2d(3, num_classes, 1)
def flat(num_classes): return nn.Sequential(net(num_classes, 1), nn.Flatten(0))

class Pair(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.net = net(n)
    def forward(self, x):
        return self.net(x), x

class Named(Pair):
    def forward(self, x):
        return {"logits": self.net(x)}

class Fixed(Pair):
    def forward(self, x):
        return self.net(x.view(4, 3, 2, 2))

class Raises(Pair):
    def forward(self, x):
        if x.abs().sum() > 0:
            raise KeyError("not today\\nnor tomorrow")
        return self.net(x)

def pair(num_classes): return Pair(num_classes)
def named(num_classes): return Named(num_classes)
def fixed(num_classes): return Fixed(num_classes)
def raises(num_classes): return Raises(num_classes)
"""
OWN = (
    *("workload=custom", "workload.input_shape=[3,2,2]", "workload.classes=5", "batch_size=4", "train.steps=2"),
    *("data=synthetic", "tracking=none", "compare.ceiling_of=null", "baseline.device=cpu"),
)
UNSUITED = {
    "double": ("double", "float64"),
    "half": ("half", "float16"),
    "fewer scores than classes": ("few", "workload.classes"),
    "a picture of scores": ("wide", "(4, workload.classes)"),
    "a score alone": ("flat", "(4, workload.classes)"),
    "a pair": ("pair", "returns a tuple"),
    "a mapping": ("named", "returns a dict"),
}


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", UNSUITED)
def test_a_model_that_does_not_suit_its_data_is_told_what_to_do(own, name):
    function, says = UNSUITED[name]
    done = halfstep(*OWN, f"workload.target=mine:{function}", folder=own)
    refused(done, says)
    error = done.stderr[done.stderr.index("error:") :]
    assert len(error.strip().splitlines()) <= 12


@pytest.mark.parametrize(("function", "says"), [("fixed", "view"), ("raises", "KeyError")])
def test_what_a_model_raises_while_it_trains_names_its_line(compose, own, monkeypatch, function, says):
    monkeypatch.syspath_prepend(own)
    config = compose(
        *OWN, f"workload.target=mine:{function}", "batch_size=6" if function == "fixed" else "batch_size=4"
    )
    with pytest.raises(TrainingError) as caught:
        train(config, "cpu")
    text = str(caught.value)
    assert "mine.py" in text and "\n" not in text
    assert says in text or "size" in text


def test_a_failure_of_one_s_own_is_passed_on_as_it_is(compose):
    with pytest.raises(HalfstepError, match=r"workload.optimizer.lr"):
        train(compose("workload=mnist_mlp", "workload.optimizer.lr=1e30", "train.steps=40"), "cpu")


def test_a_custom_model_is_timed_from_as_many_steps_as_train_steps_says(compose):
    own = ("workload=custom", "workload.target=harness.training.models:mlp", "workload.input_shape=[1,28,28]")
    config = compose(*own, "workload.classes=10")
    assert config.train.steps == 50
    training = train(config, "cpu")
    assert training.measurement.samples_s.size == 50 and training.measurement.warmup == config.train.warmup > 0
    assert training.stopped_by == "steps"
    assert plan(compose(*own, "train.steps=7", "train.warmup=2"), 4) == (9, "steps")
    assert plan(compose(*own, "train.steps=null", "train.epochs=3"), 4) == (12, "epochs")


@pytest.mark.parametrize(("steps", "expected"), [("null", (40, "epochs")), ("7", (7, "steps")), ("90", (40, "epochs"))])
def test_other_workloads_train_for_their_epochs_and_train_steps_at_most(compose, steps, expected):
    assert plan(compose(f"train.steps={steps}", "train.epochs=10"), 4) == expected
