"""The settings of a run: one schema for conf/, checked once, where they enter."""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from harness.settings.errors import ConfigError


class TaskName(Enum):
    run = "run"
    capture = "capture"
    replay = "replay"
    baselines = "baselines"
    validate = "validate"
    record = "record"
    claims = "claims"
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
    time_reduction = "time_reduction"  # 1 - simulated / measured time
    throughput_gain = "throughput_gain"  # measured / simulated time - 1
    speedup = "speedup"  # measured / simulated time
    energy_reduction = "energy_reduction"  # 1 - simulated / measured energy


class TrackingName(Enum):
    mlflow = "mlflow"
    none = "none"


KINDS = ("live", "recorded", "published", "placed")
DEVICE_KINDS = ("gpu", "cpu", "fpga", "other")
MODES = ("eager", "graphs", "compiled")
SCOPES = ("step", "step_and_copy")
LIVE_SCOPES = (*SCOPES, "step_and_loading")
FILTERS = ("gpu", "fpga", "device", "model", "year", "kind")  # of what task=baselines lists
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


def some_of(where, given, words):
    """Raise ConfigError where the list `given` of the setting `where` is empty or holds a word not among `words`."""
    if not given or set(given) - set(words):
        raise ConfigError(f"{where} is {list(given)}: give some of {', '.join(words)}, e.g. {where}=[{words[0]}]")


@dataclass
class TaskConfig:
    """What to do: a file in conf/task."""

    name: TaskName
    trace: str | None = None  # file to write (capture) or to read (replay, explore)
    config: str | None = None  # SCALE-Sim configuration to take the accelerator from (replay)
    timeline: str | None = None  # Perfetto file to write (replay)
    topology: str | None = None  # SCALE-Sim topology to write (replay)
    errors: str | None = None  # table of the model's errors to write (validate)


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
    modes: list[str] = field(default_factory=lambda: ["eager", "graphs"])  # of the live measurement
    scopes: list[str] = field(default_factory=lambda: ["step_and_copy"])  # what it times
    measurement_s: float = 2.0  # of samples, of each mode and scope beside the training

    def __post_init__(self):
        above_zero("baseline.measurement_s", self.measurement_s, 2, whole=False)
        some_of("baseline.modes", self.modes, MODES)
        some_of("baseline.scopes", self.scopes, LIVE_SCOPES)
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
    threshold: float  # as a fraction: 0.5 is 50 %; of a speed-up, the factor
    workloads: list[str]  # patterns of names, as in a shell
    device_kinds: list[str]
    source: str
    kinds: list[str] = field(default_factory=lambda: list(KINDS))  # of baselines that it rests on
    years: list[int] = field(default_factory=lambda: [0, 9999])  # of baselines: the first and the last
    parity: bool = True  # false: also against baselines of another class of precision

    def __post_init__(self):
        if not math.isfinite(self.threshold):
            raise ConfigError(f"a claim's threshold is {self.threshold}: give a fraction, e.g. 0.5 for 50 %")
        if self.metric in (Metric.time_reduction, Metric.energy_reduction) and self.threshold >= 1:
            what = self.metric.value.removesuffix("_reduction")
            raise ConfigError(
                f"a claim's {self.metric.value} is {self.threshold}: no {what} falls by 100 % or more; "
                f"give a fraction below 1, e.g. 0.5 for 50 %"
            )
        if self.metric is Metric.throughput_gain and self.threshold <= -1:
            raise ConfigError(
                f"a claim's throughput_gain is {self.threshold}: no throughput falls by 100 % or more; "
                f"give a fraction above -1, e.g. 2.0 for +200 %"
            )
        if self.metric is Metric.speedup:
            above_zero("a claim's speedup", self.threshold, 2.0, whole=False)
        if not self.workloads or not self.device_kinds or not self.kinds:
            raise ConfigError(
                'a claim speaks of nothing: give workloads, e.g. ["imagenet_*"], device_kinds, e.g. [gpu], '
                "and kinds, e.g. [published]"
            )
        for name, words in (("device_kinds", DEVICE_KINDS), ("kinds", KINDS)):
            if unknown := sorted(set(getattr(self, name)) - set(words)):
                raise ConfigError(f"a claim's {name} holds {unknown[0]!r}: use {', '.join(words)}")
        if len(self.years) != 2 or self.years[0] > self.years[1]:
            raise ConfigError(f"a claim's years are {list(self.years)}: give the first and the last, e.g. [2014, 2023]")


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
    model_error: float | None = None
    model_error_quantiles: list[float] = field(default_factory=lambda: [0.05, 0.95])
    ceiling_of: str | None = None

    def __post_init__(self):
        between("compare.level", self.level, 0.5, 1, 0.95)
        between("compare.published_uncertainty", self.published_uncertainty, 0, 1, 0.05)
        if self.model_error is not None:
            between("compare.model_error", self.model_error, 0, 1, 0.1)
        ends = self.model_error_quantiles
        if len(ends) != 2 or not 0 <= ends[0] < ends[1] <= 1:
            raise ConfigError(
                f"compare.model_error_quantiles is {list(ends)}: give two shares in order, "
                f"e.g. compare.model_error_quantiles=[0.05,0.95]"
            )


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
        some_of("record.modes", self.modes, MODES)
        some_of("record.scopes", self.scopes, SCOPES)


@dataclass
class MapConfig:
    """What task=claims compares."""

    workloads: list[str] = field(default_factory=lambda: ["*"])
    batches: list[int] = field(default_factory=lambda: [1, 8, 32, 64, 128, 256])
    precisions: list[str] = field(default_factory=lambda: ["fp32", "bf16", "int8"])
    without_parity: str | None = "int8"
    break_even: bool = True
    train_steps: int = 200
    live_budget_s: float = 20.0
    workers: int | None = None

    def __post_init__(self):
        for name, example in (("workloads", '["imagenet_*"]'), ("precisions", "[fp32]"), ("batches", "[64]")):
            if not getattr(self, name):
                raise ConfigError(f"map.{name} is empty: give some, e.g. map.{name}={example}")
        if wrong := [batch for batch in self.batches if batch <= 0]:
            raise ConfigError(f"map.batches holds {wrong[0]}: give whole numbers above 0, e.g. map.batches=[1,64]")
        between("map.train_steps", self.train_steps, 0, 1_000_000, 200)
        between("map.live_budget_s", self.live_budget_s, 0, 1_000_000, 20)
        if self.workers is not None:
            above_zero("map.workers", self.workers, 2)


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
    map: MapConfig
    explore: ExploreConfig
    gpu: str | None = None  # these filter what task=baselines lists
    fpga: str | None = None
    device: str | None = None
    model: str | None = None
    year: int | None = None
    kind: str | None = None
    left_out: bool = False
    batch_size: int = 64
    seed: int = 0
    resume: bool = False
    strict: bool = False
    outputs: str = "outputs"

    def __post_init__(self):
        above_zero("batch_size", self.batch_size, 64)
        between("seed", self.seed, 0, 2**32, 0)
        given = [name for name in FILTERS if getattr(self, name) is not None] + ["left_out"] * self.left_out
        if given and self.task.name is not TaskName.baselines:
            raise ConfigError(
                f"{given[0]} is a filter of task=baselines and the task is {self.task.name.value}: "
                "give task=baselines, or, to measure on a device, baseline.device=cuda"
            )
        if self.kind is not None:
            some_of("kind", [self.kind], KINDS[1:])


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


LEFT_OUT = (  # settings that decide no result
    *("tracking", "resume", "outputs", "record", "map", "explore", "left_out"),
    *FILTERS,
)


def fingerprint(config):
    """Hex digest of the settings that decide a result, which LEFT_OUT do not."""
    import hashlib
    import json
    from dataclasses import asdict

    values = {key: value for key, value in asdict(config).items() if key not in LEFT_OUT}
    text = json.dumps(values, sort_keys=True, default=lambda value: value.value)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
