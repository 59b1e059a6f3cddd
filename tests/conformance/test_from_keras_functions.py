"""archonnx.from_keras of keras.ops: what to_keras makes of tensor functions, read back, and the casts that Keras makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras_harness import TOLERANCE, error
from test_from_keras import compare, run
from test_to_keras_functions import FORMS, arrays, source

import archonnx

keras = pytest.importorskip("keras")
ops = keras.ops


@pytest.fixture(autouse=True)
def names_count_anew() -> None:
    keras.utils.clear_session(free_memory=False)


@pytest.mark.filterwarnings("ignore:.*inputs not connected to outputs:UserWarning")
@pytest.mark.parametrize("form", FORMS)
def test_a_function_is_read_back(form: str) -> None:
    first, given = source(form), list(arrays().values())
    read = archonnx.from_keras(archonnx.to_keras(first))
    (found,), (expected,) = run(read, given), run(first, given)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert error(found, expected) <= TOLERANCE
    keras.utils.clear_session(free_memory=False)
    assert archonnx.from_keras(archonnx.to_keras(read)).text == read.text


# What is written with keras.ops: the text that it becomes.
WRITTEN: list[tuple[Callable[..., Any], str]] = [
    (lambda x, i, b: x * 2 + 1, "x * 2 + 1"),
    (lambda x, i, b: (x + 1) * 2, "(x + 1) * 2"),
    (lambda x, i, b: 1 / (x * x + 1), "1 / (x * x + 1)"),
    (lambda x, i, b: -(x**2), "-x ** 2"),
    (lambda x, i, b: (-x) ** 2, "(-x) ** 2"),
    (lambda x, i, b: x - (x - 1), "x - (x - 1)"),
    (lambda x, i, b: i * 0.5, "cast(i, float32) * 0.5"),
    (lambda x, i, b: i / 2, "cast(i, float32) / 2"),
    (lambda x, i, b: x + i, "x + cast(i, float32)"),
    (lambda x, i, b: x > i, "x > cast(i, float32)"),
    (lambda x, i, b: i > 1.5, "cast(i, float32) > 1.5"),
    (lambda x, i, b: ops.sqrt(i), "sqrt(cast(i, float32))"),
    (lambda x, i, b: ops.mean(i, axis=-1), "mean(cast(i, float32), axis=-1)"),
    (lambda x, i, b: ops.sum(b, axis=(0, 1)), "sum(cast(b, int32), axis=(0, 1))"),
    (lambda x, i, b: ops.argmax(x, axis=-1), "cast(argmax(x, axis=-1), int32)"),
    (lambda x, i, b: ops.logical_and(x, b), "cast(x, bool) & b"),
    (lambda x, i, b: ops.where(b, x, 0), "where(b, x, 0)"),
    (lambda x, i, b: ops.clip(x, -1, 1), "clip(x, -1, 1)"),
    (lambda x, i, b: ops.concatenate([x, ops.cast(i, "float32")], axis=-1), "concat((x, cast(i, float32)), axis=-1)"),
    (lambda x, i, b: ops.transpose(x, (0, 2, 1)) @ x, "transpose(x, (0, 2, 1)) @ x"),
    (lambda x, i, b: ops.einsum("nij,nij->ni", x, x), 'einsum("nij,nij->ni", x, x)'),
    (lambda x, i, b: x[:, 1:, ::2], "x[:, 1:, ::2]"),
    (lambda x, i, b: x - np.array([1.0, 2.0, 0.3, 4.0], np.float32), "x - [1.0, 2.0, 0.3, 4.0]"),
    (lambda x, i, b: ops.gelu(x), "x -> GELU(approximate=True)"),
    (lambda x, i, b: ops.leaky_relu(x, 0.1), "x -> LeakyReLU(0.1)"),
    (lambda x, i, b: ops.silu(x + 1), "(x + 1) -> SiLU()"),
    (lambda x, i, b: ops.max_pool(x, 2, padding="same"), 'x -> MaxPooling1D(padding="same")'),
    (lambda x, i, b: ops.stop_gradient(x) + 0, "x + 0"),
]


@pytest.mark.filterwarnings("ignore:.*inputs not connected to outputs:UserWarning")
@pytest.mark.parametrize(("function", "expected"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_operations_become_expressions(function: Callable[..., Any], expected: str) -> None:
    inputs = [keras.Input((3, 4), name=n, dtype=d) for n, d in (("x", "float32"), ("i", "int32"), ("b", "bool"))]
    rng = np.random.default_rng(0)
    given = [
        rng.uniform(-2, 2, (2, 3, 4)).astype(np.float32),
        rng.integers(0, 4, (2, 3, 4)).astype(np.int32),
        rng.random((2, 3, 4)) < 0.5,
    ]
    compiled, worst = compare(keras.Model(inputs, function(*inputs)), given)
    assert worst <= TOLERANCE
    assert compiled.text.splitlines()[4:] == [f"    {expected}"]


def test_a_large_array_is_a_buffer() -> None:
    inputs = keras.Input((20,), name="x")
    array = np.random.default_rng(0).normal(size=(20, 20)).astype(np.float32)
    x = np.ones((2, 20), np.float32)
    compiled, worst = compare(keras.Model(inputs, ops.matmul(inputs, array)), [x])
    assert worst <= TOLERANCE
    assert '    buffer constant: [20, 20] = "zeros"\n' in compiled.text
    assert np.array_equal(compiled.values()["constant"], array)
