"""Functions that change shapes, repeat, order, and read parts."""

from __future__ import annotations

from case_inputs import OPEN, SAME, X, each
from function_harness import Case

SHAPING = [
    *each(
        """
        reshape(x, (N, 12))
        reshape(x, (-1, 6))
        reshape(x, -1)
        reshape(x, [N, 2, 2, 3])
        reshape(x, (3, N, -1))
        """,
        X,
    ),
    *each(
        """
        reshape(x, (N * H, W))
        reshape(x, (W, H, N))
        reshape(x, (-1,))
        reshape(x, (1, N, 1, H * W))
        """,
        OPEN,
    ),
    *each(
        """
        transpose(x)
        transpose(x, (2, 0, 1))
        transpose(x, (0, -1, 1))
        swapaxes(x, 0, -1)
        moveaxis(x, 0, -1)
        """,
        OPEN,
    ),
    *each(
        """
        moveaxis(x, (0, 1), (-1, 0))
        moveaxis(x, [2, 0], [0, 1])
        expand_dims(x, 0)
        expand_dims(x, (0, -1))
        """,
        OPEN,
    ),
    *each(
        """
        squeeze(x)
        squeeze(x, 1)
        squeeze(x, (1, -1))
        """,
        {"x": "float32[N, 1, H, 1]"},
    ),
    *each(
        """
        broadcast_to(x, (2, H, W))
        broadcast_to(x, (H, W))
        broadcast_to(x, (N, 1, H, W))
        """,
        {"x": "float32[H, 1]", "y": "int8[N, W]"},
    ),
    *each(
        """
        concat([x, y], axis=1)
        concat((x, x, y), axis=-1)
        concatenate([x, y], -1)
        """,
        {"x": "float32[N, H]", "y": "float32[N, 3]"},
    ),
    *each(
        """
        stack([x, y])
        stack((x, y), axis=-1)
        stack([x, y, x], 1)
        """,
        SAME,
    ),
    Case("concat(x, y, axis=0)", SAME, reference="concatenate([x, y], axis=0)"),
    *each(
        """
        split(x, 2, axis=2)[1]
        split(x, [1, 3], axis=-1)[1]
        split(x, (1,), 2)[0]
        split(x, 3, 1)[2]
        """,
        X,
    ),
    Case("split(x, [H // 2], axis=1)[1]", {"x": "float32[N, H]"}),
    *each(
        """
        tile(x, 2)
        tile(x, (2, 1, 3))
        tile(x, (2, 1, 1, 1))
        tile(x, (N, 1, 1))
        tile(x, (1, 1))
        """,
        OPEN,
    ),
    *each(
        """
        repeat(x, 2)
        repeat(x, 3, axis=1)
        repeat(x, H, axis=0)
        repeat(x, [2], axis=-1)
        repeat(x, 1, 0)
        """,
        OPEN,
    ),
    *each(
        """
        repeat(x, [1, 0, 3], axis=1)
        """,
        X,
    ),
    *each(
        """
        flip(x)
        flip(x, 1)
        flip(x, (0, -1))
        """,
        OPEN,
    ),
    *each(
        """
        roll(x, 1, axis=0)
        roll(x, -2, 1)
        roll(x, (1, -1), axis=(1, 2))
        roll(x, 2)
        roll(x, 7, 2)
        """,
        X,
    ),
    Case("roll(x, 2, axis=1)", OPEN, before="require H >= 2"),
    Case("roll(x, -2, axis=1)", OPEN, before="require H >= 2"),
    *each(
        """
        pad(x, 1)
        pad(x, (1, 2))
        pad(x, ((0, 0), (1, 2), (0, 3)))
        pad(x, ((0, 0), (H, 0), (0, 0)))
        """,
        OPEN,
    ),
    *each(
        """
        pad(x, 1, constant_values=2)
        pad(x, ((0, 0), (1, 0), (0, 1)), 'edge')
        """,
        OPEN,
    ),
    *each(
        """
        pad(x, ((0, 0), (2, 1), (0, 3)), 'reflect')
        pad(x, ((1, 0), (3, 2), (0, 4)), mode='symmetric')
        """,
        X,
    ),
    *each(
        """
        pad(x, ((1, 0), (3, 2), (0, 4)), mode='wrap')
        """,
        X,
    ),
    Case("pad(x, ((0, 0), (2, 1), (0, 0)), 'reflect')", OPEN, before="require H >= 3"),
    Case("pad(x, ((0, 0), (2, 1), (0, 0)), 'symmetric')", OPEN, before="require H >= 3"),
    Case("pad(x, 1)", {"x": "bool[N, 4]"}),
    Case("pad(x, 1, constant_values=3)", {"x": "int64[N, 4]"}),
    *each(
        """
        sort(x)
        sort(x, axis=1)
        argsort(x)
        argsort(x, 0)
        """,
        OPEN,
    ),
    *each(
        """
        top_k(x, 2)[0]
        top_k(x, 2)[1]
        top_k(x, k=W)[0]
        """,
        {"x": "float32[N, W + 2]"},
    ),
    *each(
        """
        triu(x)
        tril(x)
        triu(x, 1)
        tril(x, k=-1)
        """,
        OPEN,
    ),
    *each(
        """
        triu(x)
        tril(x, 1)
        """,
        {"x": "int32[N, 3, 4]"},
    ),
    Case("tril(x)", {"x": "bool[4, H]"}),
    Case("sort(x)", {"x": "int16[N, 4]"}),
]


INDEXING = [
    *each(
        """
        x[0]
        x[:, 1]
        x[-1]
        x[..., 0]
        x[:, None]
        x[None, ..., 1]
        x[:, 1:]
        x[:, :-1]
        x[..., ::2]
        x[:, ::-1]
        """,
        X,
    ),
    *each(
        """
        x[0, 2, 3]
        x[0, :, -1]
        x[:, -2:, 1:3]
        x[:, 5:]
        x[:, 2:1]
        x[..., 3:0:-1]
        x[..., -1:-3:-1]
        x[:, ::-2]
        """,
        X,
    ),
    *each(
        """
        x[:, :H // 2]
        x[:, H // 2:]
        x[:, H - 1]
        x[:, -1]
        x[:, -H:]
        x[:, :-1]
        x[:, 1:]
        x[:, ::-1]
        x[:, ::2]
        """,
        OPEN,
    ),
    *each(
        """
        x[:, 2:]
        x[:, :2]
        x[:, 1:-1]
        x[:, -2:]
        x[:, -1::-1]
        x[:, -2::-1]
        x[:, :0:-1]
        x[:, :-3:-1]
        """,
        OPEN,
    ),
    *each(
        """
        x[:, 3::-2]
        x[:, 9:]
        x[:, -9:]
        x[..., W - 1, None]
        x[N - 1]
        x[:, 1:H]
        x[:, :H + 2]
        x[:, 1:4:2]
        """,
        OPEN,
    ),
    *each(
        """
        x[:, [0, 2]]
        x[[1, 0]]
        """,
        X,
    ),
    *each(
        """
        take(x, y)
        take(x, y, axis=1)
        take(x, y, -1)
        take(x, [0, 2], axis=1)
        take(x, 1, axis=1)
        take(x, 7)
        x[:, y]
        """,
        {"x": "float32[N, 3, 4]", "y": "int64[T, 2]"},
        low=0,
        high=2,
    ),
    Case("take(x, y, axis=1)", {"x": "float32[N, 3]", "y": "uint8[T]"}, low=0, high=2),
    Case("take(x, y, axis=0)", {"x": "float32[4, N]", "y": "int32[T]"}, low=-3, high=3),
    *each(
        """
        take_along_axis(x, y, axis=1)
        take_along_axis(x, y[:1], axis=1)
        """,
        {"x": "float32[N, H]", "y": "int64[N, T]"},
        low=0,
        high=4,
    ),
    Case("take_along_axis(x, y, axis=0)", {"x": "float32[H, 1]", "y": "int32[T, 3]"}, low=-4, high=3),
    Case(
        "take_along_axis(x, y)",
        {"x": "float32[2, H]", "y": "int64[T]"},
        low=0,
        high=8,
        reference="take_along_axis(x, y, None)",
    ),
]
