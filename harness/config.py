"""The settings of a run: one schema for conf/, checked once, where they enter."""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from harness.errors import ConfigError


class TaskName(Enum):
    run = "run"
    capture = "capture"
    replay = "replay"
    baselines = "baselines"
    validate = "validate"
    record = "record"
    explore = "explore"


class DataName(Enum):
    digits = "digits"
    mnist = "mnist"
    cifar10 = "cifar10"
    imagenet = "imagenet"
    python_source = "python_source"
    text = "text"
    synthetic = "synthetic"


class OptimizerName(Enum):
    sgd = "sgd"
    adam = "adam"
    adamw = "adamw"


class Metric(Enum):
    time_reduction = "time_reduction"
    throughput_gain = "throughput_gain"


class TrackingName(Enum):
    mlflow = "mlflow"
    none = "none"


KINDS = ("live", "recorded", "published")
MODES = ("eager", "graphs", "compiled")
SCOPES = ("step", "step_and_copy")
AUTOCAST = (None, "bfloat16", "float16")
OBJECTIVES = ("step_s", "energy_j", "area_mm2", "watts")


def above_zero(where, value, example, whole=True):
    """Raise ConfigError where the setting `where` is not a (whole) number above 0."""
    if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
        kind = "whole number" if whole else "number"
        raise ConfigError(f"{where} is {value}: give a {kind} above 0, e.g. {where}={example}")


def between(where, value, low, high, example):
    """Raise ConfigError where the setting `where` does not lie in [low, high)."""
    if not low <= value < high:
        raise ConfigError(f"{where} is {value}: give a number from {low} to below {high}, e.g. {where}={example}")


@dataclass
class TaskConfig:
    """What to do: a file in conf/task."""

    name: TaskName
    trace: str | None = None  # file to write (capture) or to read (replay, explore)
    config: str | None = None  # SCALE-Sim configuration to take the accelerator from (replay)
    timeline: str | None = None  # Perfetto file to write (replay)
    topology: str | None = None  # SCALE-Sim topology to write (replay)


@dataclass
class DataConfig:
    """Which samples to train on: a file in conf/data."""

    name: DataName
    root: str | None = None  # folder or file of the data set
    workers: int = 0  # processes that load samples

    def __post_init__(self):
        between("data.workers", self.workers, 0, 257, 4)


@dataclass
class OptimizerConfig:
    """How weights are updated."""

    name: OptimizerName = OptimizerName.sgd
    lr: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self):
        above_zero("workload.optimizer.lr", self.lr, 0.1, whole=False)
        between("workload.optimizer.momentum", self.momentum, 0, 1, 0.9)
        between("workload.optimizer.weight_decay", self.weight_decay, 0, 1, 1e-4)


@dataclass
class WorkloadConfig:
    """One model to train: a file in conf/workload."""

    name: str
    target: str  # module:function that takes num_classes and returns the model
    dataset: str  # what the model is meant to be trained on
    dataset_samples: int  # training samples of that data set, for the time of an epoch
    input_shape: list[int]  # of one sample, without the batch
    classes: int
    batch_size: int
    epochs: int
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    arguments: dict[str, Any] = field(default_factory=dict)  # further arguments of target

    def __post_init__(self):
        for name, example in (("dataset_samples", 60000), ("classes", 10), ("batch_size", 64), ("epochs", 10)):
            above_zero(f"workload.{name}", getattr(self, name), example)
        if not self.input_shape or min(self.input_shape) <= 0:
            raise ConfigError(
                f"workload.input_shape is {list(self.input_shape)}: "
                f"give sizes above 0, e.g. workload.input_shape=[3,32,32]"
            )


@dataclass
class BaselineConfig:
    """Which measured times to compare with: a file in conf/baseline."""

    name: str
    device: str = "auto"  # torch device of the live measurement, or none
    kinds: list[str] = field(default_factory=lambda: list(KINDS))

    def __post_init__(self):
        if unknown := sorted(set(self.kinds) - set(KINDS)):
            raise ConfigError(
                f"baseline.kinds holds {unknown[0]!r}: use {', '.join(KINDS)}, e.g. baseline.kinds=[published]"
            )


@dataclass
class PrecisionConfig:
    """Number formats of the training step: a file in conf/precision."""

    name: str
    operands: str  # what the accelerator multiplies
    autocast: str | None = None  # torch dtype of autocast
    tf32: bool = False  # let a GPU round matrix operands to TF32
    trains: bool = True  # torch can train in it

    def __post_init__(self):
        if self.autocast not in AUTOCAST:
            raise ConfigError(f"precision.autocast is {self.autocast}: use null, bfloat16 or float16")


@dataclass
class ClaimConfig:
    """One claim to judge: a file in conf/claim."""

    statement: str
    metric: Metric
    threshold: float  # as a fraction: 0.5 is 50 %
    workloads: list[str]  # patterns of names, as in a shell
    device_kinds: list[str]
    source: str

    def __post_init__(self):
        if not math.isfinite(self.threshold):
            raise ConfigError(f"a claim's threshold is {self.threshold}: give a fraction, e.g. 0.5 for 50 %")
        if self.metric is Metric.time_reduction and self.threshold >= 1:
            raise ConfigError(
                f"a claim's time_reduction is {self.threshold}: no time falls by 100 % or more; "
                f"give a fraction below 1, e.g. 0.5 for 50 %"
            )
        if not self.workloads or not self.device_kinds:
            raise ConfigError(
                'a claim speaks of nothing: give workloads, e.g. ["imagenet_*"], and device_kinds, e.g. [gpu]'
            )


@dataclass
class TrackingConfig:
    """Where runs are logged: a file in conf/tracking."""

    name: TrackingName
    uri: str = "sqlite:///mlflow.db"
    experiment: str = "halfstep"

    def __post_init__(self):
        if "/" in self.experiment or not self.experiment.strip():
            raise ConfigError(f"tracking.experiment is {self.experiment!r}: give a name without a slash, e.g. halfstep")


@dataclass
class TrainConfig:
    """How long to train."""

    epochs: int = 1
    steps: int | None = None
    budget_s: float = 120.0
    warmup: int = 5

    def __post_init__(self):
        above_zero("train.epochs", self.epochs, 10)
        above_zero("train.budget_s", self.budget_s, 60, whole=False)
        between("train.warmup", self.warmup, 0, 10_000, 5)
        if self.steps is not None:
            above_zero("train.steps", self.steps, 100)


@dataclass
class CompareConfig:
    """How wide the intervals are."""

    level: float = 0.95
    published_uncertainty: float = 0.05
    model_error: float = 0.35
    ceiling_of: str | None = None

    def __post_init__(self):
        between("compare.level", self.level, 0.5, 1, 0.95)
        between("compare.published_uncertainty", self.published_uncertainty, 0, 1, 0.05)
        between("compare.model_error", self.model_error, 0, 1, 0.1)


@dataclass
class RecordConfig:
    """What task=record measures, and where it goes; an empty list stands for the run's own value."""

    folder: str | None = None
    workloads: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    precisions: list[str] = field(default_factory=list)
    modes: list[str] = field(default_factory=lambda: list(MODES))
    scopes: list[str] = field(default_factory=lambda: ["step_and_copy"])
    budget_s: float = 480.0
    measurement_s: float = 10.0
    energy_window_s: float = 2.0

    def __post_init__(self):
        above_zero("record.budget_s", self.budget_s, 480, whole=False)
        above_zero("record.measurement_s", self.measurement_s, 10, whole=False)
        between("record.energy_window_s", self.energy_window_s, 0, 600, 2)
        if wrong := [batch for batch in self.batches if batch <= 0]:
            raise ConfigError(
                f"record.batches holds {wrong[0]}: give whole numbers above 0, e.g. record.batches=[1,64]"
            )
        for name, words in (("modes", MODES), ("scopes", SCOPES)):
            given = getattr(self, name)
            if not given or set(given) - set(words):
                raise ConfigError(
                    f"record.{name} is {list(given)}: give some of {', '.join(words)}, e.g. record.{name}=[{words[0]}]"
                )


@dataclass
class ExploreConfig:
    """What task=explore searches: a file in conf/explore."""

    space: dict[str, Any]
    objectives: list[str] = field(default_factory=lambda: list(OBJECTIVES[:3]))
    macs_most: float | None = None
    area_most_mm2: float | None = None
    watts_most: float | None = None
    grid_most: int = 3_000_000
    trials: int = 4096
    population: int = 256

    def __post_init__(self):
        for name in ("macs_most", "area_most_mm2", "watts_most"):
            if getattr(self, name) is not None:
                above_zero(f"explore.{name}", getattr(self, name), 100, whole=False)
        for name, example in (("grid_most", 3_000_000), ("trials", 4096), ("population", 256)):
            above_zero(f"explore.{name}", getattr(self, name), example)
        if (
            not self.objectives
            or set(self.objectives) - set(OBJECTIVES)
            or len(set(self.objectives)) < len(self.objectives)
        ):
            raise ConfigError(
                f"explore.objectives is {list(self.objectives)}: give some of {', '.join(OBJECTIVES)}, each once, "
                f"e.g. explore.objectives=[step_s,area_mm2]"
            )


@dataclass
class RunConfig:
    """All settings of one run: conf/config.yaml with its groups."""

    task: TaskConfig
    workload: WorkloadConfig
    data: DataConfig
    accelerator: dict[str, Any]
    baseline: BaselineConfig
    precision: PrecisionConfig
    claim: dict[str, ClaimConfig]
    tracking: TrackingConfig
    train: TrainConfig
    compare: CompareConfig
    record: RecordConfig
    explore: ExploreConfig
    batch_size: int = 64
    seed: int = 0
    resume: bool = False
    strict: bool = False
    outputs: str = "outputs"

    def __post_init__(self):
        above_zero("batch_size", self.batch_size, 64)
        between("seed", self.seed, 0, 2**32, 0)


def register():
    """Make the schema known to Hydra under the name that conf/config.yaml starts with."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="schema", node=RunConfig)


def to_config(node):
    """The RunConfig of a composed Hydra node; raises ConfigError for a value that is missing or not of its type."""
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    try:
        return OmegaConf.to_object(node)
    except MissingMandatoryValue as error:
        key = error.full_key or str(error).split(":")[-1].strip()
        raise ConfigError(f"{key} has no value: give one, e.g. {key}=...") from None
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from None


LEFT_OUT = ("tracking", "resume", "outputs", "record", "explore")  # settings that decide no result


def fingerprint(config):
    """Hex digest of the settings that decide a result, which LEFT_OUT do not."""
    import hashlib
    import json
    from dataclasses import asdict

    values = {key: value for key, value in asdict(config).items() if key not in LEFT_OUT}
    text = json.dumps(values, sort_keys=True, default=lambda value: value.value)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
