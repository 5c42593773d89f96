"""A job that fails keeps no memory, and the others of its sweep go on."""

import traceback
import weakref

from harness.tasks.failures import forget
from tests.helpers.program import halfstep


def test_a_failed_job_keeps_no_memory_while_its_error_is_kept():
    class Big:
        pass

    watched = []

    def fails():
        held = Big()
        watched.append(weakref.ref(held))
        try:
            raise RuntimeError("CUDA out of memory")
        except RuntimeError:
            raise ValueError("does not fit") from None

    try:
        fails()
    except ValueError as error:
        kept = error
    assert watched[0]() is not None
    forget(kept)
    assert watched[0]() is None and "fails" in [entry.name for entry in traceback_of(kept)]


def traceback_of(error):
    return traceback.extract_tb(error.__traceback__)


QUICK = ("workload=mnist_mlp", "train.steps=12", "compare.ceiling_of=null", "baseline.device=cpu")


def test_a_batch_that_does_not_fit_ends_its_own_run_and_not_the_sweep(tmp_path):
    sizes = "batch_size=1000000000,32"
    done = halfstep("-m", *QUICK, sizes, "data=synthetic", "tracking=none", folder=tmp_path)
    assert done.returncode != 0
    assert "give a smaller batch_size" in done.stderr and "Traceback" not in done.stderr
    assert [path.parent.name for path in tmp_path.glob("outputs/sweeps/*/*/result.json")] == ["1"]
