"""The claim map's flow: each cell is what a replay and a comparison of its own give, and nothing is done twice."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from accel_model import Design, Trace, replay
from harness.flows import replays, traces
from harness.flows.claim_map import flow, live
from harness.judging.claims import ratio_of
from harness.judging.completions import Completions
from harness.report.claim_map import cells, values
from harness.settings import shipped
from harness.settings.errors import CaptureError, ConfigError
from harness.training.grid import Refusal
from tests.helpers.program import halfstep
from tests.helpers.settings import composed


def settings(compose, tmp_path, *more):
    config = compose(
        "task=claims", "baseline=published", "map.workloads=[cifar10_resnet20]", "map.batches=[2]",
        "map.workers=1", "compare.ceiling_of=null", *more,
    )  # fmt: skip
    mapping = few(config.accelerator)
    return replace(config, outputs=str(tmp_path / "outputs"), accelerator=mapping)


def few(mapping):
    """An accelerator of 8 completions in place of some 20,000."""
    kept = {name: value for name, value in mapping.items() if not isinstance(value, dict)}
    open_values = {
        "array": {"value": [32, 32, 1], "values": [[32, 32, 1], [16, 16, 4]], "source": "a test"},
        "dataflow": {"value": "os", "values": ["os", "best"], "source": "a test"},
        "fusion": {"value": False, "values": [False, True], "source": "a test"},
        "overlap": "buffered",
        "trim": False,
        "buffer_bytes": 4194304,
        "vector_lanes": 256,
    }
    return kept | open_values


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """(RunConfig, ClaimMap) of one workload with its published baselines."""
    config = settings(composed, tmp_path_factory.mktemp("map"))
    return config, flow.run(config)


def test_every_cell_is_what_a_replay_of_its_own_gives(found):
    config, claim_map = found
    completions = Completions.of(config.accelerator)
    assert claim_map.completions == len(completions) == 1 + 8
    assert {cell.baseline.precision for cell in claim_map.cells} >= {"fp32", "int8"}
    for cell in claim_map.cells:
        step = cell.step
        workload, precision = shipped.load(step.workload), shipped.precision(step.precision)
        path = traces.stored(f"{config.outputs}/cache/traces", workload, precision, step.batch_size)
        alone = replay(Trace.load(path), completions.designs, per_op=False)
        assert np.isclose(step.nominal_s, alone.step_s[0], rtol=1e-12)
        assert np.isclose(step.best_s, alone.step_s.min(), rtol=1e-12)
        assert np.isclose(step.worst_s, alone.step_s.max(), rtol=1e-12)
        assert step.floor_s <= step.best_s
        for verdict in cell.verdicts:
            assert sum(verdict.counts.values()) == len(completions)


def test_a_rate_of_operations_is_shown_and_decides_nothing(found):
    rates = [cell for cell in found[1].cells if not np.isnan(cell.baseline.macs_per_s)]
    assert rates
    for cell in rates:
        assert np.isclose(cell.baseline.step_s * cell.baseline.macs_per_s, cell.step.macs)
        assert not any(verdict.decides for verdict in cell.verdicts)
        assert any("derived" in remark for remark in cell.remarks)


def test_the_break_even_clock_meets_the_claim_and_less_does_not(found):
    config, claim_map = found
    nominal = Design.from_mapping(config.accelerator, "few")
    checked = 0
    for cell in claim_map.cells:
        for claim, answers in zip(claim_map.claims.values(), cell.break_even, strict=True):
            clock = answers["clock_hz"]
            target_s = cell.baseline.step_s * ratio_of(claim)
            if np.isnan(clock.value) or "least tried" in clock.why or cell.baseline.scope == "forward_backward":
                continue
            path = traces.stored(
                f"{config.outputs}/cache/traces", shipped.load(cell.step.workload),
                shipped.precision(cell.step.precision), cell.step.batch_size,
            )  # fmt: skip
            for factor, meets in ((1.02, True), (0.98, False)):
                faster = replace(nominal, clock_hz=nominal.clock_hz * clock.factor * factor)
                report = replay(Trace.load(path), faster, per_op=False)
                step_s = report.step_s - (report.host_s if cell.baseline.scope == "step" else 0)
                assert (step_s[0] <= target_s) == meets
            checked += 1
    assert checked


def test_the_sensitivity_without_parity_is_kept_apart(found):
    _, claim_map = found
    assert claim_map.without_parity == "int8"
    for cell in claim_map.cells:
        assert bool(cell.without_parity) == (cell.step.precision != "int8")
        for equal, unequal in zip(cell.verdicts, cell.without_parity, strict=bool(cell.without_parity)):
            assert equal.claim == unequal.claim


def test_a_second_run_captures_and_replays_nothing(found, monkeypatch):
    config, first = found

    def forbidden(*_, **__):
        raise AssertionError("done again")

    monkeypatch.setattr(replays, "replay_all", forbidden)
    monkeypatch.setattr("harness.flows.run.captured", forbidden)
    again = flow.run(config)
    assert cells.cells_csv(again) == cells.cells_csv(first)


def test_a_damaged_file_of_the_cache_is_made_again(found, tmp_path):
    config, first = found
    folder = tmp_path / "outputs"
    shutil.copytree(config.outputs, folder)
    for path in [*folder.glob("cache/replays/*.npz"), *folder.glob("cache/traces/*")]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = flow.run(replace(config, outputs=str(folder)))
    assert cells.cells_csv(again) == cells.cells_csv(first)


def test_another_accelerator_is_replayed_anew(found):
    config, first = found
    slower = config.accelerator | {"clock_hz": 1.25e9}
    again = flow.run(replace(config, accelerator=slower))
    for key, step in again.steps.items():
        assert step.nominal_s > first.steps[key].nominal_s


def test_what_cannot_be_captured_is_listed_and_the_rest_goes_on(found, monkeypatch):
    config, _ = found
    stored = flow.stored

    def refusing(folder, workload, precision, batch_size, strict=False):
        if workload.name == "mnist_mlp":
            raise CaptureError("this model cannot be captured: a test")
        return stored(folder, workload, precision, batch_size, strict)

    monkeypatch.setattr(flow, "stored", refusing)
    wanted = replace(config.task, workloads=["mnist_mlp", "cifar10_resnet20"])
    claim_map = flow.run(replace(config, task=wanted))
    assert {cell.step.workload for cell in claim_map.cells} == {"cifar10_resnet20"}
    assert any("mnist_mlp" in what and "a test" in why for what, why in claim_map.failures)


def test_values_for_files_are_plain_and_complete(found):
    from harness.store.files import _plain

    config, claim_map = found
    text = json.dumps(_plain(values.as_json(claim_map, config, "halfstep", {})), allow_nan=False)
    assert len(json.loads(text)["cells"]) == len(claim_map.cells)
    note = values.description(claim_map, "halfstep", ["claim_map_cifar10_resnet20.png"])
    assert note.startswith(f"**{next(iter(claim_map.claims))} (") and "](artifact:report.html)" in note
    assert list(values.cells_table(claim_map))[:4] == [
        "workload",
        "batch_size",
        "device",
        "seed_training_time verdict",
    ]
    assert all(f"{name}: " in values.answer(claim_map) for name in claim_map.claims)
    runs = values.series_runs(claim_map)
    assert all(len(name) <= 22 for name in runs)
    for one in runs.values():
        names = [*one.metrics, *one.series]
        assert all(name.count("/") == 1 and not set(name) & set("%(),|=") for name in names)


def test_what_supporters_have_in_common_is_what_all_of_them_have(compose):
    completions = Completions.of(few(compose().accelerator))
    chosen = np.zeros(len(completions), dtype=bool)
    assert completions.common(chosen) == ()
    chosen[1:] = completions.choices["fusion"] == 1
    assert completions.common(chosen) == ("only fusion",)
    for row in np.flatnonzero(chosen):
        assert "fusion" in completions.text(row) and "no fusion" not in completions.text(row)
    assert completions.text(0) == "nominal"


def test_what_supporters_share_names_the_shorter_list(compose):
    completions = Completions.of(compose().accelerator)
    arrays = completions.values["array"]
    chosen = np.zeros(len(completions), dtype=bool)
    chosen[1:] = np.isin(completions.choices["array"], [arrays.index([32, 32, 1]), arrays.index([8, 8, 16])])
    assert completions.common(chosen) == ("array one of 32 x 32, 16 x (8 x 8)",)
    chosen[1:] = ~chosen[1:]
    assert completions.common(chosen) == ("array none of 32 x 32, 16 x (8 x 8)",)


def test_effects_rank_the_value_that_decides_most(compose):
    completions = Completions.of(few(compose().accelerator))
    times = np.ones(len(completions))
    times[1:] = np.where(completions.choices["dataflow"] == 1, 1.0, 4.0) * np.where(
        completions.choices["fusion"] == 1, 1.0, 1.5
    )
    effects = completions.effects(times)
    assert [effect.name for effect in effects[:2]] == ["dataflow", "fusion"]
    assert np.isclose(effects[0].factor, 4.0) and np.isclose(effects[1].factor, 1.5)
    assert effects[0].fastest == "best" and effects[0].slowest == "os"
    assert np.isclose(effects[-1].factor, 1.0)


def test_completions_are_in_the_order_of_their_designs(compose):
    mapping = few(compose().accelerator)
    completions = Completions.of(mapping)
    for row in range(1, len(completions)):
        for key in ("dataflow", "fusion"):
            value = completions.values[key][completions.choices[key][row - 1]]
            assert completions.designs[row].to_rows()[0][key] == value


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("map.workloads=[text_gpt_small]",), "the claims speak of"),
        (("map.workloads=[nothing]",), "no workload is called"),
    ],
)
def test_a_map_without_scope_is_refused(compose, tmp_path, overrides, says):
    with pytest.raises(ConfigError, match=says):
        flow.run(settings(compose, tmp_path, *overrides))


def test_a_map_without_claims_is_refused(compose, tmp_path):
    with pytest.raises(ConfigError, match="no claim to judge"):
        flow.run(replace(settings(compose, tmp_path), claim={}))


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("map.batches=[0]", "map.batches holds 0"),
        ("map.precisions=[]", "map.precisions is empty"),
        ("claim.seed_training_time.threshold=2", "100 %"),
        ("accelerator.macs=1000", "make rows * cols * cores equal macs"),
        ("map.precisions=[fp33]", "fp33"),
    ],
)
def test_wrong_settings_of_the_claims_are_told_without_a_traceback(tmp_path, override, says):
    done = halfstep("task=claims", "baseline=published", "tracking=none", override, folder=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr and "Traceback" not in done.stderr


def test_the_parity_table_counts_what_would_change_and_nothing_else(found):
    from harness.report.claim_map.tables import parity_table
    from harness.report.words import key_of

    _, claim_map = found
    table = parity_table(claim_map)
    assert "int8" in table.title
    for workload, claim, compared, changes in table.rows:
        index = list(claim_map.claims).index(claim)
        pairs = [
            (key_of(cell.verdicts[index]), key_of(cell.without_parity[index]))
            for cell in claim_map.cells
            if cell.step.workload == workload and cell.without_parity and cell.verdicts[index].decides
        ]
        assert int(compared) == len(pairs)
        counted = sum(int(part.split(":")[0]) for part in changes.split("; ")) if changes != "none" else 0
        assert counted == sum(before != after for before, after in pairs)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "tf32"])
def test_a_stored_trace_is_the_captured_one(tmp_path, precision):
    from accel_model.formats import contents
    from harness.flows.run import captured

    workload, settings = shipped.load("mnist_lenet5"), shipped.precision(precision)
    kept = Trace.load(traces.stored(tmp_path, workload, settings, 3))
    direct = captured(workload, settings, 3)
    assert list(contents.of_trace(kept)) == list(contents.of_trace(direct))
    assert kept.meta["precision"] == direct.meta["precision"] == precision


def test_only_the_largest_placed_array_of_a_device_and_precision_is_compared_with(compose):
    from harness.flows.claim_map import placed

    config = compose("task=claims")
    kept, notes = placed.arrays(config)
    assert kept
    for one in kept:
        same = [
            other
            for other in placed.baselines.placed()
            if (other.device, other.precision) == (one.device, one.precision)
        ]
        assert one.rows * one.cols == max(
            other.rows * other.cols for other in same if len(other.seeds) >= placed.FEWEST
        )
    assert len(kept) + len(notes) == len(placed.baselines.placed())


def test_a_live_map_ends_where_the_device_is_lost(compose, monkeypatch):
    """What was measured before stays, and what comes after is told to need another process."""
    calls = []

    def lost(cell, *_):
        calls.append(cell)
        return [], [Refusal("graphs", "operation not permitted", ends=True)]

    monkeypatch.setattr(live, "measure", lost)
    monkeypatch.setattr(live, "check_memory", lambda *_: None)
    monkeypatch.setattr(live.run, "live_device", lambda config: "cpu")
    config = compose("task=claims", "map.live_budget_s=1000")
    steps = [("mnist_mlp", batch, "fp32") for batch in (1, 2, 4)]
    trace = SimpleNamespace(ops=SimpleNamespace(macs=np.ones(1)), live_bytes=lambda: np.ones(1))
    monkeypatch.setattr(live.Trace, "load", lambda path: trace)
    rows, failures = live.measured(config, dict.fromkeys(steps, "x"), lambda text: None, lambda *_: None)
    assert not rows and len(calls) == 1
    assert failures[-1][0] == "live measurement of 2 further steps" and "run the same command again" in failures[-1][1]
