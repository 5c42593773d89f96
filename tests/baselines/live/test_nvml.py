"""Every question to NVML fails alone: the real pynvml on a library of C that lacks and refuses things."""

import ctypes
import math
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from baselines.errors import DeviceError
from baselines.live.energy import NvmlCounter, energy_per_step, meter
from baselines.live.nvml import UNANSWERED, answers, asked, gpu_state, slowdowns
from tests.helpers.program import ROOT

SOURCE = ROOT / "tests/helpers/stub_nvml.c"
COMPILER = shutil.which("gcc") or shutil.which("cc")
pynvml = pytest.importorskip("pynvml")
compiled = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")

WHOLE = {
    "driver": "470.1",
    "sm_clock_hz": 1.5e9,
    "sm_clock_max_hz": 1.98e9,
    "memory_clock_hz": 2.6e9,
    "power_limit_w": 700.0,
    "power_w": 650.5,
    "temperature_c": 61,
    "slowdown_reasons": "software_power_cap,software_thermal,reliability",
    "other_processes": 2,  # three, whose numbers are another name space's: one is taken to be this process
}


def of_any_window(counter):
    """`counter`, for which no window is too short."""
    object.__setattr__(counter, "shortest_s", 0.0)
    return counter


def built(folder, *macros):
    """Path of the stub library with these macros."""
    path = folder / "libnvidia-ml.so.1"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", path, SOURCE, *(f"-D{one}" for one in macros)], check=True)
    return path


@pytest.fixture
def nvml(tmp_path, monkeypatch):
    """A function that lets pynvml have the stub library with some macros, and returns the library."""

    def load(*macros):
        library = ctypes.CDLL(str(built(tmp_path, *macros)))
        monkeypatch.setattr(pynvml, "nvmlLib", library)
        monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return library

    return load


@compiled
@pytest.mark.parametrize(
    "macros",
    [
        (),
        ("NO_V3",),  # a driver before 510: NVMLLibraryMismatchError, which is no NVMLError
        ("NO_EVENT_REASONS",),  # a driver before 535
        ("NO_THROTTLE_REASONS",),  # one after the older name went
        ("SHUTDOWN_FAILS=999",),
        ("NO_V3", "NO_EVENT_REASONS", "SHUTDOWN_FAILS=15"),
    ],
)
def test_what_has_two_names_is_asked_by_both_and_nothing_is_left_out(nvml, macros):
    library = nvml(*macros)
    assert gpu_state("GPU-1") == WHOLE
    assert library.stub_users() == 0


@compiled
@pytest.mark.parametrize(
    ("macros", "missing", "reason"),
    [
        (("CLOCK_FAILS=999",), ("sm_clock_hz", "sm_clock_max_hz", "memory_clock_hz"), "sm_clock_hz: Unknown Error"),
        (("POWER_FAILS=4",), ("power_w",), "power_w: Insufficient Permissions"),
        (("POWER_MW=0xFFFFFFFFu",), ("power_w",), "power_w: not available"),
        (("TEMPERATURE_FAILS=15",), ("temperature_c",), "temperature_c: GPU is lost"),
        (("TEMPERATURE_FAILS=77",), ("temperature_c",), "temperature_c: "),  # a code that nvidia-ml-py does not know
        (("NO_PROCESSES",), ("other_processes",), "other_processes: nvmlDeviceGetComputeRunningProcesses: "),
        (("NO_EVENT_REASONS", "NO_THROTTLE_REASONS"), ("slowdown_reasons",), "slowdown_reasons: nvmlDeviceGet"),
        (("HANDLE_FAILS=15",), set(WHOLE) - {"driver"}, "NVML does not answer: GPU is lost"),
    ],
)
def test_a_question_that_fails_is_left_out_with_its_reason_and_the_others_are_answered(nvml, macros, missing, reason):
    library = nvml(*macros)
    state = gpu_state("GPU-1")
    told = state.pop(UNANSWERED)
    assert state == {name: value for name, value in WHOLE.items() if name not in missing}
    assert reason in told and all(name in told for name in missing if "HANDLE_FAILS=15" not in macros)
    assert library.stub_users() == 0


@compiled
def test_a_library_that_does_not_start_is_the_reason_that_the_driver_is_unknown(nvml):
    nvml("INIT_FAILS=9")
    assert gpu_state("GPU-1") == {"driver": "unknown: NVML cannot be asked: Driver Not Loaded"}
    with pytest.raises(DeviceError, match="Driver Not Loaded"):
        NvmlCounter("GPU-1").read()


@compiled
@pytest.mark.parametrize(
    ("uuid", "visible", "processes"),
    [
        ("GPU-2", "", 1),  # CUDA tells the instance's UUID without saying of which kind it is
        ("MIG-2", "", 1),
        ("GPU-1", "", 2),  # or that of the board, on which nothing runs but instances
        ("GPU-0", "MIG-GPU-1/0/0", 1),  # or, before driver 470, names the instance in the environment alone
    ],
)
def test_one_mig_instance_is_found_and_has_no_power_and_no_energy_of_its_own(
    nvml, monkeypatch, uuid, visible, processes
):
    nvml("MIG")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    state = gpu_state(uuid)
    told = state.pop(UNANSWERED)
    shared = {"power_w", "power_limit_w"}
    assert state == {k: v for k, v in WHOLE.items() if k not in shared} | {"other_processes": processes}
    assert all(f"{name}: it is the whole board's" in told for name in shared)
    for energy_j, note in (
        energy_per_step(of_any_window(NvmlCounter(uuid)), lambda steps: None, 0.01, 1.0, idle_s=0.0),
        meter(NvmlCounter(uuid), idle_s=0.0)(1),
    ):
        assert math.isnan(energy_j) and "MIG instance" in note


@compiled
@pytest.mark.parametrize(
    ("macro", "reason"),
    [
        ("FROZEN", "did not move"),
        ("BACK", "went back from 4998.000 J to 4997.000 J|went back"),
        ("ABSENT", "not available"),
        ("HANDLE_FAILS=6", "Not Found"),
    ],
)
def test_a_counter_that_counts_nothing_is_nan_with_the_reason(nvml, macro, reason):
    nvml(macro)
    energy_j, note = energy_per_step(of_any_window(NvmlCounter("GPU-1")), lambda steps: None, 0.01, 1.0, idle_s=0.0)
    assert math.isnan(energy_j) and any(words in note for words in reason.split("|")), note


@compiled
def test_a_counter_that_counts_is_read(nvml):
    library = nvml()
    counter = NvmlCounter("GPU-1")
    first, second = counter.read(), counter.read()
    assert second[0] - first[0] == 1.0 and library.stub_users() == 0


@compiled
def test_the_library_is_found_by_the_name_that_the_driver_gives_it(tmp_path):
    code = "import baselines.live.nvml as n; print(n.gpu_state('GPU-1')['driver'])"
    folder = built(tmp_path, "NO_V3").parent
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "470.1", done.stderr


class Counter:
    name = "imagined counter"
    shortest_s = 0.0

    def __init__(self, readings, span=math.inf):
        self._readings, self._span = iter(readings), span

    def read(self):
        return (next(self._readings),)

    def spans(self):
        return (self._span,)


@pytest.mark.parametrize(
    ("readings", "span", "reason"),
    [
        ((0.0, 1.0, 5.0, 4.0), math.inf, "went back"),
        ((5.0, 4.0), math.inf, "went back"),
        ((0.0, 1.0, math.nan, 4.0), math.inf, "no amounts"),
        ((0.0, 1.0, 2.0, math.nan), math.inf, "no amounts"),
        ((0.0, 1.0, 2.0, math.inf), math.inf, "no amounts"),
        ((0.0, 1.0, 9.0, 1.0), math.nan, "went back"),
        ((0.0, 1.0, 900.0, 1.0), 100.0, "went back"),  # by more than it starts again after
        ((0.0, 1.0, 3.0, 3.0), math.inf, "did not move"),
    ],
)
def test_no_counter_makes_an_energy_that_is_none(readings, span, reason):
    energy_j, note = energy_per_step(Counter(readings, span), lambda steps: None, 1.0, 1.0, idle_s=0.0)
    assert math.isnan(energy_j) and reason in note


@pytest.mark.parametrize(
    "error",
    [
        pynvml.NVMLLibraryMismatchError("Unversioned function called"),
        pynvml.NVMLError(3),
        pynvml.NVMLError(12345),
        AttributeError("module 'pynvml' has no attribute 'nvmlDeviceGetTemperature'"),
        OSError("libnvidia-ml.so.1: cannot open shared object file"),
        ctypes.ArgumentError("argument 1"),
        ValueError(),
        DeviceError("said already"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_question_raises_is_its_reason(error):
    def fails():
        raise error

    found = answers({"driver": lambda: "1.0", "power_w": fails, "temperature_c": lambda: 50})
    told = found.pop(UNANSWERED)
    assert found == {"driver": "1.0", "temperature_c": 50}
    assert told.startswith("power_w: ") and len(told) > len("power_w: ")
    assert answers({"driver": fails})["driver"].startswith("unknown: NVML does not tell: ")
    with pytest.raises(DeviceError, match=r"^name: "):
        asked("name", fails)


def test_every_bit_of_the_slowdowns_is_told():
    assert slowdowns(0) == "none"
    assert slowdowns(0x8000_0000_0000_0008) == "hardware_slowdown,unknown_0x8000000000000000"
    names = {name for name in dir(pynvml) if name.startswith(("nvmlClocksEventReason", "nvmlClocksThrottleReason"))}
    for name in names - {"nvmlClocksEventReasonAll", "nvmlClocksThrottleReasonAll"}:
        assert "unknown" not in slowdowns(getattr(pynvml, name)), name


def test_a_package_of_that_name_that_is_none_is_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace())
    assert gpu_state("GPU-1")["driver"].startswith("unknown: NVML cannot be asked: ")
