"""The shipped workloads, read straight from conf/workload, for what is asked of one beside the run's own."""

from pathlib import Path

from harness.config import WorkloadConfig
from harness.errors import ConfigError

FOLDER = Path(__file__).resolve().parent.parent / "conf" / "workload"


def names():
    """Names of the shipped workloads, sorted; `custom`, which has no model of its own, is left out."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "custom")


def load(name):
    """The WorkloadConfig of conf/workload/NAME.yaml; raises ConfigError for a name that is none."""
    from omegaconf import OmegaConf

    if name not in names():
        raise ConfigError(f"there is no workload {name!r}: use one of {', '.join(names())}")
    node = OmegaConf.load(FOLDER / f"{name}.yaml")
    node.pop("defaults", None)
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(WorkloadConfig), node))
