"""Devices are found or refused with a reason, known, set the same way for all, and full in every wording."""

import errno
from dataclasses import replace

import pytest
import torch

from baselines import best_device, device_context, matrix_settings, measure_all, memory_is_full
from baselines.errors import DeviceError, ModeError, OutOfMemoryError
from baselines.live.device import check_precision, device_fault, free_cached, memory_explained, rounds_to_tf32
from tests.helpers.measurements import SHORT, SUBJECT, CheatingLayer, SmallStep


def test_context_tells_the_device_and_what_ran():
    context = device_context("cpu")
    assert {"device", "device_kind", "clock", "torch", "python", "time_utc", "commit", "threads"} <= set(context)
    assert context["device_kind"] == "cpu" and context["device"].strip()
    assert all(isinstance(value, (str, int, float)) for value in context.values())


def test_a_device_that_is_not_there_is_refused_with_the_reason():
    assert best_device("cpu") == "cpu" and best_device() in ("cpu", "cuda", "mps")
    for wrong in ("gpu", "cuda:x", "meta", ""):
        with pytest.raises(DeviceError, match=r"baseline\.device"):
            best_device(wrong)
    absent = "cuda:99" if torch.cuda.is_available() else "cuda"
    with pytest.raises(DeviceError, match=r"GPU|CUDA"):
        best_device(absent)


def old_driver():
    raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nPlease update it.")


def busy(*_, **__):
    raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nmore lines")


@pytest.mark.parametrize(
    ("patches", "match"),
    [
        ({"version.cuda": None, "version.hip": None}, "built without CUDA"),
        ({"cuda.is_available": lambda: False, "cuda.init": lambda: None}, "CUDA finds no GPU"),
        (
            {"cuda.is_available": lambda: False, "cuda.init": old_driver},
            r"does not start \(The .* driver .* too old",
        ),
        ({"cuda.is_available": lambda: True, "cuda.device_count": lambda: 0}, "only 0 GPUs"),
        (
            {
                "cuda.is_available": lambda: True,
                "cuda.device_count": lambda: 1,
                "cuda.get_device_capability": lambda index: (9, 0),
                "cuda.get_device_name": lambda index: "H200",
                "cuda.get_arch_list": lambda: ["sm_90"],
                "zeros": busy,
            },
            r"H200 refuses its first use \(CUDA error: all .* busy or unavailable\)",
        ),
        (
            {
                "cuda.is_available": lambda: True,
                "cuda.device_count": lambda: 1,
                "cuda.get_device_capability": lambda index: (6, 1),
                "cuda.get_device_name": lambda index: "GTX 1080",
                "cuda.get_arch_list": lambda: ["sm_75", "sm_90a", "sm_120", "compute_120"],
            },
            r"GTX 1080 has compute capability 6\.1 .* needs 7\.5",
        ),
    ],
)
def test_the_reason_that_cuda_cannot_be_used_is_told(monkeypatch, patches, match):
    for name, value in ({"version.cuda": "13.0", "version.hip": None} | patches).items():
        monkeypatch.setattr(f"torch.{name}", value)
    with pytest.raises(DeviceError, match=match):
        best_device("cuda")
    assert best_device("auto") in ("cpu", "mps")


def raised_from(error, cause):
    error.__cause__ = cause
    return error


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139 GiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.51 GB, other allocations: 1.2 GB, max allowed: 9 GB)."),
    RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried 1 bytes"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:80] DefaultCPUAllocator: not enough memory: you tried 1 bytes"),
    RuntimeError("CUDA driver error: out of memory"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
    RuntimeError("CUDA error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`"),
    RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    RuntimeError("CUDA error: CURAND_STATUS_ALLOCATION_FAILED"),
    RuntimeError("miopenStatusAllocFailed"),
    RuntimeError("NVRTC error: NVRTC_ERROR_OUT_OF_MEMORY"),
    RuntimeError("FIND was unable to find an engine to execute this computation after trying 5 plans."),
    RuntimeError("level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
    RuntimeError("Storage size calculation overflowed with sizes=[4611686018427387904, 4]"),
    getattr(torch, "AcceleratorError", RuntimeError)("CUDA error: out of memory", 2),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    raised_from(ValueError("the forward pass failed"), torch.OutOfMemoryError("CUDA out of memory")),
    raised_from(KeyError("hook"), raised_from(RuntimeError("backend failed"), MemoryError())),
    RuntimeError("unable to mmap 4096 bytes from file </tmp/x>: Cannot allocate memory (12)"),
    MemoryError(),
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: str(error)[:40])
def test_every_wording_of_a_full_memory_is_known_and_explained_the_same_way(error):
    assert memory_is_full(error)
    with (
        pytest.raises(OutOfMemoryError, match="at batch 7 does not fit the memory of cpu"),
        memory_explained(torch.device("cpu"), 7),
    ):
        raise error


def test_a_real_allocation_that_fails_is_a_full_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert memory_is_full(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (16x20 and 30x5)"),
        ValueError("the story ran out of memory"),
        KeyError("out of memory"),
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("out of resource: shared memory, Required: 294912, Hardware limit: 232448."),
        RuntimeError("CUDA error: too many resources requested for launch"),
        raised_from(ValueError("its own cause"), ValueError("which is none")),
    ],
)
def test_other_errors_are_no_full_memory_and_go_through(error):
    assert not memory_is_full(error)
    with pytest.raises(type(error)) as caught, memory_explained(torch.device("cpu"), 7):
        raise error
    assert caught.value is error


def flags():
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32


def put(values):
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = values


@pytest.mark.parametrize("ambient", [(False, False, False), (False, True, False), (True, True, True)])
@pytest.mark.parametrize("tf32", [False, True])
def test_settings_are_those_asked_for_and_are_put_back_also_after_a_fault(ambient, tf32):
    before = flags()
    try:
        put(ambient)
        with matrix_settings(tf32):
            assert flags() == (True, tf32, tf32)
        assert flags() == ambient
        with pytest.raises(ZeroDivisionError), matrix_settings(tf32):
            1 / 0  # noqa: B018
        assert flags() == ambient
    finally:
        put(before)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("ambient", [False, True])
def test_every_mode_is_measured_under_the_same_settings_whatever_they_were_before(precision, ambient, batch):
    class Watching(SmallStep):
        def compute(self):
            mode = "eager" if self.model._compiled_call_impl is None else "compiled"
            seen.add((mode, flags()))
            return super().compute()

    seen, before = set(), flags()
    try:
        put((ambient, ambient, ambient))
        step = Watching(model=CheatingLayer(1.0))
        subject = replace(SUBJECT, precision=precision)
        found, _ = measure_all(step, "cpu", ("eager", "compiled"), ("step",), subject=subject, batch=batch, plan=SHORT)
        assert len(found) == 2
        assert seen == {("eager", (True, False, False)), ("compiled", (True, False, False))}
        assert found[0].context["tf32_matmul"] is False and found[0].context["tf32_convolution"] is False
    finally:
        put(before)


def test_tf32_is_refused_where_there_is_none():
    with pytest.raises(ModeError, match="has no TF32"):
        rounds_to_tf32(torch.device("cpu"), "tf32")
    assert not rounds_to_tf32(torch.device("cpu"), "fp32")


def test_an_error_that_was_raised_from_itself_has_an_end():
    assert not memory_is_full(raised_from(error := ValueError("x"), error))


@pytest.mark.parametrize("fails", ["synchronize", "empty_cache", "rand"])
def test_a_device_that_a_failure_has_cost_this_process_is_told_and_a_full_one_is_none(monkeypatch, fails):
    rand = torch.rand
    for name in ("synchronize", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch, "rand", lambda *size, device: rand(*size))
    assert device_fault("cuda") == device_fault("cpu") == ""
    for text, fault in (("CUDA error: device-side assert triggered\nmore", True), ("CUDA error: out of memory", False)):

        def fail(*_, text=text, **__):
            raise RuntimeError(text)

        monkeypatch.setattr(torch if fails == "rand" else torch.cuda, fails, fail)
        assert device_fault("cuda:1") == (text.splitlines()[0] if fault else "")
        assert device_fault("cpu") == ""
        free_cached(torch.device("cuda"))


@pytest.mark.parametrize(
    ("capability", "precision", "refused"),
    [
        ((7, 5), "bf16", "has no bf16, which torch would emulate"),
        ((7, 0), "bf16", "has no bf16, which torch would emulate"),
        ((8, 0), "bf16", ""),
        ((8, 6), "bf16", ""),
        ((12, 0), "bf16", ""),
        ((7, 5), "tf32", "has no TF32"),
        ((9, 0), "tf32", ""),
        ((7, 5), "fp16", ""),
        ((7, 5), "fp32", ""),
    ],
)
def test_a_precision_that_a_gpu_has_no_arithmetic_for_is_refused(monkeypatch, capability, precision, refused):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    if not refused:
        check_precision("cuda", precision)
        return
    with pytest.raises(ModeError, match=rf"{refused}.*compute capability 8\.0.*use precision="):
        check_precision("cuda", precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_cpu_computes_in_what_it_is_asked_for(precision):
    check_precision("cpu", precision)


def test_an_emulated_precision_is_refused_before_anything_is_measured(monkeypatch, batch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr("baselines.live.measure.best_device", lambda wanted: wanted)
    subject = replace(SUBJECT, precision="bf16")
    with pytest.raises(ModeError, match="has no bf16"):
        measure_all(SmallStep(), "cuda", subject=subject, batch=batch, plan=SHORT)
