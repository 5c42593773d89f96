"""Settings as conf/ has them, with what a test changes."""

from omegaconf import OmegaConf

from harness.settings import CONF
from harness.settings.schema import ClaimConfig, CompareConfig, checked


def comparing(**changes):
    """The CompareConfig of conf/config.yaml with `changes`."""
    shipped = OmegaConf.to_container(OmegaConf.load(CONF / "config.yaml").compare)
    return checked(shipped | changes, CompareConfig, "compare")


def claiming(**changes):
    """The ClaimConfig of conf/claim/seed_training_time.yaml with `changes`."""
    shipped = OmegaConf.to_container(OmegaConf.load(CONF / "claim" / "seed_training_time.yaml"))
    return checked(shipped | changes, ClaimConfig, "claim")
