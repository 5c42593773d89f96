"""torch's fused self-attention and encoder layer, which run without gradients only, as the products they are made of.

The capture switches the modules that choose them to their ordinary form; these serve who calls them directly.
"""

from dataclasses import replace

from accel_model.types import Kind
from harness.capture.formulas.attention import SOFTMAX
from harness.capture.formulas.matmul import product
from harness.capture.formulas.norm import SCALE, STATISTICS
from harness.capture.formulas.parts import Call, Part, read_all

GELU, RELU = 5, 1  # elementary operations per element


def attention(call: Call) -> list[Part]:
    """(batch, length, width) tensors: the projections, scores, values and the projection of the result."""
    return _attention(call, (call["query"], call["key"], call["value"]), call["num_head"], call.outputs[0])


def encoder_layer(call: Call) -> list[Part]:
    """Attention, two norms, and the two products of the feed-forward part with its activation between them."""
    src, out = call["src"], call.written[0]
    rows, width = src.shape[0] * src.shape[1], call["embed_dim"]
    first, second = call["ffn_weight_1"], call["ffn_weight_2"]
    hidden = first.shape[0]
    norms = read_all(*(call[f"norm_{name}_{i}"] for i in (1, 2) for name in ("weight", "bias")))
    activation = (GELU if call["use_gelu"] else RELU) * rows * hidden
    return [
        *_attention(call, (src, src, src), call["num_heads"], None),
        Part(Kind.REDUCE, norms, (), vector_ops=2 * (STATISTICS + SCALE) * rows * width),
        replace(product((1, rows, hidden, width), None, first, None, (call["ffn_bias_1"],)), vector_ops=activation),
        product((1, rows, width, hidden), None, second, out, (call["ffn_bias_2"],)),
    ]


def _attention(call, operands, heads, out):
    query, key, value = operands
    (batch, length, _), keys, width = query.shape, key.shape[1], call["embed_dim"]
    weight, bias = call["qkv_weight"], (call["qkv_bias"],)
    if query is key and key is value:
        parts = [product((1, batch * length, 3 * width, width), query, weight, None, bias)]
    else:
        parts = [product((1, t.shape[0] * t.shape[1], width, width), t, weight, None, bias) for t in operands]
    mask = read_all(call["mask"])
    scores = product((batch * heads, length, keys, width // heads), None, None, None, (), Kind.ATTENTION)
    return [
        *parts,
        replace(scores, reads=mask, vector_ops=SOFTMAX * batch * heads * length * keys),
        product((batch * heads, length, width // heads, keys), None, None, None, (), Kind.ATTENTION),
        product((1, batch * length, width, width), None, call["proj_weight"], out, (call["proj_bias"],)),
    ]


FORMULAS = {"_native_multi_head_attention": attention, "_transformer_encoder_layer_fwd": encoder_layer}
