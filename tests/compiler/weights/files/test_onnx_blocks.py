"""Matrices in few bits of ONNX files, read as the numbers that they stand for, and back into models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import archonnx
from archonnx.cli import main
from archonnx.compiler.weights import blocks
from archonnx.compiler.weights.files.formats import open_tensors

Array = NDArray[Any]
TEXT = """
model Small():
    input tokens: int64[N, T]
    words = ReversibleEmbedding(200, 64)
    x = (tokens -> words) + (tokens -> Embedding(200, 64))
    x = x -> Dense(64) -> Dense(96, activation="gelu") -> Dense(64)
    output scores = (x, reverse=True) -> words
"""


def rounded(matrix: Array, bits: int, size: int, *, rows: bool, symmetric: bool) -> Array:
    """A matrix as its quantized numbers stand for it, blocks along its rows or its columns."""
    source = matrix if rows else matrix.T
    count = -(-source.shape[1] // size)
    cut = np.pad(source, ((0, 0), (0, count * size - source.shape[1]))).reshape(len(source), count, size)
    numbers, scales, zeros = blocks.quantized(cut, bits, symmetric=symmetric)
    back = blocks.dequantized(numbers, scales, None if symmetric else zeros, bits)
    flat = back.reshape(len(source), -1)[:, : source.shape[1]]
    return flat if rows else flat.T


def stranger(path: Path, kernel: Array, bits: int = 4, **changes: Any) -> Path:
    """A model of another tool: a product with a kernel [K, N] in blocks of 32, with zero points."""
    width, columns = kernel.shape
    count = -(-width // 32)
    cut = np.pad(kernel.T, ((0, 0), (0, count * 32 - width))).reshape(columns, count, 32)
    numbers, scales, zeros = blocks.quantized(cut, bits, symmetric=False)
    packed, kept = blocks.packed(numbers, bits), blocks.packed(zeros, bits)
    flat = bool(changes.pop("flat", False))
    tensors = {"w_Q": packed, "w_scales": scales.reshape(-1) if flat else scales, "w_zeros": kept}
    inputs = ["x", *tensors]
    tensors |= changes.pop("tensors", {})
    inputs = changes.pop("inputs", inputs)
    given = {"K": width, "N": columns, "bits": bits, "block_size": 32, **changes}
    nodes = [helper.make_node("MatMulNBits", inputs, ["y"], domain="com.microsoft", **given)]
    if "again" in given:
        del given["again"]
        nodes = [
            helper.make_node("MatMulNBits", ["x", "w_Q", s, "w_zeros"], [o], domain="com.microsoft", **given)
            for s, o in (("w_scales", "y"), ("other", "z"))
        ]
        tensors["other"] = scales * 2
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", columns])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=9), path)
    return path


@pytest.mark.parametrize("width", [64, 80])
@pytest.mark.parametrize("bits", blocks.BITS)
@pytest.mark.parametrize("flat", [False, True])
def test_another_tools_matrix_is_read_as_what_it_multiplies_with(
    bits: int, width: int, flat: bool, tmp_path: Path
) -> None:
    kernel = np.random.default_rng(0).normal(size=(width, 70)).astype(np.float32)
    wanted = rounded(kernel, bits, 32, rows=False, symmetric=False)
    with open_tensors(stranger(tmp_path / "m.onnx", kernel, bits, flat=flat)) as file:
        assert {name: str(entry) for name, entry in file.entries.items()} == {"w_Q": f"float32[{width}, 70]"}
        assert file.metadata["quantized"] == f"1 of {bits} bits"
        assert np.array_equal(file.whole("w_Q"), wanted)
        for start, length in ((0, 1), (69, 3), (1000, 2000), (width * 70 - 5, 5)):
            assert np.array_equal(file.read("w_Q", start, length), wanted.reshape(-1)[start : start + length])
        assert np.array_equal(file.box("w_Q", (width, 70), ((30, 41), (3, 60))), wanted[30:41, 3:60])
        assert np.array_equal(file.box("w_Q", (70, width), ((3, 9), (2, 5))), wanted.reshape(70, width)[3:9, 2:5])


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": ["x", "w_Q", "w_scales", "w_zeros", "order"], "tensors": {"order": np.zeros(64, np.int32)}},
        {"inputs": ["x", "w_Q", "w_scales", "far"]},
        {"inputs": ["x", "w_Q", "w_scales", "w_zeros"], "tensors": {"w_zeros": np.zeros((70, 2), np.float32)}},
        {"weight_prepacked": 1},
        {"block_size": 64},
        {"bits": 2},
        {"K": 0},
        {"again": 1},
    ],
)
def test_what_is_stored_otherwise_stays_as_it_is(changes: dict[str, Any], tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).normal(size=(64, 70)).astype(np.float32)
    with open_tensors(stranger(tmp_path / "m.onnx", kernel, **changes)) as file:
        assert str(file.entries["w_Q"]) == "uint8[70, 2, 16]"
        assert "w_scales" in file.entries
        assert "quantized" not in file.metadata


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[4]", '{"bits": 3}', '{"bits": 4, "block_size": 32, "rows": ["w_Q"]}']
)
def test_metadata_that_say_something_else_are_passed_over(text: str, tmp_path: Path) -> None:
    path = stranger(tmp_path / "m.onnx", np.ones((64, 70), np.float32))
    model = onnx.load(path)
    model.metadata_props.add(key="archonnx.quantized", value=text)
    onnx.save(model, path)
    with open_tensors(path) as file:
        assert str(file.entries["w_Q"]) == "float32[64, 70]"


@pytest.mark.parametrize("bits", blocks.BITS)
def test_our_own_file_fills_the_model_with_the_rounded_numbers(bits: Any, tmp_path: Path) -> None:
    model = archonnx.compile(text=TEXT)
    before = model.values()
    model.save(tmp_path / "q.onnx", weight_bits=bits)
    after = archonnx.compile(text=TEXT).with_weights(tmp_path / "q.onnx").values()
    assert after.keys() == before.keys()
    for path, array in before.items():
        table = "embeddings" in path
        wanted = array if array.ndim < 2 else rounded(array, bits, 32, rows=table, symmetric=table or bits == 8)
        assert np.array_equal(after[path], wanted), path


def test_a_table_that_is_only_multiplied_with_keeps_its_axes(tmp_path: Path) -> None:
    # Square, so that no shape could tell rows from columns.
    text = """
model Only():
    input x: float32[N, 64]
    words = ReversibleEmbedding(64, 64)
    output y = (x, reverse=True) -> words
"""
    model = archonnx.compile(text=text)
    model.save(tmp_path / "q.onnx", weight_bits=4)
    (path,) = (p for p in model.values() if p.endswith("embeddings"))
    after = model.with_weights(tmp_path / "q.onnx").values()[path]
    assert np.array_equal(after, rounded(model.values()[path], 4, 32, rows=True, symmetric=False))


def test_the_loss_of_each_matrix_is_what_diff_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = archonnx.compile(text=TEXT)
    model.save(tmp_path / "plain.onnx")
    model.save(tmp_path / "q.onnx", weight_bits=8)
    assert main(["weights", "diff", str(tmp_path / "plain.onnx"), str(tmp_path / "q.onnx")]) == 1
    said = capsys.readouterr().out
    for path in ("words/embeddings", "embedding/embeddings", "dense/kernel", "dense_1/kernel", "dense_2/kernel"):
        (line,) = (line for line in said.splitlines() if line.startswith(f"{path} "))
        assert 0.003 < float(line.split()[-3]) < 0.008  # the error, before the place, `[46, 39]`


def test_a_file_of_another_model_is_refused_with_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archonnx.compile(text=TEXT).save(tmp_path / "q.onnx", weight_bits=8)
    (tmp_path / "tiny.arch").write_text(
        'model Tiny():\n    input x: float32[N, 3]\n    Dense(2, name="head")\n    output y\n'
    )
    command = [
        "build",
        str(tmp_path / "tiny.arch"),
        "--weights",
        str(tmp_path / "q.onnx"),
        "-o",
        str(tmp_path / "t.onnx"),
    ]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path / 'q.onnx'}: not the weights of Tiny: no name agrees, ")
    assert not (tmp_path / "t.onnx").exists()
