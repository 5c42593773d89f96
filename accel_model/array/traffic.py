"""Bytes between the on-chip memory and the arrays for one GEMM, given how often a dataflow reads and spills."""

from __future__ import annotations

from accel_model.array.record import Arrays, Gemm
from accel_model.arrays import Array


def array_bytes(
    operands: Array, spills: Array, gemm: Gemm, arrays: Arrays, element_bytes: Array, overlapped: Array
) -> Array:
    """Buffer bytes that an array reads and writes for one group of C[M,N] = A[M,K] B[K,N]: docs/model.md, (19).

    operands: elements of A and B that it reads. spills: times that partial sums go to the buffer and come back. gemm:
    Gemm; arrays: Arrays, whose partial sums have accumulator_bytes. element_bytes: of A, B and C. overlapped: 1 where
    products are added on their way out (dgrad of a convolution), else 0. All broadcast; returns int64 or float64.
    """
    sums, sum_bytes = gemm.m * gemm.n, arrays.accumulator_bytes
    result = sums * (element_bytes + overlapped * (2 * sum_bytes - element_bytes))
    return operands * element_bytes + 2 * gemm.m * gemm.n * sum_bytes * spills + result
