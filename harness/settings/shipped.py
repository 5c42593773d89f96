"""The shipped workloads and precisions, read straight from conf, for what is asked of one beside the run's own."""

import re
from fnmatch import filter as matching_names
from functools import lru_cache

from accel_model.formats.yaml_file import read_yaml
from harness.settings import CONF
from harness.settings.errors import ConfigError
from harness.settings.groups import check_file
from harness.settings.schema import PrecisionConfig, RunConfig, WorkloadConfig, checked


def names():
    """Names of the shipped workloads, sorted; `custom`, which has no model of its own, is left out."""
    return [name for name in _files("workload") if name != "custom"]


def short_name(name):
    """A workload's name without what most of them share, for where there is little room."""
    return re.sub(r"^(imagenet|cifar10|mnist|text)_", "", name)


def matching(patterns):
    """Names of the shipped workloads that any of `patterns` (as in a shell) matches, in the order of the patterns."""
    found = [matching_names(names(), pattern) for pattern in patterns]
    for pattern, matched in zip(patterns, found, strict=True):
        if not matched:
            raise ConfigError(f"no workload is called {pattern!r}: use one of {', '.join(names())}, or a pattern, '*'")
    return list(dict.fromkeys(name for matched in found for name in matched))


def load(name, trusted=False):
    """The WorkloadConfig of conf/workload/NAME.yaml; raises ConfigError for a name that is none.

    trusted: its file may name code of its own.
    """
    if name not in names():
        raise ConfigError(f"there is no workload {name!r}: use one of {', '.join(names())}")
    return _read("workload", name, WorkloadConfig, trusted)


@lru_cache
def precision(name):
    """The PrecisionConfig of conf/precision/NAME.yaml; raises ConfigError for a name that is none."""
    if name not in _files("precision"):
        raise ConfigError(f"there is no precision {name!r}: use one of {', '.join(_files('precision'))}")
    return _read("precision", name, PrecisionConfig)


def workload_of(config: RunConfig, name: str) -> WorkloadConfig:
    """The WorkloadConfig called `name`, as the run has it where it is the run's own."""
    return config.workload if name == config.workload.name else load(name, config.trust)


def precision_of(config: RunConfig, name: str) -> PrecisionConfig:
    """The PrecisionConfig called `name`, as the run has it where it is the run's own."""
    return config.precision if name == config.precision.name else precision(name)


def _files(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _read(group, name, schema, trusted=False):
    from omegaconf import OmegaConf

    path = CONF / group / f"{name}.yaml"
    text, values = read_yaml(path, ConfigError)
    check_file(str(path), group, None, values, trusted)
    node = OmegaConf.create(text)
    node.pop("defaults", None)
    return checked(node, schema, group)
