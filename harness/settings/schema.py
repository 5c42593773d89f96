"""The settings that every run has: their types, units and bounds. The values stand in conf/, and nowhere else.

What only one task or one data source reads is in the schema of its own file (harness/tasks, harness/training/data).
"""

import math
from contextlib import suppress
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from baselines.published import UNCERTAINTY_BELOW
from baselines.vocabulary import DEVICE_KINDS, KINDS, LIVE_SCOPES, MODES
from harness.settings.errors import ConfigError
from harness.settings.fields import (
    LARGEST_WHOLE,
    above_zero,
    between,
    check,
    check_name,
    named,
    one_of,
    some_of,
)
from harness.settings.metrics import METRICS, Metric
from harness.text.shown import shown

AUTOCAST = (None, "bfloat16", "float16")
MOST_AXES = 16  # of one sample


class OptimizerName(Enum):
    """torch's optimisers that a workload may name."""

    sgd = "sgd"
    adam = "adam"
    adamw = "adamw"


class TrackingName(Enum):
    """Where runs are logged."""

    mlflow = "mlflow"
    none = "none"


@dataclass
class OptimizerConfig:
    """How weights are updated."""

    name: OptimizerName
    lr: float = above_zero(0.1)
    momentum: float = between(0, 1, 0.9)
    weight_decay: float = between(0, 1, 1e-4)

    def __post_init__(self):
        check(self, "workload.optimizer")


@dataclass
class WorkloadConfig:
    """One model to train: a file in conf/workload."""

    name: str = named()
    target: str  # module:function that takes num_classes and returns the model
    arguments: dict[str, Any]  # further arguments of target
    dataset: str  # what the model is meant to be trained on
    input_shape: list[int]  # of one sample, without the batch
    optimizer: OptimizerConfig
    dataset_samples: int = above_zero(60000, "samples")  # training samples of that data set, for the time of an epoch
    classes: int = above_zero(10)
    batch_size: int = above_zero(64, "samples a step")
    epochs: int = above_zero(10)
    timed_steps: int | None = above_zero(50, "steps")  # that train.steps asks for, after train.warmup more

    def __post_init__(self):
        check(self, "workload")
        shape = list(self.input_shape)
        if not 0 < len(shape) <= MOST_AXES or min(shape) <= 0 or math.prod(shape) >= LARGEST_WHOLE:
            raise ConfigError(
                f"workload.input_shape is {shown(shape)}: "
                f"give at most {MOST_AXES} sizes above 0, e.g. workload.input_shape=[3,32,32]"
            )


@dataclass
class BaselineConfig:
    """Which measured times to compare with: a file in conf/baseline."""

    name: str = named()
    device: str  # torch device of the live measurement, auto, or none
    kinds: list[str] = some_of(KINDS, filled=False)
    modes: list[str] = some_of(MODES)  # of the live measurement
    scopes: list[str] = some_of(LIVE_SCOPES)  # what it times
    measurement_s: float = above_zero(2, "s")  # of samples, of each mode and scope beside the training

    def __post_init__(self):
        check(self, "baseline")


@dataclass
class PrecisionConfig:
    """Number formats of the training step: a file in conf/precision."""

    name: str = named()
    operands: str  # what the accelerator multiplies
    tf32: bool  # let a GPU round matrix operands to TF32
    trains: bool  # torch can train in it
    autocast: str | None = one_of(AUTOCAST)  # torch dtype of autocast

    def __post_init__(self):
        check(self, "precision")


@dataclass
class ClaimConfig:
    """One claim to judge: a file in conf/claim."""

    statement: str
    threshold: float  # as a fraction: 0.5 is 50 %; of a speed-up, the factor
    workloads: list[str]  # patterns of names, as in a shell
    years: list[int]  # of baselines: the first and the last
    parity: bool  # false: also against baselines of another class of precision
    source: str
    metric: str = one_of(tuple(METRICS))
    device_kinds: list[str] = some_of(DEVICE_KINDS, filled=False)
    kinds: list[str] = some_of(KINDS, filled=False)  # of baselines that it rests on

    @property
    def rule(self) -> Metric:
        """The record of its metric."""
        return METRICS[self.metric]

    def __post_init__(self):
        if not self.workloads or not self.device_kinds or not self.kinds:
            raise ConfigError(
                'a claim speaks of nothing: give workloads, e.g. ["imagenet_*"], device_kinds, e.g. [gpu], '
                "and kinds, e.g. [published]"
            )
        check(self, "a claim's settings")
        rule = self.rule
        if not math.isfinite(self.threshold):
            raise ConfigError(
                f"a claim's threshold is {self.threshold}: give a fraction or a factor, e.g. {rule.example}"
            )
        if not rule.above < self.threshold < rule.below:
            limit = f"below {rule.below:g}" if self.threshold >= rule.below else f"above {rule.above:g}"
            raise ConfigError(
                f"a claim's {rule.name} is {self.threshold}: {rule.why}; give a number {limit}, e.g. {rule.example}"
            )
        if len(self.years) != 2 or self.years[0] > self.years[1]:
            raise ConfigError(
                f"a claim's years are {shown(list(self.years))}: give the first and the last, e.g. [2014, 2023]"
            )


@dataclass
class TrackingConfig:
    """Where runs are logged: a file in conf/tracking."""

    name: TrackingName
    uri: str
    experiment: str

    def __post_init__(self):
        if "/" in self.experiment or not self.experiment.strip():
            raise ConfigError(
                f"tracking.experiment is {shown(self.experiment)}: give a name without a slash, e.g. halfstep"
            )


@dataclass
class TrainConfig:
    """How long to train."""

    epochs: int = above_zero(10)
    steps: int | None = above_zero(100)
    budget_s: float = above_zero(60, "s")
    warmup: int = between(0, 10_000, 5, "steps")

    def __post_init__(self):
        check(self, "train")


@dataclass
class CompareConfig:
    """How wide the intervals are."""

    model_error_quantiles: list[float]
    ceiling_of: str | None
    level: float = between(0.5, 1, 0.95)
    published_uncertainty: float = between(0, UNCERTAINTY_BELOW, 0.1)
    model_error: float | None = between(0, 1, 0.1)

    def __post_init__(self):
        check(self, "compare")
        ends = self.model_error_quantiles
        if len(ends) != 2 or not 0 <= ends[0] < ends[1] <= 1:
            raise ConfigError(
                f"compare.model_error_quantiles is {shown(list(ends))}: give two shares in order, "
                f"e.g. compare.model_error_quantiles=[0.05,0.95]"
            )


@dataclass
class RunConfig:
    """All settings of one run: conf/config.yaml with its groups."""

    task: Any  # the settings of the task's own schema, None where it has none
    workload: WorkloadConfig
    data: Any  # of the data source's own schema
    accelerator: dict[str, Any]
    baseline: BaselineConfig
    precision: PrecisionConfig
    claim: dict[str, ClaimConfig]
    tracking: TrackingConfig
    train: TrainConfig
    compare: CompareConfig
    resume: bool
    strict: bool
    trust: bool  # files of conf may name code and places
    outputs: str
    batch_size: int = above_zero(64, "samples a step")
    seed: int = between(0, 2**32, 0)

    def __post_init__(self):
        check(self, "")
        if "name" in self.accelerator:
            check_name("accelerator.name", self.accelerator["name"])
        for name in self.claim:
            check_name("the name of a claim", name)


SECTIONS = tuple(one.name for one in fields(RunConfig))


def checked(node: Any, schema: type, where: str) -> Any:
    """An instance of the dataclass `schema` with the values of an OmegaConf node or mapping.

    where: the place of the node in the settings, "" for the top. What may be null may be left out. Raises ConfigError
    for a value that is missing, unknown, not of its type or out of its bound.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException, ValidationError

    try:
        given = OmegaConf.merge(OmegaConf.structured(schema), node)
        for key in OmegaConf.missing_keys(given):
            with suppress(ValidationError):  # of what may not be null
                OmegaConf.update(given, key, None)
        return OmegaConf.to_object(given)
    except RecursionError:
        raise ConfigError(
            f"{where or 'the settings'} lead back to themselves: give a value in place of ${{...}}"
        ) from None
    except MissingMandatoryValue as error:
        key = error.full_key or str(error).split(":")[-1].strip()
        name = f"{where}.{key}" if where and not key.startswith(f"{where}.") else key
        raise ConfigError(f"{name} has no value: give one, e.g. {name}=...") from None
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        name = ".".join(filter(None, (where, key)))
        raise ConfigError(": ".join(filter(None, (name, _first_line(error))))) from None


def _first_line(error):
    """The first line of an error of OmegaConf, without all of an endless value."""
    text = str(error).splitlines()[0]
    return text if len(text) <= 240 else f"{text[:160]} ... {text[-60:]}"
