"""The vocabularies of a trace: phases, kinds of op, roles of tensors, operands and number formats."""

from enum import IntEnum

import numpy as np


class Phase(IntEnum):
    """What part of the training step an op belongs to."""

    FORWARD = 0
    RECOMPUTE = 1  # forward work repeated by activation checkpointing
    DGRAD = 2  # gradient of an activation
    WGRAD = 3  # gradient of a parameter
    UPDATE = 4  # the optimiser's work
    OTHER = 5


class Kind(IntEnum):
    """What an op is; the first three do MACs, the others are vector work."""

    GEMM = 0
    CONV = 1
    ATTENTION = 2
    ELEMENTWISE = 3
    REDUCE = 4
    POOL = 5
    GATHER = 6
    COPY = 7
    OPTIMIZER = 8


class Role(IntEnum):
    """What a tensor is to the training step."""

    INPUT = 0
    PARAMETER = 1
    GRADIENT = 2  # of a parameter
    ACTIVATION = 3
    OPTIMIZER_STATE = 4
    BUFFER = 5
    TEMPORARY = 6


PERSISTENT_ROLES = (Role.PARAMETER, Role.OPTIMIZER_STATE, Role.BUFFER)
"""Roles whose tensors carry over from one step to the next."""


class Operand(IntEnum):
    """Which operand of C[M,N] = A[M,K] B[K,N] a use is; OTHER for anything else (bias, saved statistics)."""

    OTHER = 0
    A = 1
    B = 2
    C = 3


class DType(IntEnum):
    """Number formats; tf32 is stored in 4 bytes and multiplied in 19 bits."""

    FP32 = 0
    TF32 = 1
    BF16 = 2
    FP16 = 3
    FP8 = 4
    INT8 = 5
    FP64 = 6
    INT16 = 7
    INT32 = 8
    INT64 = 9
    UINT8 = 10
    BOOL = 11
    COMPLEX64 = 12
    COMPLEX128 = 13
    COMPLEX32 = 14


DTYPE_BYTES = np.array([4, 4, 2, 2, 1, 1, 8, 2, 4, 8, 1, 1, 8, 16, 4], dtype=np.int64)
"""Bytes per element, indexed by DType."""

PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8")
"""Operand formats that a trace can be replayed at."""


def dtype_of(name: str) -> DType:
    """The DType called `name` in lower case, e.g. "bf16"; raises KeyError for a name that is none."""
    return DType[name.upper()]


PRECISION_OF = np.array(
    [PRECISIONS.index(d.name.lower()) if d.name.lower() in PRECISIONS else PRECISIONS.index("fp32") for d in DType],
    dtype=np.int64,
)
"""int64, indexed by DType: which of PRECISIONS gives its operands a MAC rate and energy; fp32 for a format without."""

WITHOUT_RATE = (DType.FP64, DType.COMPLEX32, DType.COMPLEX64, DType.COMPLEX128)
"""Formats whose MACs are nothing like those of any of PRECISIONS, so that no design has a rate for them."""
