"""The layers of a run's result, measured beside simulated: nothing is lost between the result and the report."""

from dataclasses import replace

import numpy as np
import pytest

from harness.report.claim_map.tables import layers_table
from harness.report.layers import UNATTRIBUTED, layer_table
from harness.report.pictures import layers
from harness.report.run_values import layer_title
from tests.helpers import claim_maps


@pytest.fixture(scope="module")
def small():
    return claim_maps.one_cell()


def test_both_sides_of_the_layers_add_up_to_their_steps(small):
    result, table = small.trained, layer_table(small.trained)
    measured = [seconds for seconds in table["measured_s"] if seconds is not None]
    assert sum(table["simulated_s"]) == pytest.approx(float(np.sum(result.report.op_s)))
    assert sum(measured) == pytest.approx(result.layer_times.seconds.sum() + result.layer_times.unattributed_s)
    assert sum(table["macs"]) == result.trace.ops.macs.sum()
    assert table["layer"][-1] == UNATTRIBUTED


def test_the_title_is_that_of_the_step_that_was_trained(small):
    title, device, caption = layer_title(small.trained)
    meta = small.trained.trace.meta
    assert title.startswith(f"{meta['workload']}, batch {meta['batch_size']}, {meta['precision']}: ")
    assert device == small.trained.training.measurement.device and "profiled pass" in caption
    assert layer_title(replace(small.trained, training=None, layer_times=None))[1:] == ("", "")


def test_a_claim_map_that_trained_nothing_has_no_layers(small):
    nothing = replace(small, trained=None)
    assert layers_table(small).rows and layers.pictures(small)
    assert not layers_table(nothing).rows and not layers.pictures(nothing)
