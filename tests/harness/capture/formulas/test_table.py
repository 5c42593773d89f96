"""Every op has a formula or is listed as uncounted; nothing is dropped in silence."""

import pytest
import torch
from torch import nn

from accel_model import Trace
from harness.capture import capture
from harness.capture.formulas import vector
from harness.capture.formulas.parts import info_of
from harness.capture.formulas.table import all_formulas, formula_of
from harness.settings.errors import CaptureError
from tests.helpers.house import house
from tests.helpers.steps import python_in


def test_every_name_in_the_tables_is_an_op_of_torch():
    """A name that torch never had is a slip of the pen; some exist on other builds or versions only."""
    known = {name.partition(".")[0].removeprefix("aten::") for name in torch._C._dispatch_get_all_op_names()}
    known |= {name.removeprefix("_foreach_") for name in known} | {name.removesuffix("_") for name in known}
    missing = [name for name in all_formulas() if name not in known and not name.startswith("torchvision::")]
    assert sorted(missing) == []


@pytest.mark.parametrize(
    "op, formula",
    [
        (torch.ops.aten.add_.Tensor, vector.elementwise),
        (torch.ops.aten._foreach_add_.List, vector.elementwise),
        (torch.ops.aten._foreach_norm.Scalar, vector.reduce),
        (torch.ops.aten.max.dim, vector.reduce),
        (torch.ops.aten.max.other, vector.elementwise),
        (torch.ops.aten.eq_.Scalar, vector.elementwise),
        (torch.ops.aten.clone.default, vector.copy),
        (torch.ops.aten.linalg_cholesky_ex.default, None),
    ],
)
def test_an_op_finds_its_formula(op, formula):
    assert formula_of(info_of(op)) is formula


def uncounted_step():
    weight = nn.Parameter(torch.eye(8))
    return lambda: torch.linalg.cholesky(weight @ weight.t() + torch.eye(8)).sum().backward()


def test_an_op_without_a_formula_is_listed_with_count_and_bytes(tmp_path):
    trace = capture(uncounted_step())
    assert set(trace.uncounted) >= {"aten::linalg_cholesky_ex"}
    count, size = trace.uncounted["aten::linalg_cholesky_ex"]
    assert count == 1
    assert size >= 2 * 4 * 64
    trace.save(tmp_path / "step.trace")
    assert Trace.load(tmp_path / "step.trace").uncounted == trace.uncounted


def test_strict_refuses_and_names_the_place_for_a_formula():
    with pytest.raises(CaptureError, match=r"linalg_cholesky_ex \(1 times\).*harness/capture/formulas,"):
        capture(uncounted_step(), strict=True)


def test_strict_accepts_a_counted_step():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.randn(2, 3, 8, 8)
    assert capture(lambda: model(x).pow(2).mean().backward(), strict=True).uncounted == {}


@pytest.mark.parametrize(
    "act, operations",
    [
        (lambda x: torch.relu(x), 64),
        (lambda x: nn.functional.max_pool2d(x[None, None], 2), 4 * 16),
        (lambda x: nn.functional.avg_pool2d(x[None, None], 4), 16 * 4),
        (lambda x: nn.functional.adaptive_avg_pool2d(x[None, None], 2), 64),
        (lambda x: x.sum(), 64),
        (lambda x: x.softmax(0), 5 * 64),
        (lambda x: torch.addcmul(x, x, x), 3 * 64),
    ],
)
def test_elementary_operations(act, operations):
    x = nn.Parameter(torch.randn(8, 8))
    trace = capture(lambda: (act(x) if act(x).dim() == 0 else act(x).sum()).backward(), warmup=0)
    assert trace.ops.vector_ops[0] == operations


def test_an_op_on_lists_works_on_all_of_them():
    weights = [nn.Parameter(torch.zeros(8)), nn.Parameter(torch.zeros(8))]

    def step():
        (weights[0] * weights[1]).sum().backward()
        with torch.no_grad():
            torch._foreach_mul_([w.grad for w in weights], 2.0)

    trace = capture(step)
    assert trace.ops.vector_ops[-1] == 16


def test_distances_count_every_feature_of_every_pair():
    x, y = nn.Parameter(torch.randn(4, 3)), torch.randn(5, 3)
    trace = capture(lambda: torch.cdist(x, y, p=1.0).sum().backward())
    assert trace.ops.vector_ops[0] == 3 * 4 * 5 * 3
    assert trace.uncounted == {}


CHOLESKY = """
from accel_model.types import Kind
from harness.capture.formulas.vector import whole

def cholesky(call):
    return whole(call, Kind.REDUCE, call["self"].shape[-1] ** 3 // 3)

FORMULAS = {"linalg_cholesky_ex": cholesky}
"""
CAPTURE = """
import torch
from harness.capture import capture

weight = torch.nn.Parameter(torch.eye(8))
trace = capture(lambda: torch.linalg.cholesky(weight @ weight.t() + torch.eye(8)).sum().backward())
print("aten::linalg_cholesky_ex" in trace.uncounted, max(trace.ops.vector_ops[trace.ops.kind == 4].tolist(), default=0))
"""


def test_a_file_beside_the_others_gives_an_op_its_formula(tmp_path):
    place = house(tmp_path)
    (place / "harness/capture/formulas/cholesky.py").write_text(CHOLESKY)
    done = python_in(place, CAPTURE)
    assert done.stdout.split() == ["False", str(8**3 // 3)], done.stderr


def test_an_op_with_a_formula_in_two_files_is_refused_with_both(tmp_path):
    place = house(tmp_path)
    (place / "harness/capture/formulas/again.py").write_text(CHOLESKY.replace("linalg_cholesky_ex", "addmm"))
    done = python_in(place, CAPTURE)
    error = done.stderr.strip().splitlines()[-1]
    assert "CaptureError: addmm has a formula in harness/capture/formulas/again.py and in matmul.py" in error
