"""Expressions that numpy reads as the language does, a table for each family of functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from function_harness import Array, Case

X = {"x": "float32[N, 3, 4]"}
INTS = {"x": "int32[N, 3, 4]"}
OPEN = {"x": "float32[N, H, W]"}
PAIR = {"x": "float32[N, 3, 4]", "y": "float32[3, 1]"}
SAME = {"x": "float32[N, H]", "y": "float32[N, H]"}
TRUTHS = {"x": "bool[N, 3, 4]", "y": "bool[4]"}
COUNTED = {"x": "int64[N, 4]", "y": "int64[4]"}


def each(lines: str, types: dict[str, str], **options: Any) -> list[Case]:
    """A case for each line."""
    return [Case(line.strip(), types, **options) for line in lines.strip().splitlines()]


def _softmax(x: Array, axis: int = -1) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def _one_hot(x: Array, num_classes: int, axis: int = -1, dtype: str = "float32") -> Array:
    rank = x.ndim + 1
    places = np.arange(num_classes).reshape([-1 if a == axis % rank else 1 for a in range(rank)])
    return np.asarray((np.expand_dims(x, axis) == places).astype(dtype))


def _elementwise(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return lambda x: np.vectorize(function)(x).astype(x.dtype)


# What numpy has no function for, or calls otherwise.
REFERENCES: dict[str, Any] = {
    "erf": _elementwise(math.erf),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "relu": lambda x: np.maximum(x, 0),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "softmax": _softmax,
    "log_softmax": lambda x, axis=-1: np.log(_softmax(x, axis)),
    "logsumexp": lambda x, axis=None, keepdims=False: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
    "cast": lambda x, dtype: x.astype(dtype),
    "shape": np.shape,
    "one_hot": _one_hot,
    "top_k": lambda x, k: (-np.sort(-x, axis=-1)[..., :k], np.argsort(-x, axis=-1, kind="stable")[..., :k]),
    "ceil": np.ceil,
}

ARITHMETIC = [
    *each(
        """
        x + y
        x - y
        x * y
        x / y
        maximum(x, y)
        minimum(x, y)
        add(x, y)
        x - 1
        2 * x
        1 / x
        -x
        """,
        PAIR,
    ),
    *each(
        """
        positive(x)
        negative(x)
        subtract(x, y)
        multiply(x, y)
        divide(x, y)
        +x
        """,
        PAIR,
    ),
    *each(
        """
        x // y
        x % y
        x // 2
        x % 3
        x // 0.1
        x % 0.7
        x // -1.5
        7 % x
        floor_divide(x, y)
        remainder(x, y)
        """,
        SAME,
    ),
    Case("x // y", SAME, values={"x": [[1.0, 0.0, -1.0, 5.0, 6.0]] * 2, "y": [[0.0, 0.0, 0.0, math.inf, 0.1]] * 2}),
    *each(
        """
        x // y
        x % y
        x // 3
        x % -3
        -7 // y
        x // -1
        """,
        {"x": "int64[N, 4]", "y": "int64[4]"},
        low=1,
        high=9,
    ),
    *each(
        """
        x // y
        x % y
        """,
        {"x": "int32[N, 4]", "y": "int32[4]"},
        values={"x": [[-7, 7, -7, 6]] * 2, "y": [2, -2, -2, 3]},
    ),
    Case("x // y", {"x": "int32[3]", "y": "int32[3]"}, values={"x": [-(2**31), 2**31 - 1, -(2**31)], "y": [3, -3, 7]}),
    *each(
        """
        x // 3
        x % 3
        x + x
        x * 2
        maximum(x, 3)
        x ** 2
        """,
        {"x": "uint8[N, 4]"},
        high=60,
    ),
    *each(
        """
        x ** 2
        x ** 3
        x ** -1
        x ** 1
        x ** 2.5
        x ** 0.5
        2 ** x
        power(x, y)
        """,
        SAME,
        low=0.1,
    ),
    *each(
        """
        x ** 2
        x ** 3
        x ** 7
        x ** y
        x ** 0
        """,
        {"x": "int64[N, 4]", "y": "int64[4]"},
        low=0,
        high=5,
    ),
    Case("x ** 5", {"x": "int64[2]"}, values={"x": [6001, -6007]}),  # past 2^53, where a double has no units
    Case("x ** y", {"x": "int8[N, 4]", "y": "int8[4]"}, low=0, high=3),
    *each(
        """
        x * N
        x + H
        x / (H - 1)
        """,
        {"x": "float32[N, H]"},
    ),
    *each(
        """
        x + [1, 2, 3, 4]
        x * [[1.5], [2], [3]]
        [1, 2, 3, 4] - x
        """,
        X,
    ),
]

COMPARISONS = [
    *each(
        """
        x > y
        x < y
        x >= y
        x <= y
        x == y
        x != y
        x > 0
        0 >= x
        """,
        COUNTED,
        low=-2,
        high=2,
    ),
    *each(
        """
        greater(x, y)
        less(x, y)
        greater_equal(x, y)
        less_equal(x, y)
        equal(x, y)
        not_equal(x, y)
        """,
        PAIR,
    ),
    *each(
        """
        x & y
        x | y
        x ^ y
        ~x
        x == y
        x != y
        logical_and(x, y)
        logical_or(x, y)
        logical_xor(x, y)
        """,
        TRUTHS,
    ),
    *each(
        """
        logical_not(x)
        """,
        TRUTHS,
    ),
    *each(
        """
        x & y
        x | y
        x ^ y
        ~x
        x & 3
        bitwise_and(x, y)
        bitwise_or(x, y)
        """,
        COUNTED,
        low=-99,
        high=99,
        oldest=18,
    ),
    *each(
        """
        bitwise_xor(x, y)
        bitwise_not(x)
        """,
        COUNTED,
        low=-99,
        high=99,
        oldest=18,
    ),
    *[
        case
        for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
        for case in each(
            "x << 2\nx >> 2\nleft_shift(x, y)\nright_shift(x, y)",
            {"x": f"{dtype}[N, 4]", "y": f"{dtype}[4]"},
            low=-100,
            high=100,
            values={"y": [0, 1, 3, 5]},
        )
    ],
    Case("x >> 3", {"x": "int32[3]"}, values={"x": [-(2**31), 2**31 - 1, -1]}),
    *each(
        """
        where(x > 0, x, y)
        where(x > y, x, 0)
        where(x > 0, 1.5, y)
        where([True, False, True, False], x, y)
        """,
        PAIR,
    ),
    *each(
        """
        clip(x, -1, 1)
        clip(x, y, 2)
        clip(x, None, 1)
        clip(x, 0, None)
        """,
        PAIR,
    ),
    Case("clip(x, x_min=0, x_max=[1, 2, 1, 2])", PAIR, reference="clip(x, 0, [1, 2, 1, 2])"),
    *each(
        """
        where(x, x, y)
        where(x, y, x)
        where(y, True, x)
        """,
        TRUTHS,
    ),
    *[Case("where(x > 1, x, y)", {"x": f"{t}[N, 4]", "y": f"{t}[4]"}) for t in ("uint16", "int16", "uint64", "uint8")],
    Case("clip(x, 2, 3)", {"x": "uint8[N, 4]"}, high=9),
]

UNARY = [
    *each(
        """
        abs(x)
        sign(x)
        square(x)
        exp(x)
        erf(x)
        sin(x)
        cos(x)
        tan(x)
        tanh(x)
        sigmoid(x)
        softplus(x)
        relu(x)
        """,
        X,
    ),
    *each(
        """
        floor(x)
        ceil(x)
        round(x)
        reciprocal(x)
        arctan(x)
        sinh(x)
        cosh(x)
        """,
        X,
    ),
    *each(
        """
        sqrt(x)
        log(x)
        log2(x)
        log10(x)
        rsqrt(x)
        """,
        X,
        low=0.1,
    ),
    *each(
        """
        arcsin(x)
        arccos(x)
        """,
        X,
        low=-1,
        high=1,
    ),
    Case("round(x)", {"x": "float32[6]"}, values={"x": [-1.5, -0.5, 0.5, 1.5, 2.5, 2.6]}),
    *each(
        """
        isnan(x)
        isinf(x)
        """,
        {"x": "float32[4]"},
        values={"x": [1.0, math.nan, math.inf, -math.inf]},
    ),
    *each(
        """
        abs(x)
        sign(x)
        square(x)
        -x
        """,
        INTS,
    ),
    *each(
        """
        sqrt(x)
        exp(x)
        """,
        {"x": "float64[N]"},
        low=1,
    ),
    *each(
        """
        cast(x, int32)
        cast(x, bool)
        cast(x, float16)
        cast(x, 'float64')
        cast(x > 0, float32)
        """,
        X,
    ),
]

REDUCTIONS = [
    *each(
        """
        mean(x)
        mean(x, axis=-1)
        mean(x, (0, 2), keepdims=True)
        mean(x, axis=(1, 2), keepdims=True)
        mean(x, 1)
        """,
        OPEN,
    ),
    *each(
        """
        sum(x)
        sum(x, -1)
        max(x, axis=1)
        min(x, axis=(0, 1))
        prod(x, axis=0)
        var(x, -1)
        std(x)
        max(x)
        """,
        OPEN,
    ),
    *each(
        """
        logsumexp(x)
        logsumexp(x, axis=1, keepdims=True)
        std(x, 1, keepdims=True)
        sum(x, axis=())
        """,
        OPEN,
    ),
    *each(
        """
        sum(x, 0)
        prod(x, 1)
        max(x, axis=2)
        min(x, axis=2)
        cumsum(x, 2)
        argmax(x, 1)
        """,
        INTS,
    ),
    *[
        case
        for dtype in ("int8", "int16", "uint8", "uint16", "uint32")
        for case in each("sum(x, 0)\nprod(x, 1)\nmax(x, axis=1)\ncumsum(x, 0)\nargmin(x, 1)", {"x": f"{dtype}[N, 4]"})
    ],
    *each(
        """
        any(x, axis=-1)
        all(x, axis=(0, 1))
        any(x)
        all(x, axis=1, keepdims=True)
        """,
        TRUTHS,
    ),
    *each(
        """
        argmax(x)
        argmax(x, -1)
        argmin(x, axis=0)
        argmin(x, 1, keepdims=True)
        argmax(x, keepdims=True)
        """,
        OPEN,
    ),
    Case("argmax(x, 0)", {"x": "int64[4]"}, values={"x": [1, 5, 5, 2]}),
    *each(
        """
        softmax(x)
        softmax(x, axis=1)
        log_softmax(x)
        log_softmax(x, 0)
        cumsum(x, 1)
        cumsum(x)
        cumsum(x, -1)
        """,
        OPEN,
    ),
]

PRODUCTS = [
    *each(
        """
        x @ y
        matmul(x, y)
        """,
        {"x": "float32[N, H, 4]", "y": "float32[4, W]"},
    ),
    Case("x @ y", {"x": "float32[4]", "y": "float32[4]"}),
    Case("x @ y", {"x": "float32[4]", "y": "float32[N, 4, 3]"}),
    Case("x @ y", {"x": "float32[N, 3, 4]", "y": "float32[4]"}),
    Case("x @ y", {"x": "float32[2, 1, H, 4]", "y": "float32[5, 4, W]"}),
    Case("x @ y", {"x": "int32[N, 4]", "y": "int32[4, 3]"}),
    Case("x @ y", {"x": "int8[N, 4]", "y": "int8[4, 3]"}),
    *each(
        """
        einsum("bij,bjk->bik", x, y)
        einsum("bij,bjk", x, y)
        """,
        {"x": "float32[N, H, 4]", "y": "float32[N, 4, W]"},
    ),
    *each(
        """
        einsum("ij->ji", x)
        einsum("ij->", x)
        einsum("ij->i", x)
        einsum("ij,ij -> j", x, x)
        """,
        {"x": "float32[N, H]"},
    ),
    *each(
        """
        einsum("...i,ij->...j", x, y)
        einsum("a...,bd->...ad", x, y)
        """,
        {"x": "float32[N, H, 4]", "y": "float32[4, W]"},
    ),
    Case('einsum("ii->i", x)', {"x": "float32[4, 4]"}),
    Case('einsum("...,...", x, y)', {"x": "float32[N, 1]", "y": "float32[W]"}),
    Case('einsum("bqhd,bkhd->bhqk", x, y)', {"x": "float32[N, T, 2, 8]", "y": "float32[N, K, 2, 8]"}),
    Case('einsum("ij,jk,kl->il", x, y, y)', {"x": "float32[N, 3]", "y": "float32[3, 3]"}),
]

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

FILLING = [
    *each(
        """
        x[0, 0] + arange(5)
        x[0, 0] + arange(2, 9, 3)
        x[0, 0] + arange(9, 2, -3)
        x[0, 0] + arange(3, dtype=int64)
        """,
        {"x": "int64[N, H]"},
    ),
    *each(
        """
        x[0, 0] + arange(H)
        x[0, 0] + arange(1, H + 1)
        x[0, 0] + arange(0, 2 * H, 2)
        x[0, 0] + arange(H, 0, -1)
        """,
        {"x": "int64[N, H]"},
    ),
    *each(
        """
        x[0, 0] + arange(0, H + N, 3)
        x[0, 0] + arange(H - 1, -1, -1)
        x[0, 0] + arange(2000)
        """,
        {"x": "int64[N, H]"},
    ),
    *each(
        """
        x[0, 0] + arange(0, 1, 0.3)
        x[0, 0] + arange(H, dtype=float32)
        x[0, 0] + arange(0.5, 3)
        x[0, 0] + arange(3.0)
        """,
        {"x": "float32[N, H]"},
    ),
    *each(
        """
        x[0, 0] + arange(0, 2000, 0.5)
        """,
        {"x": "float32[N, H]"},
    ),
    *each(
        """
        x[0, 0] + zeros((2, 3))
        x + ones((1, H))
        x + zeros((N, H), dtype=float32)
        x * full((N, 1), 2.5)
        """,
        {"x": "float32[N, H]"},
    ),
    *each(
        """
        x + full((N, 1), 3, dtype=float32)
        x + ones(H)
        """,
        {"x": "float32[N, H]"},
    ),
    *each(
        """
        zeros_like(x)
        ones_like(x)
        full_like(x, 2.5)
        ones_like(x, dtype=int64)
        full_like(x, 1, int32)
        """,
        {"x": "float32[N, H]"},
    ),
    *each(
        """
        full_like(x, True)
        """,
        {"x": "bool[N, H]"},
    ),
    *each(
        """
        x[0, 0] + eye(3)
        x[0, 0] + eye(2, 4, k=1)
        x[0, 0] + eye(H)
        x[0, 0] + eye(H, N, -1)
        x[0, 0] * eye(40)
        """,
        {"x": "float32[N, H]"},
    ),
    *each(
        """
        one_hot(x, 4)
        one_hot(x, 3, axis=1)
        one_hot(x, 3, axis=0, dtype=int32)
        one_hot(x, H, dtype=bool)
        """,
        {"x": "int64[N, H]"},
        low=-1,
        high=4,
    ),
    Case("one_hot(x, 3)", {"x": "uint8[N]"}),
    *each(
        """
        reshape(x, shape(x)[:1] + (-1,))
        """,
        OPEN,
    ),
]

CASES = [*ARITHMETIC, *COMPARISONS, *UNARY, *REDUCTIONS, *PRODUCTS, *SHAPING, *INDEXING, *FILLING]
