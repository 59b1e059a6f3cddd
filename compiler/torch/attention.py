"""MultiHeadAttention as nn.MultiheadAttention, where the widths are those that PyTorch's has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.torch.making import Making

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor


def multi_head_attention(m: Making, *inputs: Tensor | None) -> Any:
    """The masks are one that is added to the scores; with dropout, steps that see nothing are left to our operators."""
    from archonnx.compiler.layers.projected_attention import Inputs
    from archonnx.compiler.lowering.attention import additive, kept
    from archonnx.compiler.weights.layouts.torch_attention import form

    layer, b, given = m.layer, m.b, Inputs(*inputs)
    shapes = {name: tuple(weight.shape) for name, weight in layer.weights.items()}
    how = form(layer, shapes)
    beyond = layer.return_attention_scores or layer.use_cache or given.past_key is not None
    if how == "linear" or beyond or given.query.rank != 3:
        return None
    g = layer.geometry(given)
    masks = layer.masks(b, given, g, layer.attended(given.query.type))
    if masks.may_be_empty and layer.dropout > 0:
        return None
    query, value = m.floating(given.query), m.floating(given.value)
    key = value if given.key is None else m.floating(given.key)
    mask = kept(b, g, masks)
    if mask is not None:
        mask = additive(b, mask, query.dtype)
        if mask.rank > 2:
            mask = b.reshape(b.expand(mask, g.scores), (g.batch[0] * g.heads, *g.scores[-2:]))
    options = {"dropout": layer.dropout, "bias": layer.use_bias, "batch_first": True}
    if how == "apart":
        options |= {"kdim": shapes["key/kernel"][0], "vdim": shapes["value/kernel"][0]}
    width = shapes["query/kernel"][0]
    return m.module(
        lambda nn: nn.MultiheadAttention(width, layer.heads, **options),
        query,
        key,
        value,
        mask,
        result=query.type,
        call="attention",
    )
