"""Bytes between the on-chip memory and the arrays for one GEMM: one formula per dataflow."""

from accel_model.array.dataflow import Dataflow
from accel_model.arrays import ceil_div


def array_bytes(dataflow, m, n, k, rows, cols, element_bytes, accumulator_bytes, *, chunk, overlapped):
    """Buffer bytes that an array reads and writes for C[M,N] = A[M,K] B[K,N].

    m, n, k: int64, sizes in elements; rows, cols: PEs; they broadcast. element_bytes: of A, B and C. accumulator_bytes:
    of a partial sum. chunk: int64, K that an os array sums up before its partial results go to the buffer and come
    back. overlapped: int64, 1 where products are added on their way out (dgrad of a convolution), else 0.

    The stationary operand is read once per fold of its own; each moving one once for every fold across its other side.
    Partial sums of ws and is are written once per row fold, and read again by all but the first. Returns int64.
    """
    result = m * n * (element_bytes + overlapped * (2 * accumulator_bytes - element_bytes))
    if dataflow == Dataflow.OS:
        operands = k * (m * ceil_div(n, cols) + n * ceil_div(m, rows))
        partial = ceil_div(k, chunk) - 1
    elif dataflow == Dataflow.WS:
        operands = k * (m * ceil_div(n, cols) + n)
        partial = ceil_div(k, rows) - 1
    elif dataflow == Dataflow.IS:
        operands = k * (m + n * ceil_div(m, cols))
        partial = ceil_div(k, rows) - 1
    else:
        operands, partial = k * (m + n), 0
    return operands * element_bytes + 2 * m * n * accumulator_bytes * partial + result
