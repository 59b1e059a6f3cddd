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
    *each("x + y\nx - y\nx * y\nx / y\nmaximum(x, y)\nminimum(x, y)\nadd(x, y)\nx - 1\n2 * x\n1 / x\n-x", PAIR),
    *each("positive(x)\nnegative(x)\nsubtract(x, y)\nmultiply(x, y)\ndivide(x, y)\n+x", PAIR),
    *each("x // y\nx % y\nx // 2\nx % 3\nx // 0.1\nx % 0.7\nx // -1.5\n7 % x\nfloor_divide(x, y)\nremainder(x, y)", SAME),
    Case("x // y", SAME, values={"x": [[1.0, 0.0, -1.0, 5.0, 6.0]] * 2, "y": [[0.0, 0.0, 0.0, math.inf, 0.1]] * 2}),
    *each("x // y\nx % y\nx // 3\nx % -3\n-7 // y\nx // -1", {"x": "int64[N, 4]", "y": "int64[4]"}, low=1, high=9),
    *each("x // y\nx % y", {"x": "int32[N, 4]", "y": "int32[4]"}, values={"x": [[-7, 7, -7, 6]] * 2, "y": [2, -2, -2, 3]}),
    Case("x // y", {"x": "int32[3]", "y": "int32[3]"}, values={"x": [-(2**31), 2**31 - 1, -(2**31)], "y": [3, -3, 7]}),
    *each("x // 3\nx % 3\nx + x\nx * 2\nmaximum(x, 3)\nx ** 2", {"x": "uint8[N, 4]"}, high=60),
    *each("x ** 2\nx ** 3\nx ** -1\nx ** 1\nx ** 2.5\nx ** 0.5\n2 ** x\npower(x, y)", SAME, low=0.1),
    *each("x ** 2\nx ** 3\nx ** 7\nx ** y\nx ** 0", {"x": "int64[N, 4]", "y": "int64[4]"}, low=0, high=5),
    Case("x ** 5", {"x": "int64[2]"}, values={"x": [6001, -6007]}),  # past 2^53, where a double has no units
    Case("x ** y", {"x": "int8[N, 4]", "y": "int8[4]"}, low=0, high=3),
    *each("x * N\nx + H\nx / (H - 1)", {"x": "float32[N, H]"}),
    *each("x + [1, 2, 3, 4]\nx * [[1.5], [2], [3]]\n[1, 2, 3, 4] - x", X),
]

COMPARISONS = [
    *each("x > y\nx < y\nx >= y\nx <= y\nx == y\nx != y\nx > 0\n0 >= x", COUNTED, low=-2, high=2),
    *each("greater(x, y)\nless(x, y)\ngreater_equal(x, y)\nless_equal(x, y)\nequal(x, y)\nnot_equal(x, y)", PAIR),
    *each("x & y\nx | y\nx ^ y\n~x\nx == y\nx != y\nlogical_and(x, y)\nlogical_or(x, y)\nlogical_xor(x, y)", TRUTHS),
    *each("logical_not(x)", TRUTHS),
    *each("x & y\nx | y\nx ^ y\n~x\nx & 3\nbitwise_and(x, y)\nbitwise_or(x, y)", COUNTED, low=-99, high=99, oldest=18),
    *each("bitwise_xor(x, y)\nbitwise_not(x)", COUNTED, low=-99, high=99, oldest=18),
    *[
        case
        for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
        for case in each("x << 2\nx >> 2\nleft_shift(x, y)\nright_shift(x, y)", {"x": f"{dtype}[N, 4]", "y": f"{dtype}[4]"},
                         low=-100, high=100, values={"y": [0, 1, 3, 5]})
    ],
    Case("x >> 3", {"x": "int32[3]"}, values={"x": [-(2**31), 2**31 - 1, -1]}),
    *each("where(x > 0, x, y)\nwhere(x > y, x, 0)\nwhere(x > 0, 1.5, y)\nwhere([True, False, True, False], x, y)", PAIR),
    *each("clip(x, -1, 1)\nclip(x, y, 2)\nclip(x, None, 1)\nclip(x, 0, None)\nclip(x, x_min=0, x_max=[1, 2, 1, 2])", PAIR,
          ),
    Case("clip(x, 2, 3)", {"x": "uint8[N, 4]"}, high=9),
]  # fmt: skip

UNARY = [
    *each("abs(x)\nsign(x)\nsquare(x)\nexp(x)\nerf(x)\nsin(x)\ncos(x)\ntan(x)\ntanh(x)\nsigmoid(x)\nsoftplus(x)\nrelu(x)", X),
    *each("floor(x)\nceil(x)\nround(x)\nreciprocal(x)\narctan(x)\nsinh(x)\ncosh(x)", X),
    *each("sqrt(x)\nlog(x)\nlog2(x)\nlog10(x)\nrsqrt(x)", X, low=0.1),
    *each("arcsin(x)\narccos(x)", X, low=-1, high=1),
    Case("round(x)", {"x": "float32[6]"}, values={"x": [-1.5, -0.5, 0.5, 1.5, 2.5, 2.6]}),
    *each("isnan(x)\nisinf(x)", {"x": "float32[4]"}, values={"x": [1.0, math.nan, math.inf, -math.inf]}),
    *each("abs(x)\nsign(x)\nsquare(x)\n-x", INTS),
    *each("sqrt(x)\nexp(x)", {"x": "float64[N]"}, low=1),
    *each("cast(x, int32)\ncast(x, bool)\ncast(x, float16)\ncast(x, 'float64')\ncast(x > 0, float32)", X),
]  # fmt: skip

REDUCTIONS = [
    *each("mean(x)\nmean(x, axis=-1)\nmean(x, (0, 2), True)\nmean(x, axis=[1, 2], keepdims=True)\nmean(x, 1)", OPEN),
    *each("sum(x)\nsum(x, -1)\nmax(x, axis=1)\nmin(x, axis=(0, 1))\nprod(x, axis=0)\nvar(x, -1)\nstd(x)\nmax(x)", OPEN),
    *each("logsumexp(x)\nlogsumexp(x, axis=1, keepdims=True)\nstd(x, 1, keepdims=True)\nsum(x, axis=())", OPEN),
    *each("sum(x, 0)\nprod(x, 1)\nmax(x, axis=2)\nmin(x, axis=2)\ncumsum(x, 2)\nargmax(x, 1)", INTS),
    *[
        case
        for dtype in ("int8", "int16", "uint8", "uint16", "uint32")
        for case in each("sum(x, 0)\nprod(x, 1)\nmax(x, axis=1)\ncumsum(x, 0)\nargmin(x, 1)", {"x": f"{dtype}[N, 4]"})
    ],
    *each("any(x, axis=-1)\nall(x, axis=(0, 1))\nany(x)\nall(x, axis=1, keepdims=True)", TRUTHS),
    *each("argmax(x)\nargmax(x, -1)\nargmin(x, axis=0)\nargmin(x, 1, True)\nargmax(x, keepdims=True)", OPEN),
    Case("argmax(x, 0)", {"x": "int64[4]"}, values={"x": [1, 5, 5, 2]}),
    *each("softmax(x)\nsoftmax(x, axis=1)\nlog_softmax(x)\nlog_softmax(x, 0)\ncumsum(x, 1)\ncumsum(x)\ncumsum(x, -1)", OPEN),
]  # fmt: skip

PRODUCTS = [
    *each("x @ y\nmatmul(x, y)", {"x": "float32[N, H, 4]", "y": "float32[4, W]"}),
    Case("x @ y", {"x": "float32[4]", "y": "float32[4]"}),
    Case("x @ y", {"x": "float32[4]", "y": "float32[N, 4, 3]"}),
    Case("x @ y", {"x": "float32[N, 3, 4]", "y": "float32[4]"}),
    Case("x @ y", {"x": "float32[2, 1, H, 4]", "y": "float32[5, 4, W]"}),
    Case("x @ y", {"x": "int32[N, 4]", "y": "int32[4, 3]"}),
    Case("x @ y", {"x": "int8[N, 4]", "y": "int8[4, 3]"}),
    *each('einsum("bij,bjk->bik", x, y)\neinsum("bij,bjk", x, y)', {"x": "float32[N, H, 4]", "y": "float32[N, 4, W]"}),
    *each('einsum("ij->ji", x)\neinsum("ij->", x)\neinsum("ij->i", x)\neinsum("ij,ij -> j", x, x)', {"x": "float32[N, H]"}),
    *each('einsum("...i,ij->...j", x, y)\neinsum("a...,bd->...ad", x, y)', {"x": "float32[N, H, 4]", "y": "float32[4, W]"}),
    Case('einsum("ii->i", x)', {"x": "float32[4, 4]"}),
    Case('einsum("...,...", x, y)', {"x": "float32[N, 1]", "y": "float32[W]"}),
    Case('einsum("bqhd,bkhd->bhqk", x, y)', {"x": "float32[N, T, 2, 8]", "y": "float32[N, K, 2, 8]"}),
    Case('einsum("ij,jk,kl->il", x, y, y)', {"x": "float32[N, 3]", "y": "float32[3, 3]"}),
]  # fmt: skip

SHAPING = [
    *each("reshape(x, (N, 12))\nreshape(x, (-1, 6))\nreshape(x, -1)\nreshape(x, [N, 2, 2, 3])\nreshape(x, (3, N, -1))", X),
    *each("reshape(x, (N * H, W))\nreshape(x, (W, H, N))\nreshape(x, (-1,))\nreshape(x, (1, N, 1, H * W))", OPEN),
    *each("transpose(x)\ntranspose(x, (2, 0, 1))\ntranspose(x, (0, -1, 1))\nswapaxes(x, 0, -1)\nmoveaxis(x, 0, -1)", OPEN),
    *each("moveaxis(x, (0, 1), (-1, 0))\nmoveaxis(x, [2, 0], [0, 1])\nexpand_dims(x, 0)\nexpand_dims(x, (0, -1))", OPEN),
    *each("squeeze(x)\nsqueeze(x, 1)\nsqueeze(x, (1, -1))", {"x": "float32[N, 1, H, 1]"}),
    *each("broadcast_to(x, (2, H, W))\nbroadcast_to(x, (H, W))\nbroadcast_to(x, (N, 1, H, W))", {"x": "float32[H, 1]"}),
    *each("concat([x, y], axis=1)\nconcat((x, x, y), axis=-1)\nconcatenate([x, y], -1)", {"x": "float32[N, H]", "y": "float32[N, 3]"}),
    *each("stack([x, y])\nstack((x, y), axis=-1)\nstack([x, y, x], 1)", SAME),
    Case("concat(x, y, axis=0)", SAME, reference="concatenate([x, y], axis=0)"),
    *each("split(x, 2, axis=2)[1]\nsplit(x, [1, 3], axis=-1)[1]\nsplit(x, (1,), 2)[0]\nsplit(x, 3, 1)[2]", X),
    Case("split(x, [H // 2], axis=1)[1]", {"x": "float32[N, H]"}),
    *each("tile(x, 2)\ntile(x, (2, 1, 3))\ntile(x, (2, 1, 1, 1))\ntile(x, (N, 1, 1))\ntile(x, (1, 1))", OPEN),
    *each("repeat(x, 2)\nrepeat(x, 3, axis=1)\nrepeat(x, H, axis=0)\nrepeat(x, [2], axis=-1)\nrepeat(x, 1, 0)", OPEN),
    *each("repeat(x, [1, 0, 3], axis=1)", X),
    *each("flip(x)\nflip(x, 1)\nflip(x, (0, -1))", OPEN),
    *each("roll(x, 1, axis=0)\nroll(x, -2, 1)\nroll(x, (1, -1), axis=(1, 2))\nroll(x, 2)\nroll(x, 7, 2)", X),
    Case("roll(x, 2, axis=1)", OPEN, before="require H >= 2"),
    Case("roll(x, -2, axis=1)", OPEN, before="require H >= 2"),
    *each("pad(x, 1)\npad(x, (1, 2))\npad(x, ((0, 0), (1, 2), (0, 3)))\npad(x, ((0, 0), (H, 0), (0, 0)))", OPEN),
    *each("pad(x, 1, constant_values=2)\npad(x, ((0, 0), (1, 0), (0, 1)), 'edge')", OPEN),
    *each("pad(x, ((0, 0), (2, 1), (0, 3)), 'reflect')\npad(x, ((1, 0), (3, 2), (0, 4)), mode='symmetric')", X),
    *each("pad(x, ((1, 0), (3, 2), (0, 4)), mode='wrap')", X),
    Case("pad(x, ((0, 0), (2, 1), (0, 0)), 'reflect')", OPEN, before="require H >= 3"),
    Case("pad(x, ((0, 0), (2, 1), (0, 0)), 'symmetric')", OPEN, before="require H >= 3"),
    Case("pad(x, 1)", {"x": "bool[N, 4]"}),
    Case("pad(x, 1, constant_values=3)", {"x": "int64[N, 4]"}),
    *each("sort(x)\nsort(x, axis=1)\nargsort(x)\nargsort(x, 0)", OPEN),
    *each("top_k(x, 2)[0]\ntop_k(x, 2)[1]\ntop_k(x, k=W)[0]", {"x": "float32[N, W + 2]"}),
    *each("triu(x)\ntril(x)\ntriu(x, 1)\ntril(x, k=-1)", OPEN),
    *each("triu(x)\ntril(x, 1)", {"x": "int32[N, 3, 4]"}),
    Case("tril(x)", {"x": "bool[4, H]"}),
    Case("sort(x)", {"x": "int16[N, 4]"}),
]  # fmt: skip

INDEXING = [
    *each("x[0]\nx[:, 1]\nx[-1]\nx[..., 0]\nx[:, None]\nx[None, ..., 1]\nx[:, 1:]\nx[:, :-1]\nx[..., ::2]\nx[:, ::-1]", X),
    *each("x[1, 2, 3]\nx[0, :, -1]\nx[:, -2:, 1:3]\nx[:, 5:]\nx[:, 2:1]\nx[..., 3:0:-1]\nx[..., -1:-3:-1]\nx[:, ::-2]", X),
    *each("x[:, :H // 2]\nx[:, H // 2:]\nx[:, H - 1]\nx[:, -1]\nx[:, -H:]\nx[:, :-1]\nx[:, 1:]\nx[:, ::-1]\nx[:, ::2]", OPEN),
    *each("x[:, 2:]\nx[:, :2]\nx[:, 1:-1]\nx[:, -2:]\nx[:, -1::-1]\nx[:, -2::-1]\nx[:, :0:-1]\nx[:, :-3:-1]", OPEN),
    *each("x[:, 3::-2]\nx[:, 9:]\nx[:, -9:]\nx[..., W - 1, None]\nx[N - 1]\nx[:, 1:H]\nx[:, :H + 2]\nx[:, 1:4:2]", OPEN),
    *each("x[:, [0, 2]]\nx[[1, 0]]", X),
    *each("take(x, y)\ntake(x, y, axis=1)\ntake(x, y, -1)\ntake(x, [0, 2], axis=1)\ntake(x, 1, axis=1)\ntake(x, 7)\nx[:, y]",
          {"x": "float32[N, 3, 4]", "y": "int64[T, 2]"}, low=0, high=2),
    Case("take(x, y, axis=1)", {"x": "float32[N, 3]", "y": "uint8[T]"}, low=0, high=2),
    Case("take(x, y, axis=0)", {"x": "float32[4, N]", "y": "int32[T]"}, low=-3, high=3),
    *each("take_along_axis(x, y, axis=1)\ntake_along_axis(x, y[:1], axis=1)", {"x": "float32[N, H]", "y": "int64[N, T]"}, low=0, high=4),
    Case("take_along_axis(x, y, axis=0)", {"x": "float32[H, 1]", "y": "int32[T, 3]"}, low=-4, high=3),
    Case("take_along_axis(x, y)", {"x": "float32[2, H]", "y": "int64[T]"}, low=0, high=8, reference="take_along_axis(x, y, None)"),
]  # fmt: skip

FILLING = [
    *each("x[0, 0] + arange(5)\nx[0, 0] + arange(2, 9, 3)\nx[0, 0] + arange(9, 2, -3)\nx[0, 0] + arange(3, dtype=int64)", {"x": "int64[N, H]"}),
    *each("x[0, 0] + arange(H)\nx[0, 0] + arange(1, H + 1)\nx[0, 0] + arange(0, 2 * H, 2)\nx[0, 0] + arange(H, 0, -1)", {"x": "int64[N, H]"}),
    *each("x[0, 0] + arange(0, H + N, 3)\nx[0, 0] + arange(H - 1, -1, -1)\nx[0, 0] + arange(2000)", {"x": "int64[N, H]"}),
    *each("x[0, 0] + arange(0, 1, 0.3)\nx[0, 0] + arange(H, dtype=float32)\nx[0, 0] + arange(0.5, 3)\nx[0, 0] + arange(3.0)", {"x": "float32[N, H]"}),
    *each("x[0, 0] + arange(0, 2000, 0.5)", {"x": "float32[N, H]"}),
    *each("x[0, 0] + zeros((2, 3))\nx + ones((1, H))\nx + zeros((N, H), dtype=float32)\nx * full((2, 1), 2.5)", {"x": "float32[N, H]"}),
    *each("x + full((N, 1), 3, dtype=float32)\nx + ones(H)", {"x": "float32[N, H]"}),
    *each("zeros_like(x)\nones_like(x)\nfull_like(x, 2.5)\nones_like(x, dtype=int64)\nfull_like(x, 1, int32)", {"x": "float32[N, H]"}),
    *each("full_like(x, True)", {"x": "bool[N, H]"}),
    *each("x[0, 0] + eye(3)\nx[0, 0] + eye(2, 4, k=1)\nx[0, 0] + eye(H)\nx[0, 0] + eye(H, N, -1)\nx[0, 0] * eye(40)", {"x": "float32[N, H]"}),
    *each("one_hot(x, 4)\none_hot(x, 3, axis=1)\none_hot(x, 3, axis=0, dtype=int32)\none_hot(x, H, dtype=bool)", {"x": "int64[N, H]"}, low=-1, high=4),
    Case("one_hot(x, 3)", {"x": "uint8[N]"}),
    *each("reshape(x, shape(x)[:1] + (-1,))", OPEN),
]  # fmt: skip

CASES = [*ARITHMETIC, *COMPARISONS, *UNARY, *REDUCTIONS, *PRODUCTS, *SHAPING, *INDEXING, *FILLING]
