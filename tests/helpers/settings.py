"""Settings as conf/ has them, with what a test changes."""

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from harness.settings import CONF
from harness.settings.schema import ClaimConfig, CompareConfig, checked
from harness.tasks.job import read_config


def composed(*overrides):
    """The RunConfig of these overrides, e.g. "workload=mnist_mlp"."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return read_config(compose("config", overrides=list(overrides)))


def comparing(**changes):
    """The CompareConfig of conf/config.yaml with `changes`."""
    shipped = OmegaConf.to_container(OmegaConf.load(CONF / "config.yaml").compare)
    return checked(shipped | changes, CompareConfig, "compare")


def claiming(**changes):
    """The ClaimConfig of conf/claim/seed_training_time.yaml with `changes`."""
    shipped = OmegaConf.to_container(OmegaConf.load(CONF / "claim" / "seed_training_time.yaml"))
    return checked(shipped | changes, ClaimConfig, "claim")
