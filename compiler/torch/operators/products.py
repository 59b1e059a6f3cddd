"""Products of matrices, and attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from archonnx.compiler.torch.operators.tensors import together


def _matmul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.matmul(*together(a, b))


def _gemm(
    a: torch.Tensor,
    b: torch.Tensor,
    c: torch.Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803 (ONNX's name)
    transB: int = 0,  # noqa: N803 (ONNX's name)
) -> torch.Tensor:
    a, b, c = together(a, b, c)
    a = a.T if transA else a
    b = b.T if transB else b
    if c is None:
        return torch.matmul(a, b) if alpha == 1 else alpha * torch.matmul(a, b)
    return torch.addmm(c, a, b, beta=beta, alpha=alpha)


def _einsum(*operands: torch.Tensor, equation: str) -> torch.Tensor:
    return torch.einsum(equation, *together(*operands))


def _heads(x: torch.Tensor, count: int) -> torch.Tensor:
    """[batch, steps, heads * width] as [batch, heads, steps, width]; four axes stay as they are."""
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], count, -1).transpose(1, 2)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
    past_key: torch.Tensor | None = None,
    past_value: torch.Tensor | None = None,
    *,
    q_num_heads: int = 0,
    kv_num_heads: int = 0,
    is_causal: int = 0,
    scale: float | None = None,
    softcap: float = 0.0,
    left_window_size: int = -1,
    right_window_size: int = -1,
    results: int = 1,
) -> tuple[torch.Tensor, ...]:
    """A step that may look at nothing gets zeros."""
    flat = query.ndim == 3
    q, k, v = _heads(query, q_num_heads), _heads(key, kv_num_heads), _heads(value, kv_num_heads)
    past = 0
    if past_key is not None and past_value is not None:
        past = past_key.shape[2]
        k, v = torch.cat([past_key, k], 2), torch.cat([past_value, v], 2)
    kept = k, v
    repeats = q.shape[1] // k.shape[1]
    if repeats > 1:
        k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
    scores = torch.matmul(q, k.transpose(-1, -2)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if softcap > 0:
        scores = softcap * torch.tanh(scores / softcap)
    allowed = _allowed(scores, past, bool(is_causal), left_window_size, right_window_size)
    if mask is not None:
        (mask,) = together(mask, scores)[:1]
        if mask.dtype == torch.bool:
            allowed = mask if allowed is None else allowed & mask
        else:
            scores = scores + mask
    if allowed is not None:
        scores = scores.masked_fill(~allowed, float("-inf"))
    weights = torch.softmax(scores, -1)
    if allowed is not None:
        weights = torch.where(allowed.any(-1, keepdim=True), weights, torch.zeros_like(weights))
    mixed = torch.matmul(weights, v)
    if flat:
        mixed = mixed.transpose(1, 2).reshape(*query.shape[:2], -1)
    return (mixed, *kept)[:results]


def _allowed(scores: torch.Tensor, past: int, causal: bool, left: int, right: int) -> torch.Tensor | None:
    """Where a step may look by its place, as the attributes say."""
    if not causal and left < 0 and right < 0:
        return None
    rows = torch.arange(scores.shape[-2], device=scores.device)[:, None] + past
    columns = torch.arange(scores.shape[-1], device=scores.device)[None]
    allowed = rows >= columns if causal else torch.ones_like(rows >= columns)
    if left >= 0:
        allowed = allowed & (columns >= rows - left)
    return allowed & (columns <= rows + right) if right >= 0 else allowed


def _rotate(
    x: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    positions: torch.Tensor | None = None,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> torch.Tensor:
    x, cos, sin, positions = together(x, cos, sin, positions)
    flat = x.ndim == 3
    # [batch, steps, heads, width]
    heads = x.reshape(*x.shape[:2], num_heads, -1) if flat else x.transpose(1, 2)
    width = rotary_embedding_dim or heads.shape[-1]
    turned, rest = heads[..., :width], heads[..., width:]
    if positions is not None:
        cos, sin = cos[positions.to(torch.int64)], sin[positions.to(torch.int64)]
    cos, sin = (table[..., : width // 2].unsqueeze(2) for table in (cos, sin))
    if interleaved:
        a, b = turned[..., 0::2], turned[..., 1::2]
        made = torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)
    else:
        a, b = turned.chunk(2, -1)
        made = torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
    made = torch.cat([made, rest], -1)
    return made.reshape(x.shape) if flat else made.transpose(1, 2)


OPERATORS: dict[str, Callable[..., Any]] = {
    "Attention": _attention,
    "Det": torch.linalg.det,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "RotaryEmbedding": _rotate,
}
