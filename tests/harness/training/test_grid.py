"""The order in which measurements are worth having, their time, and what a failure leaves."""

import math

import numpy as np

from harness.training.grid import AGAIN, BUDGET, GridCell, Refusal, grid, remaining, work_through

COMPILING = ("compiled", "compiled_graphs")


def random_grids(count=200):
    """(own batches, batches, precisions, modes) at random."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        own = {f"w{i}": int(rng.integers(1, 300)) for i in range(rng.integers(1, 6))}
        batches = [2 ** int(i) for i in rng.choice(11, rng.integers(1, 11), replace=False)]
        precisions = ("tf32", "bf16", "fp32")[: rng.integers(1, 4)]
        yield own, batches, precisions, ("eager", "graphs", "compiled", "compiled_graphs")[: rng.integers(1, 5)]


def keys(found):
    return [cell.key(mode) for cell in found for mode in cell.modes]


def test_a_grid_holds_every_combination_once_and_what_compiles_at_one_batch_of_each_workload():
    for own, batches, precisions, modes in random_grids():
        found = keys(grid(own, batches, precisions, modes))
        quick = {(w, b, p, m) for w in own for b in batches for p in precisions for m in modes if m not in COMPILING}
        assert len(found) == len(set(found))
        assert {key for key in found if key[-1] not in COMPILING} == quick
        for mode in COMPILING:
            mine = [key for key in found if key[-1] == mode]
            assert sorted((w, p) for w, _, p, _ in mine) == sorted(
                (w, p) for w in own for p in precisions if mode in modes
            )


def test_a_grid_begins_with_each_workload_s_nearest_batch_and_ends_with_compiled_and_then_compiled_in_graphs():
    for own, batches, precisions, modes in random_grids():
        found = grid(own, batches, precisions, modes)
        names = [mode for cell in found for mode in cell.modes]
        late = [name for name in names if name in COMPILING]
        assert names == [name for name in names if name not in COMPILING] + sorted(late)  # "compiled" sorts first
        for (workload, batch), precision in ((pair, p) for pair in own.items() for p in precisions):
            mine = [cell for cell in found if (cell.workload, cell.precision) == (workload, precision)]
            away = [max(cell.batch_size / batch, batch / cell.batch_size) for cell in mine if "eager" in cell.modes]
            assert away == sorted(away)
            assert {cell.batch_size for cell in mine if cell.telling} == {mine[0].batch_size}
        places = {}
        for place, cell in enumerate(cell for cell in found if "eager" in cell.modes):
            places.setdefault((cell.workload, cell.precision), []).append(place)
        for nth in zip(*places.values(), strict=True):  # nobody's second batch before everybody's first
            assert max(nth) - min(nth) < len(places)


class Device:
    """A device that takes time by a clock of its own, has room for some batches, and fails in some cells."""

    def __init__(self, rng, room=lambda cell: math.inf, fails=lambda cell: False):
        self.now_s, self.rng, self.room, self.fails = 0.0, rng, room, fails
        self.tried, self.recorded = [], set()

    def __call__(self, cell):
        self.tried.append((self.now_s, cell))
        self.now_s += float(self.rng.lognormal())
        if cell.batch_size > self.room(cell):
            return [Refusal(mode, "no room", too_large=True) for mode in cell.modes]
        if self.fails(cell):
            return [Refusal(mode, "a fault") for mode in cell.modes]
        self.recorded |= set(keys([cell]))
        return []


def test_no_cell_begins_after_the_time_and_none_is_lost():
    rng = np.random.default_rng(1)
    for shape in random_grids():
        wanted, budget_s = grid(*shape), float(rng.uniform(0, 40))
        device = Device(rng)
        left = work_through(wanted, device, budget_s, clock=lambda device=device: device.now_s)
        assert all(began_s < budget_s for began_s, _ in device.tried[1:])
        assert len(device.tried) >= 1
        assert [cell for _, cell in device.tried] + [one.cell for one in left] == wanted
        assert {one.why for one in left} <= {BUDGET}
        assert not left or device.now_s >= budget_s  # time that is there is used


def test_calls_that_resume_record_everything_once_however_little_time_each_has():
    rng = np.random.default_rng(2)
    for shape in random_grids(30):
        wanted, device = grid(*shape), Device(rng)
        for _ in range(len(wanted)):
            todo = remaining(wanted, device.recorded)
            work_through(todo, device, 0.0, clock=lambda device=device: device.now_s)
        assert [cell for _, cell in device.tried] == wanted
        assert remaining(wanted, device.recorded) == []
        assert device.recorded == set(keys(wanted))


def test_what_is_recorded_in_one_mode_is_measured_in_the_others_only():
    wanted = [GridCell("a", 8, "bf16", ("eager", "graphs")), GridCell("b", 8, "bf16", ("eager", "graphs"))]
    done = {("a", 8, "bf16", "eager"), ("b", 8, "bf16", "eager"), ("b", 8, "bf16", "graphs")}
    assert remaining(wanted, done) == [GridCell("a", 8, "bf16", ("graphs",))]


def test_cells_that_are_done_in_part_come_last_in_the_order_they_had():
    wanted = [GridCell(name, 8, "bf16", ("eager", "graphs")) for name in "abcd"]
    done = {("a", 8, "bf16", "eager"), ("c", 8, "bf16", "eager"), ("d", 8, "bf16", "eager"), ("d", 8, "bf16", "graphs")}
    left = remaining(wanted, done)
    assert [(cell.workload, cell.modes) for cell in left] == [
        ("b", ("eager", "graphs")),
        ("a", ("graphs",)),
        ("c", ("graphs",)),
    ]


def test_nothing_is_measured_after_a_refusal_that_ends_and_all_is_after_calls_enough():
    """A step whose graph costs the process its device, in one workload; each call is another process."""
    for shape in random_grids(30):
        wanted, recorded, calls = grid(*shape), set(), 0
        lost = {cell.key("graphs") for cell in wanted[::5] if "graphs" in cell.modes}
        while todo := remaining(wanted, recorded):
            tried = []

            def measure(cell, tried=tried, recorded=recorded, lost=lost):
                tried.append(cell)
                recorded.update(key for key in keys([cell]) if key not in lost)
                return [Refusal("graphs", "a fault", ends=True)] if set(keys([cell])) & lost else []

            left = work_through(todo, measure, math.inf)
            ending = [cell for cell in tried if set(keys([cell])) & lost]
            assert len(ending) <= 1 and ending in ([], tried[-1:])
            assert [one.why for one in left if one.why != "a fault"] == [AGAIN] * (len(todo) - len(tried))
            calls += 1
            if recorded == set(keys(wanted)) - lost:
                break
            assert calls <= len(lost) + 1
        assert recorded == set(keys(wanted)) - lost


def test_a_batch_without_room_ends_the_larger_ones_of_its_workload_precision_and_mode():
    rng = np.random.default_rng(3)
    for shape in random_grids():
        wanted = grid(*shape)
        room = {(cell.workload, cell.precision): int(rng.integers(1, 2000)) for cell in wanted}
        device = Device(rng, room=lambda cell, room=room: room[cell.workload, cell.precision])
        left = work_through(wanted, device, math.inf, clock=lambda device=device: device.now_s)
        fits = {key for key in keys(wanted) if key[1] <= room[key[0], key[2]]}
        assert device.recorded == fits
        assert sorted(keys(one.cell for one in left)) == sorted(set(keys(wanted)) - fits)
        refused = {}
        for _, cell in device.tried:
            for mode in cell.modes:
                place = (cell.workload, cell.precision, mode)
                assert cell.batch_size < refused.get(place, math.inf)
                if cell.batch_size > device.room(cell):
                    refused[place] = cell.batch_size


def test_the_grid_goes_on_after_a_cell_that_fails():
    for shape in random_grids(30):
        wanted = grid(*shape)
        failing = set(wanted[::3])
        left = work_through(wanted, device := Device(np.random.default_rng(0), fails=failing.__contains__), math.inf)
        assert device.recorded == set(keys(wanted)) - set(keys(failing))
        assert {one.why for one in left} == {"a fault"}
        assert sorted(keys(one.cell for one in left)) == sorted(keys(failing))
