"""A claim map of hostile names and the report of it, which the tests of the page read."""

import pytest

from harness.report.claim_map.page import write
from tests.helpers import claim_maps

COMMAND = "halfstep task=claims 'workload=[mnist_lenet5]' <&>"


@pytest.fixture(scope="session")
def small():
    """A ClaimMap of two workloads, with hostile names."""
    return claim_maps.claim_map(workloads=("mnist_lenet5", "imagenet_resnet50"), per_batch=8, batches=(1, 64))


@pytest.fixture(scope="session")
def written(small, tmp_path_factory):
    """The folder of its report."""
    folder = tmp_path_factory.mktemp("report")
    write(small, folder, COMMAND, {"python": "3.11", "torch": claim_maps.HOSTILE})
    return folder
