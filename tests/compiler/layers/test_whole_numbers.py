"""Layers that keep whole numbers, in every type of them: the numbers of int64, whatever kernels onnxruntime lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError

CALLS = [
    "UpSampling2D(2)",
    "ZeroPadding2D(1)",
    "Cropping2D(1)",
    "ReflectionPadding2D(1)",
    "ReplicationPadding2D((1, 2))",
    "CircularPadding2D(1)",
    "ConstantPadding2D(1, 7)",
    "PixelShuffle(2)",
    "PixelUnshuffle(2)",
    "ChannelShuffle(2)",
    "Flatten()",
    "Reshape((-1, 2))",
    "Permute((2, 1, 3))",
    "GlobalMaxPooling2D()",
    "Masking(3)",
    "Dropout(0.5)",
]
DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "uint64"]
# onnxruntime takes no maxima of uint64, and no other type holds all of them.
UNRUN = {("GlobalMaxPooling2D()", "uint64")}


def run(call: str, dtype: str, opset: int, folder: Path) -> np.ndarray[Any, Any]:
    import onnxruntime

    text = f"model A():\n    input x: {dtype}[N, 4, 4, 4]\n    y = x -> {call}\n    output y\n"
    path = folder / f"{dtype}.onnx"
    archonnx.compile(text=text, opset=opset).save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).integers(0, 5, (2, 4, 4, 4)).astype(dtype)
    found: np.ndarray[Any, Any] = session.run(None, {"x": x})[0]
    return found


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("opset", [17, 20])
def test_every_type_gives_the_numbers_of_int64(call: str, dtype: str, opset: int, tmp_path: Path) -> None:
    if (call, dtype) in UNRUN:
        archonnx.compile(text=f"model A():\n    input x: {dtype}[N, 4, 4, 4]\n    {call}\n", opset=opset)
        return
    found = run(call, dtype, opset, tmp_path)
    assert found.dtype == dtype
    assert np.array_equal(found.astype(np.int64), run(call, "int64", opset, tmp_path))


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int8", "uint64"])
@pytest.mark.parametrize(
    ("name", "merged"),
    [("Maximum", np.maximum), ("Minimum", np.minimum), ("Add", np.add), ("Multiply", np.multiply)],
)
def test_merges_keep_every_type(name: str, merged: Any, dtype: str, tmp_path: Path) -> None:
    import onnxruntime

    text = f"model A():\n    input a: {dtype}[N, 3]\n    input b: {dtype}[N, 3]\n    y = (a, b) -> {name}()\n    output y\n"
    archonnx.compile(text=text).save(tmp_path / "merged.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "merged.onnx", providers=["CPUExecutionProvider"])
    a, b = np.array([[1, 7, 3]], dtype), np.array([[5, 2, 3]], dtype)
    (y,) = session.run(None, {"a": a, "b": b})
    assert y.dtype == dtype
    assert np.array_equal(y, merged(a, b))


@pytest.mark.parametrize(("dtype", "largest"), [("int16", 32767), ("uint16", 65535), ("uint32", 4294967295)])
def test_the_largest_numbers_stay(dtype: str, largest: int, tmp_path: Path) -> None:
    import onnxruntime

    text = f"model A():\n    input x: {dtype}[N, 2, 3]\n    y = x -> GlobalMaxPooling1D()\n    output y\n"
    archonnx.compile(text=text).save(tmp_path / "largest.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "largest.onnx", providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": np.array([[[1, 2, largest], [3, largest, 0]]], dtype)})
    assert y.tolist() == [[3, largest, largest]]


@pytest.mark.parametrize("call", ["ZeroPadding2D(1)", "ReplicationPadding2D(1)", "ConstantPadding2D(1, 2)"])
def test_text_has_no_borders(call: str) -> None:
    with pytest.raises(CompileError) as caught:
        archonnx.compile(text=f"model A():\n    input x: string[N, 4, 4, 4]\n    {call}\n")
    (found,) = caught.value.diagnostics
    assert found.code == "E0303"
    assert found.message == f"{call.partition('(')[0]} needs numbers, got string[N, 4, 4, 4]"
