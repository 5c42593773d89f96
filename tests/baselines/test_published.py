"""The shipped tables: every row parses, keeps its citation, agrees with itself and with what its source says."""

import csv
import math
import re
from collections import Counter

import pytest

from baselines import SCOPES, BaselineError, Filter, gpu_specs, left_out, load, published
from baselines.matching import read_matches
from baselines.published import IMAGE_COLUMNS, OPERATION_COLUMNS
from baselines.tables import DATA

PRECISIONS = {"fp32", "tf32", "fp32_or_tf32", "bf16", "fp16", "fp16_pure", "fp16_storage", "int8", "int16", "unstated"}
FORWARD_GMACS = {  # of one sample: torchvision's documentation of its models, in GMAC as it counts them
    "imagenet_resnet50": 4.09,
    "imagenet_resnet18": 1.81,
    "imagenet_vgg16": 15.47,
    "imagenet_alexnet": 0.71,
}


def raw(name):
    with (DATA / name).open(newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


GPU_ROWS, FPGA_ROWS = raw("gpu_training_published.csv"), raw("fpga_training_published.csv")


def test_every_row_is_a_baseline_or_left_out_with_a_reason():
    assert len(published()) + len(left_out()) == len(GPU_ROWS) + len(FPGA_ROWS)
    reasons = Counter(re.sub(r"^\d+|'.*?'", "_", one.reason) for one in left_out())
    assert set(reasons) == {
        "_ devices: only single devices are compared",
        "no rate in images per second is given",
        "its metric _ is no rate of training on one device",
    }
    assert not any(mark in row["notes"] for row in GPU_ROWS + FPGA_ROWS for mark in ("SUSPECT", "IMPLAUSIBLE"))


def test_every_baseline_keeps_its_citation_and_a_scope_a_precision_and_an_uncertainty():
    for row in published(relative_uncertainty=0.05):
        assert row.kind == "published" and row.source and row.locator and row.confidence in ("verified", "recalled")
        assert row.precision in PRECISIONS and row.scope in SCOPES
        assert 0.05 <= row.relative_uncertainty <= 0.25
        assert math.isnan(row.energy_j) and row.energy_note


def test_rates_step_times_and_batches_of_the_gpu_table_agree():
    rows = [row for row in GPU_ROWS if row["step_ms"] and row["images_per_s"]]
    assert len(rows) > 200
    for row in rows:
        step_s = float(row["step_ms"]) / 1e3
        images = int(row["batch_size"]) * int(row["n_devices"])
        assert float(row["images_per_s"]) * step_s == pytest.approx(images, rel=1e-4), row["source_locator"]


def test_forward_and_backward_of_a_note_add_up_to_the_step():
    parts = [(re.match(r"fwd ([\d.]+) ms \+ bwd ([\d.]+) ms", row["notes"]), row) for row in GPU_ROWS]
    found = [(float(match[1]) + float(match[2]), float(row["step_ms"])) for match, row in parts if match]
    assert len(found) > 70
    for total_ms, step_ms in found:
        assert total_ms == pytest.approx(step_ms, abs=0.011 + 5e-4 * step_ms)


@pytest.mark.parametrize(
    ("filters", "images_per_s", "batch_size", "scope"),
    [
        # TensorFlow, Performance benchmarks page (2017), synthetic data, 1 GPU
        (
            {"device": "GK210 of the dual board, GCE", "scope": "step", "workload": "imagenet_resnet50"},
            51.9,
            64,
            "step",
        ),
        ({"device": "P100 (DGX-1)", "scope": "step", "workload": "imagenet_resnet50"}, 219, 64, "step"),
        # jcjohnson/cnn-benchmarks, ResNet-50 table: GTX 1080, forward and backward 149.8 ms at batch 16
        (
            {
                "device": "GTX 1080",
                "model": "ResNet-50",
                "year": 2016,
                "batch_size": 16,
                "workload": "imagenet_resnet50",
            },
            None,
            16,
            "forward_backward",
        ),
        # lambdal/deeplearning-benchmark: ResNet-50 on one H200, AMP
        ({"device": "H200 140GB", "precision": "fp16", "workload": "imagenet_resnet50"}, 3079, 0, "step_and_loading"),
        ({"device": "H200 140GB", "precision": "fp32_or_tf32"}, 2259, 0, "step_and_loading"),
        # sandeepkumar-skb: V100-SXM2, AMP, channels last, 110.93 ms at batch 128
        ({"device": "V100-SXM2", "precision": "fp16", "batch_size": 128}, 128 / 0.11093, 128, "step"),
    ],
)
def test_known_figures_are_found_where_their_sources_put_them(filters, images_per_s, batch_size, scope):
    found = published(Filter(**filters))
    if images_per_s is None:
        found = [row for row in found if row.device == "GTX 1080"]
        images_per_s = 16 / 0.1498
    rates = [row for row in found if row.samples_per_s == pytest.approx(images_per_s, rel=2e-3)]
    assert rates, [row.samples_per_s for row in found]
    assert rates[0].batch_size == batch_size and rates[0].scope == scope
    if batch_size:
        assert rates[0].step_s == pytest.approx(batch_size / images_per_s, rel=2e-3)


def test_no_gpu_is_faster_than_its_datasheet():
    """A published rate times three forward passes' MACs stays below the datasheet's peak; 2.25 for Winograd's 3x3."""
    checked = 0
    for row in published(Filter(device_kind="gpu")):
        if row.workload not in FORWARD_GMACS:
            continue
        try:
            spec = gpu_specs(row.device)
        except BaselineError:
            continue
        precision = {"fp32_or_tf32": "tf32", "fp16_pure": "fp16", "fp16_storage": "fp32"}.get(
            row.precision, row.precision
        )
        peak = spec.peak_macs_per_s(precision)
        peak = spec.peak_macs_per_s("fp32") if math.isnan(peak) else peak
        winograd = 2.25 if peak == spec.peak_macs_per_s("fp32") else 1
        assert row.samples_per_s * 3e9 * FORWARD_GMACS[row.workload] < winograd * peak, row
        checked += 1
    assert checked > 150


def test_a_workload_never_admits_another_variant_and_says_what_is_not_stated():
    rows = published(Filter("imagenet_resnet50"), relative_uncertainty=0.05)
    assert {row.variant for row in rows} == {"v1.5", "unstated"}
    for row in rows:
        assert row.input_shape == "3x224x224" and "ImageNet" in row.dataset
        assert re.fullmatch(r"ResNet-?50( v1\.5)?", row.model, re.I)
        if row.variant == "unstated":
            assert row.relative_uncertainty == pytest.approx(0.11) and "not stated" in row.notes
        else:
            assert row.relative_uncertainty == pytest.approx(0.05)
    assert {row.model for row in published(Filter("cifar10_resnet20"))} == {"ResNet-20 v1", "ResNet-20"}
    assert not published(Filter("imagenet_mobilenet_v2")) and not published(Filter("mnist_mlp"))
    assert all("CaffeNet" not in row.model for row in published(Filter("imagenet_alexnet")))


def test_every_line_of_the_matches_fits_some_row_and_says_why_it_widens():
    rows = published()
    for match in read_matches():
        fitted = [row for row in rows if match.fits(row.model, row.source, row.dataset, row.input_shape)]
        assert fitted, match
        assert match.note or not match.extra_uncertainty


def test_no_line_of_the_data_files_is_idle():
    rows = published()
    titles = {row["source_title"] for row in GPU_ROWS if any(row["source_title"] in one.source for one in rows)}
    assert {row["source_title"] for row in raw("sources.csv")} == titles
    texts = {row["precision"] for row in GPU_ROWS + FPGA_ROWS}
    assert {row["text"] for row in raw("precisions.csv")} <= texts
    for row in raw("gpu_aliases.csv"):
        assert gpu_specs(row["label"]).name == row["name"]


def test_rows_without_an_optimiser_are_forward_and_backward_and_whole_runs_hold_the_loading():
    for row in published(Filter(scope="forward_backward")):
        assert "sgd" not in row.notes.lower()
        assert not re.search("tensorflow performance|NVIDIA Deep|lambdal", row.source, re.I)
    for row in published(Filter(dataset="synthetic")):
        assert row.scope in ("step", "forward_backward")
    for title in ("DAWNBench", "Keras"):
        assert all(row.scope == "step_and_loading" for row in published() if title in row.source)


def test_rates_of_operations_are_mac_rates_and_nothing_else():
    rows = published(Filter(device_kind="fpga"))
    assert len(rows) >= 10
    for row in rows:
        assert not row.samples_s.size and math.isnan(row.samples_per_s) and row.scope == "unstated"
        assert "1 MAC = 2 OP" in row.notes
    # Abstract of Venkataramanaiah et al., FPL 2019: "up to 479 GOPS"
    best = published(Filter(device="Stratix 10 GX", confidence="verified"))
    assert [row.macs_per_s for row in best] == [pytest.approx(239.5e9)]


def test_a_batch_that_depends_on_the_precision_is_read_for_the_row_s_own():
    """The tables' "128 (TF32)/256 (AMP)": the figures before each precision."""
    batches = {(row.locator, row.model, row.precision, row.throughput_per_s): row.batch_size for row in published()}
    seen = set()
    for row in GPU_ROWS:
        if "/" in row["batch_size"] and row["n_devices"] == "1":
            precision = {"AMP fp16": "fp16", "TF32": "tf32", "fp32": "fp32"}[row["precision"]]
            plain, mixed = (int(part.split()[0]) for part in row["batch_size"].split("/"))
            key = (row["source_locator"], row["model"], precision, float(row["images_per_s"]))
            assert batches[key] == (mixed if precision == "fp16" else plain)
            seen.add(precision)
    assert seen == {"fp16", "tf32", "fp32"}


def test_filters_take_parts_of_free_text_and_whole_words_of_vocabularies():
    assert {row.device for row in published(Filter(device="v100"))} >= {"V100 16GB", "V100-SXM2"}
    assert {row.model for row in published(Filter(device="V100", model="resnet50"))} >= {
        "ResNet-50",
        "resnet50",
        "ResNet-50 v1.5",
    }
    assert {row.precision for row in published(Filter(precision="FP32"))} == {"fp32"}
    assert all(row.year == 2017 and row.batch_size == 64 for row in published(Filter(year=2017, batch_size=64)))
    assert len(published(Filter(confidence="recalled"))) + len(published(Filter(confidence="verified"))) == len(
        published()
    )
    assert load(Filter(workload="imagenet_resnet50"), kinds=["recorded"]) == []
    for wrong in (
        {"scope": "whole"},
        {"confidence": "sure"},
        {"year": "2017"},
        {"device": 5},
    ):
        with pytest.raises(BaselineError, match=next(iter(wrong))):
            Filter(**wrong)
    for wrong in (-1, 0.5, "much"):
        with pytest.raises(BaselineError, match="relative_uncertainty"):
            published(relative_uncertainty=wrong)
    with pytest.raises(BaselineError, match="kinds"):
        load(kinds="published")


GCE = Filter(device="GCE", workload="imagenet_resnet50", scope="step")


def test_the_uncertainty_of_published_figures_is_a_setting():
    (tight,) = published(GCE, relative_uncertainty=0.0)
    (loose,) = published(GCE, relative_uncertainty=0.10)
    assert tight.relative_uncertainty == pytest.approx(0.06) and loose.relative_uncertainty == pytest.approx(0.16)
    low, high = loose.interval_s()
    assert (low, high) == pytest.approx((loose.step_s * 0.84, loose.step_s * 1.16))


def write(folder, columns, name, **changes):
    row = dict.fromkeys(columns, "") | {"device": "X", "precision": "fp32", "confidence": "verified"} | changes
    row |= {"source_title": changes.get("source_title", "jcjohnson/cnn-benchmarks"), "source_locator": "here"}
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        if changes:
            writer.writerow(row)


GOOD = {
    "device_kind": "GPU",
    "model": "m",
    "dataset": "synthetic",
    "batch_size": "16",
    "n_devices": "1",
    "images_per_s": "100",
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images_per_s": "fast"}, "images_per_s"),
        ({"images_per_s": "-3"}, "images_per_s"),
        ({"images_per_s": "nan"}, "images_per_s"),
        ({"images_per_s": "inf"}, "images_per_s"),
        ({"n_devices": "8"}, "8 devices"),
        ({"n_devices": ""}, "unstated number"),
        ({"precision": "fp7"}, "fp7"),
        ({"source_title": "a blog"}, "a blog"),
        ({"dataset": "ImageNet"}, "ImageNet"),
        ({"notes": "SUSPECT: no"}, "SUSPECT"),
        ({"confidence": "sure"}, "confidence"),
        ({"device": " "}, "device"),
        ({"device_kind": "TPU"}, "device_kind"),
        ({"year": "MMXX"}, "year"),
        ({"power_w": "hot"}, "power_w"),
        ({"batch_size": "9" * 30}, "batch_size"),
    ],
)
def test_a_broken_row_is_left_out_with_its_reason_and_the_rest_goes_on(tmp_path, changes, reason):
    write(tmp_path, IMAGE_COLUMNS, "gpu_training_published.csv", **GOOD | changes)
    fpga = {"metric": "throughput", "value": "2", "unit": "GOPS", "model": "m"}
    write(tmp_path, OPERATION_COLUMNS, "fpga_training_published.csv", **fpga)
    assert [row.device_kind for row in published(folder=tmp_path)] == ["fpga"]
    (out,) = left_out(folder=tmp_path)
    assert reason in out.reason and out.where == "gpu_training_published.csv, line 2"


@pytest.mark.parametrize(("unit", "metric"), [("TOPS", "throughput"), ("furlongs", "throughput"), ("GOPS", "speed")])
def test_an_unknown_unit_or_metric_is_flagged(tmp_path, unit, metric):
    write(tmp_path, IMAGE_COLUMNS, "gpu_training_published.csv", **GOOD)
    write(tmp_path, OPERATION_COLUMNS, "fpga_training_published.csv", metric=metric, value="2", unit=unit, model="m")
    assert len(published(folder=tmp_path)) == 1
    assert (unit if metric == "throughput" else metric) in left_out(folder=tmp_path)[0].reason


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", ",".join(IMAGE_COLUMNS).encode() + b"\n1,2\n", b'"unclosed', b"\0" * 100],
)
def test_a_table_that_is_none_gets_one_error(tmp_path, content):
    write(tmp_path, OPERATION_COLUMNS, "fpga_training_published.csv")
    (tmp_path / "gpu_training_published.csv").write_bytes(content)
    with pytest.raises(BaselineError, match=r"gpu_training_published\.csv"):
        published(folder=tmp_path)


def test_a_folder_without_a_table_gets_one_error(tmp_path):
    with pytest.raises(BaselineError, match=r"holds no table .* \*_training_published\.csv"):
        published(folder=tmp_path)
    with pytest.raises(BaselineError, match="holds no table"):
        left_out(folder=tmp_path / "nowhere")


def test_rows_that_are_left_out_are_filtered_by_what_is_told_of_them():
    rows = left_out()
    found = left_out(Filter(device="p100", device_kind="gpu"))
    assert found and found == [row for row in rows if "P100" in row.device and row.device_kind == "gpu"]
    for name, value in (("scope", "step"), ("batch_size", 64), ("dataset", "ImageNet"), ("confidence", "verified")):
        with pytest.raises(BaselineError, match=f"{name} is not told .* workload, device, "):
            left_out(Filter(**{name: value}))
