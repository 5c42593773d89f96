"""Every op that torch has for a GPU alone has a formula, or stands here with the reason that it needs none.

What has no formula is listed as uncounted where it is met; this list is what that can happen to on a GPU.
"""

from fnmatch import fnmatchcase

import pytest
import torch

from harness.capture.formulas.parts import info_of
from harness.capture.formulas.table import formula_of

ELSEWHERE = ("CPU", "CompositeImplicitAutograd", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")

BELOW = "a kernel below an op that is seen and counted: "
WITHOUT = {  # name of an op, or a pattern: why it needs no formula
    "_native::*": BELOW + "torch's own versions of mm, bmm and linalg",
    "aten::_conv_depthwise2d*": BELOW + "convolution",
    "aten::conv_depthwise3d": BELOW + "convolution",
    "aten::cudnn_convolution": BELOW + "convolution",
    "aten::cudnn_convolution.out": BELOW + "convolution",
    "aten::cudnn_convolution_transpose": BELOW + "convolution",
    "aten::miopen_convolution": BELOW + "convolution",
    "aten::miopen_convolution_transpose": BELOW + "convolution",
    "aten::miopen_depthwise_convolution": BELOW + "convolution",
    "aten::_cudnn_attention_*": BELOW + "_scaled_dot_product_cudnn_attention",
    "aten::*_convolution_relu": "has no gradient: frozen models of torch.jit call it",
    "aten::*_convolution_add_relu": "has no gradient: frozen models of torch.jit call it",
    "aten::_flash_attention_forward_no_dropout_inplace": "has no gradient: it is for generating text",
    "aten::_convert_weight_to_int4pack": "has no gradient: it packs weights for inference",
    "aten::_weight_int4pack_mm": "has no gradient: its weights are four bits",
    "aten::_mixed_dtypes_linear": "has no gradient: its weights are quantised",
    "aten::_triton_*": "has no gradient, and nothing of torch calls it",
    "aten::_cslt_*": "leaves zeros out of a product: no count of a dense one is right",
    "aten::_sparse_semi_structured_*": "leaves zeros out of a product: no count of a dense one is right",
    "aten::_to_sparse_semi_structured": "leaves zeros out of a product: no count of a dense one is right",
    "aten::_scaled_grouped_mm*": "its groups' sizes are on the device alone",
    "aten::batch_norm_*": "a part of SyncBatchNorm, which is batch_norm on one device",
    "aten::_use_*_ctc_loss*": "asks which kernel suits: no arithmetic on the step's data",
    "aten::_cudnn_ctc_loss*": "passes over the scores that only cuDNN takes, of targets on the host",
    "aten::miopen_ctc_loss*": "passes over the scores that only MIOpen takes, of targets on the host",
    "aten::miopen_rnn*": "AMD's recurrent networks, which nobody here could check",
    "aten::_cudnn_init_dropout_state": "keeps books: no arithmetic on the step's data",
    "aten::_cudnn_rnn_flatten_weight": "keeps books: it lays weights out once, before training",
    "aten::_fill_mem_eff_dropout_mask_": "is for torch's own tests of attention",
    "aten::record_stream": "keeps books: no arithmetic on the step's data",
    "inductor_prims::*": "keeps books of random numbers in compiled code, which is traced eager",
    "symm_mem::*": "moves data between devices, of which a step here has one",
}


def cuda_only():
    """Names of all ops that have a kernel for CUDA and none for the CPU or for all devices."""
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    names = sorted(torch._C._dispatch_get_all_op_names())
    return [name for name in names if has(name, "CUDA") and not any(has(name, key) for key in ELSEWHERE)]


def operator(name):
    """The overload of torch.ops that is called so."""
    namespace, _, rest = name.partition("::")
    packet, _, overload = rest.partition(".")
    return getattr(getattr(getattr(torch.ops, namespace), packet), overload or "default")


def without_formula():
    return [name for name in cuda_only() if formula_of(info_of(operator(name))) is None]


@pytest.mark.skipif(not torch._C._dispatch_has_kernel_for_dispatch_key("aten::mm", "CUDA"), reason="torch without CUDA")
def test_every_op_of_cuda_alone_has_a_formula_or_a_reason_to_have_none():
    names = cuda_only()
    assert "aten::_scaled_dot_product_flash_attention" in names  # or the registry was not read
    without = without_formula()
    assert [name for name in without if not any(fnmatchcase(name, one) for one in WITHOUT)] == []
    assert [one for one in WITHOUT if not any(fnmatchcase(name, one) for name in without)] == []
