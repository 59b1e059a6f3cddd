"""Adaptive pools: which operators they become, and what they say of arguments and inputs that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnosing import error_of

import archonnx
from archonnx.contract.diagnostics import Diagnostic

STEPS = "float32[N, T, 6]"


def operators(kind: str, line: str) -> list[str]:
    """The types of the operators of a model of one line."""
    lowered = archonnx.compile(text=f"model A():\n    input x: {kind}\n    {line}\n").lower()
    return [operator.type for operator in lowered.operators if operator.type != "Transpose"]


@pytest.mark.parametrize(
    ("kind", "line", "expected"),
    [
        ("float32[N, 28, 21, 3]", "AdaptiveAveragePooling2D(7)", ["AveragePool"]),
        ("float32[N, 28, 21, 3]", "AdaptiveMaxPooling2D(7)", ["MaxPool"]),
        ("float32[N, 9, 8, 3]", "AdaptiveMaxPooling2D(4)", ["MaxPool"]),
        ("float32[N, 9, 8, 3]", "AdaptiveMaxPooling2D((9, 4))", ["MaxPool"]),
        ("float32[N, 9, 8, 3]", "AdaptiveAveragePooling2D((9, 8))", ["Identity"]),
        ("float32[N, H, W, 3]", "AdaptiveAveragePooling2D(1)", ["ReduceMean"]),
        ("float32[N, H, W, 3]", "AdaptiveMaxPooling2D(1)", ["ReduceMax"]),
        ("float32[N, 4 * T, 6]", "AdaptiveMaxPooling1D(4)", ["Reshape", "ReduceMax"]),
        ("float32[N, 4 * T, 6]", "AdaptiveAveragePooling1D(4)", ["Reshape", "ReduceMean"]),
        ("float32[N, 10, 6]", "AdaptiveMaxPooling1D(4)", ["Gather", "ReduceMax"]),
        ("float32[N, 11, 6]", "AdaptiveAveragePooling1D(5)", ["AveragePool"]),
        ("float32[N, 10, 6]", "AdaptiveAveragePooling1D(3)", ["AveragePool"]),
        ("float32[N, 10, 6]", "AdaptiveAveragePooling1D(4)", ["MatMul"]),
        ("float32[N, 20010, 6]", "AdaptiveAveragePooling1D(400)", ["Gather", "Div", "ReduceSum"]),
    ],
)
def test_the_fewest_operators_that_do_it(kind: str, line: str, expected: list[str]) -> None:
    assert operators(kind, line) == expected


@pytest.mark.parametrize("count", [2, 3, 5, 7, 10])
@pytest.mark.parametrize(("kind", "reduce"), [("Average", np.mean), ("Max", np.max)])
def test_bins_of_every_size_are_exact(kind: str, reduce: Any, count: int, tmp_path: Path) -> None:
    """One model of an open size, run at sizes below and above the count; whole numbers, so that sums are exact."""
    import onnxruntime

    text = f"model A():\n    input x: float32[N, T, 2]\n    Adaptive{kind}Pooling1D({count})\n"
    archonnx.compile(text=text).save(tmp_path / "bins.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "bins.onnx", providers=["CPUExecutionProvider"])
    for size in (*range(1, 34), 100, 101, 4099):
        x = np.random.default_rng(size).integers(-99, 99, (1, size, 2)).astype(np.float32)
        (y,) = session.run(None, {"x": x})
        bins = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        expected = np.stack([reduce(x[:, start:end], axis=1) for start, end in bins], axis=1)
        assert np.abs(y - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max()), size


@pytest.mark.parametrize("kind", ["float32[N, 20010, 2]", "float32[N, T, 2]"])
def test_means_of_many_places_need_no_matrix(kind: str, tmp_path: Path) -> None:
    """A matrix would hold eight million numbers; what is infinite stays in the bins that hold it."""
    import onnxruntime

    size, count, path = 20010, 400, tmp_path / "long.onnx"
    archonnx.compile(text=f"model A():\n    input x: {kind}\n    AdaptiveAveragePooling1D({count})\n").save(path)
    assert path.stat().st_size < 1 << 20
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(1, size, 2)).astype(np.float32)
    x[0, 777, 0] = np.inf
    (y,) = session.run(None, {"x": x})
    bins = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
    expected = np.stack([x[:, start:end].mean(axis=1) for start, end in bins], axis=1)
    assert np.array_equal(np.isinf(y), np.isinf(expected))
    finite = np.isfinite(expected)
    assert np.abs(y[finite] - expected[finite]).max() <= 1e-5 * np.abs(expected[finite]).max()


def diagnose(line: str, kind: str) -> Diagnostic:
    return error_of(f"model A():\n    input x: {kind}\n    {line}\n")


@pytest.mark.parametrize(
    ("line", "kind", "code", "message"),
    [
        ("AdaptiveMaxPooling1D(0)", STEPS, "E0403", "output_size"),
        ("AdaptiveMaxPooling1D(-2)", STEPS, "E0403", "output_size"),
        ("AdaptiveMaxPooling1D((2, 3))", STEPS, "E0403", "output_size"),
        ("AdaptiveAveragePooling1D(2.5)", STEPS, "E0403", "output_size"),
        ("AdaptiveAveragePooling2D((2, 3, 4))", "float32[N, 8, 8, 3]", "E0403", "output_size"),
        ("AdaptiveAveragePooling2D(None)", "float32[N, 8, 8, 3]", "E0403", "output_size"),
        ('AdaptiveAveragePooling1D(2, "channels_frist")', STEPS, "E0403", "data_format"),
        ("AdaptiveAveragePooling2D(2)", STEPS, "E0302", "AdaptiveAveragePooling2D needs 4 axes (batch, height, width"),
        ('AdaptiveMaxPooling1D(2, "channels_first")', "float32[N, 4]", "E0302", "3 axes (batch, channels, steps)"),
        ("AdaptiveMaxPooling1D(2)", "int32[N, T, 6]", "E0303", "AdaptiveMaxPooling1D takes floats, int8 and uint8"),
        ("AdaptiveAveragePooling1D(2)", "string[N, T, 6]", "E0303", "AdaptiveAveragePooling1D needs numbers, got"),
    ],
)
def test_what_does_not_fit(line: str, kind: str, code: str, message: str) -> None:
    found = diagnose(line, kind)
    assert (found.code, message) == (code, message if message in found.message else found.message)
