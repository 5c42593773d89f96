"""Capture of any PyTorch training step into a Trace. Importing this package is cheap: torch loads on first use."""


def capture(step, model=None, optimizer=None, *, warmup=1, meta=None, strict=False):
    """The Trace of one call of `step()` under the mode that is active: real tensors on any device, or fake ones.

    step: callable without arguments; its attributes `model`, `optimizer` and `inputs` are used where the arguments
    are not given. warmup: steps run before the captured one, so that optimiser state exists. meta: JSON values added
    to the trace's. strict: raise where an op has no formula, instead of listing it in `Trace.uncounted`.
    Raises CaptureError where the step raises, trains nothing or, with strict, does an op that has no formula.
    """
    from harness.capture.session import capture_step

    return capture_step(step, model, optimizer, warmup=warmup, meta=meta, strict=strict)


def capture_model(build, *, warmup=1, meta=None, strict=False):
    """The Trace of one call of the step that `build()` returns, built and run on fake tensors: no memory, no GPU.

    build: callable without arguments that makes model, data and optimiser and returns the step; initialisation of
    parameters does nothing while it runs, and attention takes its fused form. The rest is as in `capture`.
    Raises CaptureError where building fails or the step needs values or a GPU.
    """
    from harness.capture.session import capture_built

    return capture_built(build, warmup=warmup, meta=meta, strict=strict)
