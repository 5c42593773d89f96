"""A GPU's state is read while it works: read afterwards it is that of an idle one."""

import threading
import time

import pytest
import torch

from baselines import Watch, device_context, remarks
from baselines.live import at_work


class Gpu:
    """A GPU that lowers its clocks as soon as it has nothing to do, and is power-bound now and then while it works."""

    def __init__(self):
        self.working, self.threads, self.reads = False, set(), 0

    def state(self, device):
        self.threads.add(threading.current_thread().name)
        self.reads += 1
        if not self.working:
            return {"driver": "600.1", "sm_clock_hz": 3e8, "power_w": 75.0, "slowdown_reasons": "idle"}
        bound = "software_power_cap" if self.reads % 2 else "none"
        return {"driver": "600.1", "sm_clock_hz": 1.9e9, "power_w": 690.0, "slowdown_reasons": bound}


@pytest.fixture
def gpu(monkeypatch):
    one = Gpu()
    monkeypatch.setattr(at_work, "device_state", one.state)
    monkeypatch.setattr(at_work, "device_context", lambda device: {"device": "H200"} | one.state(device))
    monkeypatch.setattr(at_work, "BESIDE_EVERY_S", 0.005)
    return one


def test_what_is_read_beside_a_run_is_the_state_at_work(gpu):
    watch = Watch("cuda")
    with watch.beside():
        gpu.working = True
        time.sleep(0.1)
        gpu.working = False
    # the last look may fall behind the work: what matters is that looks fell into it
    assert gpu.reads > 3 and gpu.threads == {"halfstep watch"}
    assert "software_power_cap" in watch.seen()["slowdown_reasons"]
    assert watch.seen()["state_read"] == "while steps ran"


def test_what_is_read_between_steps_stays_when_the_device_is_idle_again(gpu, monkeypatch):
    watch = Watch("cuda")
    gpu.working = True
    for _ in range(50):
        watch.look()
    assert gpu.reads == 1  # no more often than every LOOK_EVERY_S
    monkeypatch.setattr(at_work, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(watch, "_due_s", 0.0)
    for _ in range(5):
        watch.look()
    gpu.working = False
    context = watch.context()
    assert context["device"] == "H200" and context["sm_clock_hz"] == 1.9e9 and context["power_w"] == 690.0
    assert context["slowdown_reasons"] == "software_power_cap"  # whenever it was the reason
    assert remarks(context) == ["bound by the board's power limit"]


def test_where_nothing_was_seen_at_work_the_state_is_that_of_now(gpu):
    context = Watch("cuda").context()
    assert context["slowdown_reasons"] == "idle" and "state_read" not in context


def test_a_thread_ends_with_what_it_watches_also_after_a_fault(gpu):
    with pytest.raises(ZeroDivisionError), Watch("cuda").beside():
        1 / 0  # noqa: B018
    assert "halfstep watch" not in {thread.name for thread in threading.enumerate()}


def test_a_cpu_is_not_watched():
    watch, before = Watch("cpu"), threading.active_count()
    with watch.beside():
        watch.look()
        assert threading.active_count() == before
    assert watch.seen() == {}
    changing = {"time_utc", "load_average"}
    assert {name for name, value in watch.context().items() if value != device_context("cpu")[name]} <= changing


def test_a_measurement_on_a_gpu_is_read_while_its_step_repeats(monkeypatch):
    """The clock and the queue of a GPU are stood in for by the CPU's: the step below says when it works."""
    from baselines.live import measure
    from tests.helpers.measurements import SHORT, SUBJECT

    at, states = [], []
    monkeypatch.setattr(measure, "WATCHED_S", 0.1)
    monkeypatch.setattr(at_work, "BESIDE_EVERY_S", 0.01)
    monkeypatch.setattr(at_work, "device_state", lambda device: states.append(bool(at)) or {"driver": "600.1"})

    class Timer:
        def restart(self):
            at.clear()

        def __call__(self, samples, steps):
            at.append(True)
            time.sleep(0.01 * steps)
            at.clear()

    class Job:
        device, plan, subject = torch.device("cuda"), SHORT, SUBJECT

    seen = measure._seen_at_work(Job(), Timer(), step_s=0.01)
    assert seen["driver"] == "600.1" and len(states) > 2 and sum(states) >= len(states) - 1
