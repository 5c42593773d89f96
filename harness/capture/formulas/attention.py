"""Fused attention as the products it is made of; the scores between them never lie in memory.

Forward: scores S = Q Kᵀ and output S V. Backward: the scores again (a repeat of forward work), then four products.
A causal mask is counted in full, as unfused attention executes it: which blocks a kernel skips is the kernel's affair.
Unfused attention arrives as matrix products, which the recorder marks as attention.
"""

from dataclasses import replace

from accel_model.types import Kind
from harness.capture.formulas.matmul import product
from harness.capture.formulas.parts import Call, Part, Touch

SOFTMAX, AGAIN, SOFTMAX_GRADIENT = 5, 2, 4  # elementary operations per score


class _Sizes:
    """Sizes of one attention: groups = batch x query heads, query and key lengths, widths of keys and of values."""

    def __init__(self, query, key, value, heads_last):
        length, heads = (1, 2) if heads_last else (2, 1)
        self.groups = query.shape[0] * query.shape[heads]
        self.queries, self.keys = query.shape[length], key.shape[length]
        self.width, self.value_width = query.shape[-1], value.shape[-1]
        self.scores = self.groups * self.queries * self.keys


def forward(call: Call, heads_last: bool = False) -> list[Part]:
    query, key, value = call["query"], call["key"], call["value"]
    s = _Sizes(query, key, value, heads_last)
    out, *statistics = call.outputs
    mask = _mask(call)
    scores = product((s.groups, s.queries, s.keys, s.width), query, key, None, mask, Kind.ATTENTION)
    scores = replace(scores, vector_ops=SOFTMAX * s.scores)
    values = product((s.groups, s.queries, s.value_width, s.keys), None, value, out, (), Kind.ATTENTION)
    logsumexp = next((t for t in statistics if t is not None and t.is_floating_point()), None)
    return [scores, _writing(values, logsumexp)]


def backward(call: Call, heads_last: bool = False) -> list[Part]:
    query, key, value, out = call["query"], call["key"], call["value"], call["out"]
    names = call.info.arguments
    grad = call["grad_out"] if "grad_out" in names else call["grad_out_"]
    s = _Sizes(query, key, value, heads_last)
    d_query, d_key, d_value, *rest = call.outputs
    saved = (call["logsumexp"], *_mask(call))
    d_mask = rest[0] if rest and rest[0] is not None and rest[0].numel() else None
    groups, width, value_width, kind = s.groups, s.width, s.value_width, Kind.ATTENTION
    scores = product((groups, s.queries, s.keys, width), query, key, None, saved, kind)
    d_scores = product((groups, s.queries, s.keys, value_width), grad, value, None, (out,), kind, gradient_of=query)
    return [
        replace(scores, vector_ops=AGAIN * s.scores, repeats=True),
        product((groups, value_width, s.keys, s.queries), grad, None, d_value, (), kind, gradient_of=value),
        _writing(replace(d_scores, vector_ops=SOFTMAX_GRADIENT * s.scores), d_mask),
        product((groups, s.queries, width, s.keys), None, key, d_query, (), kind, gradient_of=query),
        product((groups, s.keys, width, s.queries), None, query, d_key, (), kind, gradient_of=key),
    ]


def forward_heads_last(call: Call) -> list[Part]:
    """Inner forms with (batch, length, heads, width)."""
    return forward(call, heads_last=True)


def backward_heads_last(call: Call) -> list[Part]:
    return backward(call, heads_last=True)


def _mask(call):
    names = [name for name in ("attn_mask", "attn_bias", "bias") if name in call.info.arguments]
    found = [call[name] for name in names]
    return tuple(t for t in found if t is not None and t.numel())


def _writing(part, tensor):
    """The part with one more tensor written, if there is one."""
    return part if tensor is None else replace(part, writes=(*part.writes, Touch(tensor)))


FORMULAS = {
    "_scaled_dot_product_flash_attention": forward,
    "_scaled_dot_product_flash_attention_for_cpu": forward,
    "_scaled_dot_product_efficient_attention": forward,
    "_scaled_dot_product_cudnn_attention": forward,
    "_scaled_dot_product_fused_attention_overrideable": forward,
    "_scaled_dot_product_flash_attention_backward": backward,
    "_scaled_dot_product_flash_attention_for_cpu_backward": backward,
    "_scaled_dot_product_efficient_attention_backward": backward,
    "_scaled_dot_product_cudnn_attention_backward": backward,
    "_scaled_dot_product_fused_attention_overrideable_backward": backward,
    "_flash_attention_forward": forward_heads_last,
    "_efficient_attention_forward": forward_heads_last,
    "_flash_attention_backward": backward_heads_last,
    "_efficient_attention_backward": backward_heads_last,
}
