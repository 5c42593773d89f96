"""Distances of all pairs of rows: vector work, or a product where torch's kernel makes one.

`_euclidean_dist` and `affine_grid_generator`, which call other ops, have no formula: they are counted as those.
"""

from dataclasses import replace

from accel_model.types import Kind
from harness.capture.formulas.matmul import product
from harness.capture.formulas.parts import Call, Part, area, elements_of, read_all
from harness.capture.formulas.vector import whole

FEW = 25  # rows; torch's cdist_impl (ATen/native/Distance.cpp) multiplies matrices where either side has more


def forward(call: Call) -> list[Part]:
    """Difference, power and sum for each feature of each pair; for p = 2 and many rows, or where asked, a product.

    The product is of [-2 x, |x|^2, 1] and [y, 1, |y|^2]: its contraction is two longer than a row.
    """
    x, y, out = call["x1"], call["x2"], call.written[0]
    rows, others, features = x.shape[-2], y.shape[-2], x.shape[-1]
    mode = call["compute_mode"] or 0
    if call["p"] != 2 or mode == 2 or (mode == 0 and rows <= FEW and others <= FEW):
        return whole(call, Kind.REDUCE, 3 * out.numel() * features)
    norms = Part(Kind.REDUCE, read_all(x, y), (), vector_ops=2 * elements_of(x, y) + x.numel())
    gemm = (area(out.shape[:-2]), rows, others, features + 2)
    return [norms, replace(product(gemm, x, y, out), vector_ops=2 * out.numel())]


def backward(call: Call) -> list[Part]:
    return whole(call, Kind.REDUCE, 3 * call["cdist"].numel() * call["x1"].shape[-1])


def affine_grid(call: Call) -> list[Part]:
    """cuDNN's: each pixel's (x, y, 1) times theta, 2 x 3."""
    theta = call["theta"]
    return [product((call["N"], call["H"] * call["W"], 2, 3), None, theta, call.written[0])]


def affine_grid_backward(call: Call) -> list[Part]:
    return [product((call["N"], 3, 2, call["H"] * call["W"]), None, call["grad"], call.written[0])]


FORMULAS = {
    "_cdist_forward": forward,
    "_cdist_backward": backward,
    "cudnn_affine_grid_generator": affine_grid,
    "cudnn_affine_grid_generator_backward": affine_grid_backward,
}
