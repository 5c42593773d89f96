"""Energy from counters, and a reason where there is none."""

import math
import os
import sys
import time
from types import SimpleNamespace

import pytest

import baselines
from baselines.errors import DeviceError
from baselines.live import energy
from baselines.live.energy import NvmlCounter, RaplCounter, energy_per_step
from baselines.live.nvml import _other_processes, gpu_state


class Meter:
    """A counter of an imagined device that draws `idle_w` always and `step_j` more each step."""

    name = "imagined counter"

    def __init__(self, idle_w, step_j, span=math.inf, start=0.0):
        self.idle_w, self.step_j, self.span, self.start, self.steps = idle_w, step_j, span, start, 0
        self.began = time.perf_counter()

    def read(self):
        joules = self.start + self.idle_w * (time.perf_counter() - self.began) + self.step_j * self.steps
        return (joules % self.span if math.isfinite(self.span) else joules,)

    def spans(self):
        return (self.span,)

    def run(self, steps):
        self.steps += steps


@pytest.fixture
def any_window(monkeypatch):
    """Windows of no length, for imagined counters that move at once."""
    monkeypatch.setattr(energy, "SHORTEST_S", 0.0)


@pytest.mark.parametrize(("span", "start"), [(math.inf, 0.0), (1000.0, 999.0)])
def test_energy_per_step_is_what_the_counter_moved_also_when_it_starts_again(any_window, span, start):
    meter = Meter(idle_w=0.0, step_j=2.0, span=span, start=start)
    energy_j, note = energy_per_step(meter, meter.run, step_s=0.01, window_s=1.0, idle_s=0.0)
    assert energy_j == pytest.approx(2.0) and meter.steps == 100
    assert "100 steps" in note and "idle" in note


def test_idle_power_is_measured_and_stated(any_window):
    meter = Meter(idle_w=50.0, step_j=1.0)
    _, note = energy_per_step(meter, meter.run, step_s=0.1, window_s=1.0, idle_s=0.05)
    assert 45 < float(note.split("idle ")[1].split(" W")[0]) < 55


def test_without_a_counter_energy_is_nan_with_a_reason(any_window, tmp_path):
    for counter, reason in (
        (None, "no energy counter"),
        (RaplCounter(tmp_path), "no RAPL counter"),
        (NvmlCounter("GPU-none"), "NVML"),
        (Meter(0.0, 0.0), "did not move"),
    ):
        energy_j, note = energy_per_step(counter, lambda steps: None, 0.01, 2.0, idle_s=0.0)
        assert math.isnan(energy_j) and reason in note
    assert energy_per_step(Meter(0, 1), lambda steps: None, 0.01, 0)[1] == "not asked for"


def test_rapl_sums_the_packages_and_not_their_parts(tmp_path):
    for name, joules in (("intel-rapl:0", 3), ("intel-rapl:1", 4), ("intel-rapl:0:0", 100), ("intel-rapl", 100)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{joules * 10**6}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("65532610987\n")
    assert RaplCounter(tmp_path).read() == (3.0, 4.0)
    assert RaplCounter(tmp_path).spans() == (65532.610987, 65532.610987)
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("")
    with pytest.raises(DeviceError, match="cannot be read"):
        RaplCounter(tmp_path).read()


class FakeNvml:
    """A management library of one GPU, whose driver is too old to tell the temperature."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 0, 1, 2

    class NVMLError(Exception):
        pass

    def __init__(self):
        self.open = 0

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid != "GPU-1":
            raise self.NVMLError("Not Found")
        return "handle"

    def nvmlSystemGetDriverVersion(self):
        return b"600.1"

    def nvmlDeviceGetClockInfo(self, handle, clock):
        return (1500, 2600)[clock]

    def nvmlDeviceGetMaxClockInfo(self, handle, clock):
        return 1980

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):
        return 700_000

    def nvmlDeviceGetPowerUsage(self, handle):
        return 650_500

    def nvmlDeviceGetTemperature(self, handle, sensor):
        raise self.NVMLError("Function Not Found")

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
        return 0x04 | 0x20 | 0x4000

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [SimpleNamespace(pid=os.getpid()), SimpleNamespace(pid=-1)]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle):
        return []

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return 123_456


def test_a_gpu_s_state_is_in_si_units_and_leaves_out_what_an_old_driver_does_not_tell(monkeypatch):
    nvml = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert gpu_state("GPU-1") == {
        "driver": "600.1",
        "sm_clock_hz": 1.5e9,
        "sm_clock_max_hz": 1.98e9,
        "memory_clock_hz": 2.6e9,
        "power_limit_w": 700.0,
        "power_w": 650.5,
        "slowdown_reasons": "software_power_cap,software_thermal,unknown_0x4000",
        "other_processes": 1,
        "nvml_unanswered": "temperature_c: Function Not Found",
    }
    assert NvmlCounter("GPU-1").read() == (123.456,)
    assert gpu_state("GPU-2") == {"driver": "600.1", "nvml_unanswered": "NVML does not answer: Not Found"}
    assert nvml.open == 0


def test_a_gpu_that_nvml_does_not_know_has_an_unknown_driver_and_a_reason():
    assert gpu_state("GPU-none")["driver"].startswith("unknown: NVML")


@pytest.mark.parametrize(("pids", "others"), [([], 0), (["own"], 0), (["own", 1, 2], 2), ([7], 0), ([7, 8], 1)])
def test_other_processes_are_counted_also_from_inside_a_container(pids, others):
    found = [SimpleNamespace(pid=os.getpid() if pid == "own" else -pid) for pid in pids]
    nvml = SimpleNamespace(
        nvmlDeviceGetComputeRunningProcesses=lambda handle: found,
        nvmlDeviceGetGraphicsRunningProcesses=lambda handle: found[:1],
    )
    assert _other_processes(nvml, None) == others


def test_a_meter_counts_what_is_run_elsewhere_and_refuses_short_windows(monkeypatch):
    meter = Meter(idle_w=20.0, step_j=3.0)
    end = baselines.meter(meter, idle_s=0.05)
    meter.run(10)
    energy_j, note = end(10)
    assert math.isnan(energy_j) and "too short" in note
    monkeypatch.setattr("baselines.live.energy.SHORTEST_S", 0.0)
    meter.began = time.perf_counter()  # the imagined idle power counts from here
    end = baselines.meter(meter, idle_s=0.3)
    meter.run(100)
    energy_j, note = end(100)
    assert energy_j == pytest.approx(3.0, rel=0.05)
    assert "100 steps" in note and 15 < float(note.split("idle ")[1].split(" W")[0]) < 25


@pytest.mark.parametrize("counter", [None, NvmlCounter("GPU-none"), RaplCounter("/nowhere")])
def test_a_meter_without_a_counter_gives_nan_and_the_reason(counter):
    energy_j, note = baselines.meter(counter)(10)
    assert math.isnan(energy_j) and ("no energy counter" in note or "NVML" in note or "no RAPL" in note)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleeping and running move; holds the seconds."""
    now = [0.0]
    monkeypatch.setattr(energy.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(energy.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


class Steps:
    """A step that takes `step_s` on that clock and draws `watts`."""

    name = "imagined counter"

    def __init__(self, clock, step_s, watts=100.0):
        self.clock, self.step_s, self.watts, self.ran = clock, step_s, watts, 0

    def read(self):
        return (self.watts * self.clock[0],)

    def spans(self):
        return (math.inf,)

    def run(self, steps):
        self.ran += steps
        self.clock[0] += self.step_s * steps


@pytest.mark.parametrize("window_s", [1e-3, 0.5, 1.0, 1.99])
def test_a_window_that_is_asked_for_too_short_gives_no_energy_and_runs_nothing(clock, window_s):
    steps = Steps(clock, 0.01)
    energy_j, note = energy_per_step(steps, steps.run, 0.01, window_s)
    assert math.isnan(energy_j) and f"{window_s:.2f} s are too short for imagined counter, which takes 2 s" in note
    assert steps.ran == 0


@pytest.mark.parametrize("window_s", [2.0, 2.5, 10.0])
@pytest.mark.parametrize("faster", [1.0, 1.02, 3.0, 90.0])
def test_a_window_whose_steps_become_faster_is_run_until_it_is_long_enough(clock, window_s, faster):
    steps = Steps(clock, 0.01 / faster)
    energy_j, note = energy_per_step(steps, steps.run, 0.01, window_s)
    assert energy_j == pytest.approx(1.0 / faster) and f"{steps.ran} steps" in note
    assert steps.ran * steps.step_s >= 2.0 * (1 - 1e-9)


def test_a_window_that_cannot_be_made_long_enough_gives_no_energy(clock):
    steps = Steps(clock, 1e-7)
    energy_j, note = energy_per_step(steps, steps.run, 0.01, 2.0)
    assert math.isnan(energy_j) and "too short for imagined counter" in note


@pytest.mark.parametrize("seconds", [0.3, 1.9, 2.1])
def test_a_training_shorter_than_the_counter_needs_has_no_energy(clock, seconds):
    steps = Steps(clock, seconds / 10)
    end = baselines.meter(steps)
    steps.run(10)
    energy_j, note = end(10)
    assert energy_j == pytest.approx(10 * seconds) if seconds >= 2 else math.isnan(energy_j) and "too short" in note


def test_a_cpu_s_counters_need_a_shorter_window(tmp_path):
    assert RaplCounter(tmp_path).shortest_s < NvmlCounter("GPU-1").shortest_s == 2.0


class CountedNvml(FakeNvml):
    """Counts how often it is started, and moves its counter at every reading."""

    def __init__(self):
        super().__init__()
        self.starts, self.joules = 0, 0

    def nvmlInit(self):
        super().nvmlInit()
        self.starts += 1

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        assert self.open == 1, "NVML is asked without being started"
        self.joules += 100
        return 1000 * self.joules


def test_nvml_is_started_once_for_a_window_and_shut_down_after_it(monkeypatch, clock):
    nvml = CountedNvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    steps = Steps(clock, 0.01)
    energy_j, _ = energy_per_step(NvmlCounter("GPU-1"), steps.run, 0.01, 2.0)
    assert energy_j == pytest.approx(100 / 200) and (nvml.starts, nvml.open) == (1, 0)
    end = baselines.meter(NvmlCounter("GPU-1"))
    assert (nvml.starts, nvml.open) == (2, 1)
    steps.run(300)
    assert end(300)[0] == pytest.approx(100 / 300) and (nvml.starts, nvml.open) == (2, 0)


def test_nvml_is_shut_down_where_a_training_fails_or_the_gpu_falls_silent(monkeypatch, clock):
    nvml = CountedNvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    forgotten = baselines.meter(NvmlCounter("GPU-1"))
    assert nvml.open == 1
    del forgotten
    assert nvml.open == 0

    def silent(handle):
        raise nvml.NVMLError("GPU is lost")

    end = baselines.meter(NvmlCounter("GPU-1"))
    nvml.nvmlDeviceGetTotalEnergyConsumption = silent
    assert math.isnan(end(10)[0]) and nvml.open == 0
    for energy_j, note in (
        energy_per_step(NvmlCounter("GPU-1"), lambda steps: None, 0.01, 2.0),
        baselines.meter(NvmlCounter("GPU-1"))(3),
    ):
        assert math.isnan(energy_j) and "GPU is lost" in note
    del nvml.nvmlDeviceGetTotalEnergyConsumption
    with pytest.raises(ZeroDivisionError):
        energy_per_step(NvmlCounter("GPU-1"), lambda steps: 1 / 0, 0.01, 2.0)
    assert nvml.open == 0
