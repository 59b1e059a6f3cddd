"""Functions of element by element: arithmetic, comparisons, and those of one tensor."""

from __future__ import annotations

import math

from case_inputs import COUNTED, INTS, PAIR, SAME, TRUTHS, X, each
from function_harness import Case

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
        x % -1.5
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
    Case("x // y", {"x": "int64[3]", "y": "int64[3]"}, values={"x": [-(2**63), 7, -7], "y": [-1, -1, 2]}),
    Case("x // [-1, 2, -3]", {"x": "int64[3]"}, values={"x": [-(2**63), 7, -7]}),
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
        where(x > 0, 1.5, 0)
        where(x > 0, 1, 0)
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
