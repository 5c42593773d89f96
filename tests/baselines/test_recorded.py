"""Recorded files come back as they were, and what is not one valid measurement is refused in one way."""

import json
import math
import random

import numpy as np
import pytest

from baselines import BaselineError, Filter, from_json, load_recorded, read_recorded, to_json
from baselines.errors import FileError


@pytest.fixture
def data(make):
    return json.loads(to_json(make(energy_j=3.5, notes="ärger")))


def refused(data, match=None):
    text = data if isinstance(data, str) else json.dumps(data)
    with pytest.raises(FileError, match=match) as caught:
        from_json(text, "some.json")
    assert "some.json" in str(caught.value) and len(str(caught.value)) < 1500


def test_a_measurement_comes_back_as_it_was_but_for_its_kind(make):
    rng = np.random.default_rng(0)
    for size in (1, 3, 200):
        one = make(samples_s=rng.lognormal(size=size), block=np.arange(size) // 3, energy_j=rng.random(), warmup=3)
        two = from_json(to_json(one), "some.json")
        assert two.kind == "recorded"
        for name in one.__dataclass_fields__:
            before, after = getattr(one, name), getattr(two, name)
            same = np.array_equal(before, after) if isinstance(before, np.ndarray) else before == after
            assert same or name == "kind" or (math.isnan(before) and math.isnan(after)), name
        assert two.interval_s() == one.interval_s()


def test_the_file_names_its_units_and_is_plain_json(data):
    assert data["units"]["samples_s"] == "s" and data["units"]["energy_j"] == "J"
    assert data["macs_per_s"] is None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"schema": "something"}, "schema"),
        ({"schema_version": 2}, "update halfstep"),
        ({"schema_version": 0}, "record the measurement again"),
        ({"schema_version": "1"}, "schema_version"),
        ({"schema_version": True}, "schema_version"),
        ({"units": {"samples_s": "ms"}}, "units"),
        ({"units": None}, "units"),
        ({"samples_ms": [1.0]}, "samples_ms"),
        ({"samples_s": [-0.1, 0.1, 0.1, 0.1, 0.1, 0.1]}, "samples_s"),
        ({"samples_s": [100.0] * 6}, "median_step_s"),
        ({"samples_s": []}, "samples_s"),
        ({"samples_s": "0.1"}, "samples_s"),
        ({"samples_s": [True] * 6}, "samples_s"),
        ({"samples_s": [10**400] * 6}, "samples_s"),
        ({"samples_s": [0.1] * 200_000}, "samples_s"),
        ({"block": [0]}, "block"),
        ({"block": [0.5] * 6}, "block"),
        ({"block": [2**80] * 6}, "block"),
        ({"batch_size": -4}, "batch_size"),
        ({"batch_size": 4.0}, "batch_size"),
        ({"batch_size": None}, "batch_size"),
        ({"energy_j": -1}, "energy_j"),
        ({"device": None}, "device"),
        ({"device": "Other"}, "device"),
        ({"device": ["Imagined 9000"]}, "device"),
        ({"clock": "published"}, "clock"),
        ({"confidence": "verified"}, "confidence"),
        ({"mode": ["eager"]}, "mode"),
        ({"notes": "x" * 20_000}, "notes"),
        ({"context": None}, "context"),
        ({"context": {}}, "context"),
        ({"median_step_s": None}, "median_step_s"),
        ({"median_step_s": 10**400}, "median_step_s"),
    ],
)
def test_an_edited_file_is_refused_by_the_name_of_what_is_wrong(data, change, match):
    refused(data | change, match)


@pytest.mark.parametrize("name", ["driver", "cuda", "commit", "time_utc", "torch", "device"])
def test_a_file_without_context_is_refused(data, name):
    del data["context"][name]
    refused(data, f"context.{name}")


def test_context_is_flat_and_short(data):
    refused(data | {"context": data["context"] | {"deep": {"a": [1]}}}, "context.deep")
    refused(data | {"context": data["context"] | {str(i): i for i in range(500)}}, "context")
    refused(data | {"context": data["context"] | {"long": "x" * 20_000}}, "context.long")


@pytest.mark.parametrize("name", ["samples_s", "units", "schema_version", "context", "median_step_s", "device"])
def test_a_missing_field_is_refused(data, name):
    del data[name]
    refused(data, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        "{",
        "[" * 100_000,
        '{"a":' * 50_000,
        "NaN",
        '{"schema": NaN}',
        "9" * 10_000,
        "\0",
        "x" * 5_000_000,
    ],
)
def test_text_that_is_no_measurement_is_refused(text):
    refused(text)


def test_a_field_given_twice_is_refused(make):
    refused(to_json(make()).replace('"device":', '"device": "Better 9001",\n "device":', 1), "twice")


def test_no_damage_gets_past_as_anything_but_a_measurement_or_a_file_error(make):
    good, rng = to_json(make()), random.Random(0)
    data = json.loads(good)
    strange = [None, -1, 0, 1e308, "", "NaN", [], {}, True, [None], [[0.1]], {"a": 1}, 2**70, "x" * 50]
    for _ in range(2000):
        if rng.random() < 0.5:
            start = rng.randrange(len(good))
            text = good[:start] + rng.choice(["", "0", '"', "}", "-", ",", "é"]) + good[start + rng.randrange(4) :]
        else:
            changed = json.loads(good)
            holder = rng.choice([changed, changed["context"], changed["units"]])
            holder[rng.choice(list(holder))] = rng.choice(strange)
            text = json.dumps(changed)
        try:
            one = from_json(text, "some.json")
        except FileError:
            continue
        assert one.step_s > 0 and one.context["device"] == one.device and one.step_s == data["median_step_s"]


def test_what_was_not_measured_is_not_recorded(make):
    with pytest.raises(BaselineError, match="published"):
        to_json(make(kind="published", clock="published", confidence="verified"))
    with pytest.raises(BaselineError, match=r"context\.driver"):
        to_json(make(context={**make().context, "driver": ""}))
    with pytest.raises(BaselineError, match="context"):
        to_json(make(context={**make().context, "odd": object()}))


def test_every_shipped_file_is_valid():
    measurements, refusals = read_recorded()
    assert not refusals
    assert all(one.kind == "recorded" for one in measurements)


def test_a_bad_file_is_left_out_with_a_warning_and_the_rest_is_read(tmp_path, make, caplog):
    (tmp_path / "a.json").write_text(to_json(make()))
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "c.json").write_bytes(b"\xff\xfe")
    (tmp_path / "d.json").mkdir()
    (tmp_path / "e.txt").write_text("no measurement")
    found = load_recorded(Filter(workload="imagenet_resnet50", precision="tf32"), tmp_path)
    assert len(found) == 1 and found[0].device == "Imagined 9000"
    assert [name for name, _ in read_recorded(tmp_path)[1]] == ["b.json", "c.json", "d.json"]
    assert all(name in caplog.text for name in ("b.json", "c.json", "d.json"))
    assert load_recorded(folder=tmp_path / "nowhere") == []
    assert load_recorded(Filter(workload="mnist_mlp"), tmp_path) == []
