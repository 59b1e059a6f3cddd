"""Functions that run along axes, products, and tensors that are made."""

from __future__ import annotations

from case_inputs import INTS, OPEN, TRUTHS, each
from function_harness import Case

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
