"""A Filter takes exactly the rows that fit each of its fields, and refuses what no row can be."""

import random
import re
from dataclasses import fields, replace

import pytest

from baselines import BaselineError, Filter
from baselines.selection import EVERYTHING, select
from tests.helpers.measurements import measurement


def fits(row, name, value):
    """The rule of each field, written another way."""
    found = getattr(row, name)
    if name in ("device", "model", "dataset"):
        return re.sub("[ _/()+-]", "", value.lower()) in re.sub("[ _/()+-]", "", found.lower())
    return str(found).lower() == str(value).lower()


def test_a_filter_takes_the_rows_that_fit_every_field():
    rng = random.Random(0)
    words = {
        "workload": ["mnist_mlp", "imagenet_resnet50", ""],
        "device": ["Tesla V100-SXM2", "GTX 1080", "GTX 1080 Ti"],
        "device_kind": ["gpu", "cpu", "fpga"],
        "model": ["ResNet-50", "resnet50", "VGG 16"],
        "precision": ["fp32", "fp32_or_tf32", "fp16"],
        "batch_size": [1, 16, 64],
        "dataset": ["ImageNet (synthetic)", "CIFAR-10"],
        "year": [0, 2016, 2017],
        "confidence": ["verified", "recalled"],
        "scope": ["step", "forward_backward"],
    }
    asked = words | {
        "workload": ["MNIST_MLP", "mnist"],
        "device": ["v100", "gtx1080", "K80"],
        "model": ["resnet 50", "vgg"],
        "precision": ["FP32"],
    }
    assert set(words) == {field.name for field in fields(Filter)}
    rows = [measurement(**{name: rng.choice(values) for name, values in words.items()}) for _ in range(300)]
    sizes = set()
    for _ in range(200):
        names = rng.sample(list(asked), rng.randint(0, 3))
        wanted = {name: rng.choice(asked[name]) for name in names}
        found = select(rows, Filter(**wanted))
        assert found == [row for row in rows if all(fits(row, name, value) for name, value in wanted.items())]
        sizes.add(len(found))
    assert len(sizes) > 20  # neither all nor none
    assert select(rows, EVERYTHING) == rows


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device_kind", "GPU"),
        ("confidence", "sure"),
        ("scope", "whole"),
        ("scope", ["step"]),
        ("batch_size", 6.5),
        ("batch_size", True),
        ("year", -1),
        ("year", "2017"),
        ("workload", 5),
        ("device", b"V100"),
        ("precision", ["fp32"]),
    ],
)
def test_a_filter_that_no_row_can_pass_is_refused_by_name_where_it_is_made(name, value):
    with pytest.raises(BaselineError, match=f"{name} is .*: give"):
        Filter(**{name: value})
    with pytest.raises(BaselineError, match=name):
        replace(EVERYTHING, **{name: value})
