"""Scaled-dot-product attention calls: marked while they run, and fused where the trace is to be canonical."""

from contextlib import contextmanager
from functools import wraps

from torch.nn import functional


@contextmanager
def attention_calls(attribution, fused):
    """While this context is open, `attribution.attention` counts the attention calls that run.

    fused: leave dropout of the scores out, for which the CPU has no fused form.
    """
    original = functional.scaled_dot_product_attention

    @wraps(original)
    def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
        attribution.attention += 1
        try:
            dropout_p = 0.0 if fused else dropout_p
            return original(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
        finally:
            attribution.attention -= 1

    functional.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = original
