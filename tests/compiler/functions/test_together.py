"""Functions together: one step of attention with rotated positions and what earlier steps left, over symbolic sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from function_harness import run

STEP = """
model Step(heads = 2, width = 8):
    input x: float32[B, T, 16]
    input past: float32[B, 2, P, 8]
    require P >= 0
    q = transpose(reshape(x, (B, T, heads, -1)), (0, 2, 1, 3))
    k = concat([past, q], axis=2)
    angles = cast(arange(P, P + T), float32)[:, None] / (10000 ** (cast(arange(width // 2), float32) / (width // 2)))
    even = q[..., ::2] * cos(angles) - q[..., 1::2] * sin(angles)
    odd = q[..., ::2] * sin(angles) + q[..., 1::2] * cos(angles)
    turned = reshape(stack([even, odd], axis=-1), (B, heads, T, width))
    scores = einsum("bhqd,bhkd->bhqk", turned, k) / 8 ** 0.5
    allowed = arange(P + T) <= arange(P, P + T)[:, None]
    y = reshape(transpose(softmax(where(allowed, scores, -1e9)) @ k, (0, 2, 1, 3)), (B, T, 16))
    output y
    output last = y[:, T - 1]
    output half = reshape(y, (-1, shape(y)[-1]))[:B]
    output state past = k
"""


@pytest.mark.parametrize("earlier", [0, 3])
def test_a_step_of_attention(earlier: int, tmp_path: Path) -> None:
    random = np.random.default_rng(earlier)
    steps = 5
    x = random.normal(size=(2, steps, 16)).astype(np.float32)
    past = random.normal(size=(2, 2, earlier, 8)).astype(np.float32)
    y, last, half, following = run(STEP, {"x": x, "past": past}, tmp_path, sizes={"B": 2, "T": steps, "P": earlier})

    q = x.reshape(2, steps, 2, 8).transpose(0, 2, 1, 3)
    k = np.concatenate([past, q], axis=2)
    angles = np.arange(earlier, earlier + steps)[:, None] / 10000 ** (np.arange(4) / 4)
    even = q[..., ::2] * np.cos(angles) - q[..., 1::2] * np.sin(angles)
    odd = q[..., ::2] * np.sin(angles) + q[..., 1::2] * np.cos(angles)
    turned = np.stack([even, odd], axis=-1).reshape(2, 2, steps, 8)
    scores = np.einsum("bhqd,bhkd->bhqk", turned, k) / 8**0.5
    allowed = np.arange(earlier + steps) <= np.arange(earlier, earlier + steps)[:, None]
    weights = np.where(allowed, np.exp(scores), 0)
    weights /= weights.sum(axis=-1, keepdims=True)
    wanted = (weights @ k).transpose(0, 2, 1, 3).reshape(2, steps, 16)

    np.testing.assert_allclose(y, wanted, atol=1e-5)
    np.testing.assert_array_equal(last, y[:, -1])
    np.testing.assert_array_equal(half, y.reshape(-1, 16)[:2])
    np.testing.assert_array_equal(following, k)
