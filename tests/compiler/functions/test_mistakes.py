"""What the functions refuse: the code, and what the message says of it."""

from __future__ import annotations

import pytest

import archonnx

INPUTS = """
    input x: float32[N, 3, 4]
    input y: float32[N, T]
    input z: float32[M, T]
    input i: int64[N, 6]
    input b: bool[N, T]
"""

MISTAKES = """
E0350 | x + i                          | convert one of them with cast(tensor, float32)
E0350 | concat([y, b], axis=0)         | concat of float32 and bool
E0350 | clip(y, i[0, 0])               | clip of float32 and int64
E0403 | constant(x)                    | value of constant() is a number, or nested lists of numbers
E0403 | dimension(x)                   | value of dimension() is a whole number or a dimension
E0351 | x @ x                          | the inner sizes, 4 and 3, differ
E0351 | reshape(x, (N, 13))            | the numbers of elements, 12*N and 13*N, differ
E0351 | stack([x, x[:, 1:]])           | the sizes of axis 1, 3 and 2, differ
E0351 | broadcast_to(x, (N, 3, 8))     | 4 and 8, differ
E0351 | repeat(x, [1, 2], axis=1)      | 2 counts for an axis of 3
E0351 | einsum("nij,njk->nik", x, x)   | the sizes of axis j, 4 and 3, differ
E0351 | where(b[:1, :1], x, x[..., 1:]) | 4 and 3 differ at axis -1
E0352 | y + z                          | require N == M
E0352 | y @ transpose(y[:, :1])        | require T == 1
E0352 | reshape(y, (N, 4))             | require N*T == 4*N
E0352 | concat([y, z], axis=1)         | require N == M
E0352 | x * y[:, 0]                    | 4 and N are equal at axis -1
E0353 | i / 2                          | divide with `//`
E0353 | mean(i)                        | cast(tensor, float32)
E0353 | sqrt(i)                        | sqrt is not defined for int64
E0353 | b + b                          | add is not defined for bool
E0353 | any(x)                         | compare first
E0353 | ~y                             | bitwise_not is not defined for float32
E0353 | y & y                          | bitwise_and is not defined for float32
E0353 | i ** -1                        | gives fractions
E0353 | take(x, y)                     | cast(indices, int64)
E0353 | cast(x, complex64)             | cast of float32[N, 3, 4] to complex64: ONNX converts no complex numbers
E0511 | cast(i, uint8) > -1            | -1 does not fit uint8, which holds 0 to 255
E0511 | cast(i, uint8) + 256           | cast(tensor, int32)
E0511 | cast(i, int32) + 3000000000    | cast(tensor, int64)
E0511 | cast(i, int32) + 1e10          | 10000000000 does not fit int32, which holds -2147483648 to 2147483647
E0511 | i * [1, 2, 3, 4, 5, 2**63]     | cast(tensor, float32)
E0511 | cast(x, float16) * 1e6         | 1000000.0 does not fit float16, which ends at 65504
E0511 | x + [0.5, 1, 2, -1e40]         | cast(tensor, float64)
E0511 | x * 10**400                    | does not fit float32
E0361 | full((2,), 300, dtype=uint8)   | full of uint8: 300 does not fit uint8, which holds 0 to 255
E0361 | full_like(cast(i, uint8), -1)  | -1 does not fit uint8
E0361 | full((2,), 1e5, dtype=float16) | 100000.0 does not fit float16
E0361 | pad(cast(i, int8), 1, constant_values=200) | 200 does not fit int8
E0361 | zeros((2,), dtype=string)      | zeros makes no string
E0361 | ones((2,), dtype=complex64)    | ones makes no complex64
E0361 | ones((2,), dtype=float8e4m3fn) | cast(ones(...), float8e4m3fn)
E0403 | getitem(x, 0)                  | a tuple of whole numbers or dimensions
E0403 | getitem(x, None)               | a tuple of whole numbers or dimensions
E0403 | getitem(x, ["a"])              | a tuple of whole numbers or dimensions
E0403 | getitem(x, [("slice", 0.5, 1, 1)]) | a tuple of whole numbers or dimensions
E0403 | getitem(x, [(0, 1)])           | a tuple of whole numbers or dimensions
E0902 | cast(x, int4)                  | build with --opset 21
E0902 | arange(3, dtype=int2)          | build with --opset 25
E0353 | where(x, x, x)                 | compare first
E0353 | argmax(b)                      | argmax is not defined for bool
E0354 | tril(x[0, 0])                  | a matrix has two axes
E0354 | x @ y[0, 0]                    | each needs an axis at least
E0354 | stack([x, y])                  | the ranks differ
E0354 | take_along_axis(x, i, axis=1)  | the indices need 3 axes
E0354 | broadcast_to(x, (3, 4))        | a shape of fewer axes
E0355 | sum(x, axis=3)                 | it has 3 axes
E0355 | sum(x, axis=(0, -3))           | names an axis of float32[N, 3, 4] twice
E0355 | transpose(x, (0, 1))           | names 2 axes of 3
E0355 | squeeze(x, 1)                  | axis 1 is 3, not 1
E0355 | squeeze(y, 1)                  | axis 1 is T, not 1
E0355 | expand_dims(x, 4)              | the result has 4 axes
E0355 | stack([x, x], axis=4)          | the result has 4 axes
E0355 | moveaxis(x, (0, 1), 2)         | moves 2 axes to 1 places
E0355 | swapaxes(x, 0, 5)              | over axis 5
E0355 | pad(x, ((1, 1), (2, 2)))       | names 2 axes of 3
E0355 | one_hot(i, 4, axis=3)          | the result has 3 axes
E0355 | roll(x, (1, 2, 3), axis=(0, 1)) | 3 shifts for 2 axes
E0356 | reshape(x, (5, -1))            | require (12*N) % 5 == 0
E0356 | reshape(x[0], (5, -1))         | 12 elements are not known to be a multiple of 5
E0356 | split(x, 2, axis=1)[0]         | nothing says that 3 is a multiple of 2
E0356 | split(x, [3, 2], axis=2)[0]    | 2 is not known to come after 3
E0356 | top_k(x, 5)[0]                 | the last axis is not known to be at least 5
E0356 | pad(x, 4, "reflect")           | is not known to be at least
E0356 | roll(y, 2, axis=1)             | require T >= 2
E0357 | x[0, 3]                        | index 3 is out of range at axis 1
E0357 | x[0, -4]                       | index -4 is out of range
E0357 | x[0, 0, 0, 0]                  | 4 indices into float32[N, 3, 4], which has 3 axes
E0357 | x[..., 0, ...]                 | stands once
E0357 | x[1]                           | require N >= 2
E0357 | y[:, T]                        | nothing says that T is at least T + 1
E0357 | y[:, T - 5:]                   | require T - 5 >= 0
E0357 | take(x, [0, 3], axis=1)        | index 3 is out of range, its size is 3
E0357 | x[:, [0, -4]]                  | index -4 is out of range
E0357 | x[:, ::0]                      | a slice's step
E0358 | i // 0                         | floor_divide of int64 by zero
E0358 | i % [1, 2, 3, 0, 5, 6]         | remainder of int64 by zero
E0358 | i << 64                        | it has 64 bits
E0359 | einsum("ij", x)                | names the axes 'ij' of an operand with 3
E0359 | einsum("ijk,ij->i", x)         | names 2 operands, and 1 are given
E0359 | einsum("ijk->ii", x)           | names an axis of the result twice
E0359 | einsum("ijk->z", x)            | no operand has it
E0359 | einsum("i.k->i", x)            | which is not letters and one
E0359 | einsum("i...->i", x)           | the result leaves it out
E0360 | y * arange(0, T, 0)            | has no end
E0360 | y * arange(T, 2.5)             | beside a fraction
E0360 | arange(3, dtype=bool)          | not bool
E0361 | pad(i, 1, constant_values=0.5) | pad of int64 with 0.5
E0361 | pad(x, 1, "edge", 1)           | adds no constant
E0361 | full((2,), 0.5, dtype=int64)   | full of int64 with 0.5
E0361 | full_like(i, 0.5)              | full_like of int64 with 0.5
"""

LINES = [tuple(part.strip() for part in line.split(" | ")) for line in MISTAKES.strip().splitlines()]


@pytest.mark.parametrize(("code", "expression", "said"), LINES, ids=[line[1] for line in LINES])
def test_refuses(code: str, expression: str, said: str) -> None:
    text = f"model A():{INPUTS}    output result = {expression}\n    output rest = (x, y, z, i, b) -> Unite()\n"
    text += (
        "\nblock Unite():\n    input a\n    input b\n    input c\n    input d\n    input e\n"
        "    output sum(a) + sum(b) + sum(c) + cast(sum(d), float32) + cast(any(e), float32)\n"
    )
    with pytest.raises(archonnx.CompileError) as caught:
        archonnx.compile(text=text)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert said in f"{found.message} | {found.help}"


def test_bits_need_an_operator_set_that_has_them() -> None:
    text = "model A():\n    input x: int32[N]\n    output y = ~x\n"
    archonnx.compile(text=text, opset=18)
    with pytest.raises(archonnx.CompileError) as caught:
        archonnx.compile(text=text, opset=17)
    assert [d.code for d in caught.value.diagnostics] == ["E0902"]


def test_what_is_required_is_known() -> None:
    text = """
model A():
    input x: float32[N, T]
    input y: float32[N, S]
    require S == T
    require T % 2 == 0
    require T >= 4
    z = x + y
    (left, right) = split(z, 2, axis=1)
    output a = left * right
    output b = x[:, 3]
    output c = reshape(x, (N * 2, -1))
"""
    model = archonnx.compile(text=text)
    assert [str(o.value.type) for o in model.graph.outputs] == ["float32[N, S//2]", "float32[N]", "float32[2*N, S//2]"]
