"""Weights of few bits: their products in float32 where that is asked for, and as the file allows where nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import archonnx
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime import engine
from archonnx.runtime.devices import CPU, CUDA, Choice
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.precision import placing, starting
from archonnx.runtime.precision.exact import compute_exactly
from archonnx.runtime.precision.graphs import read_graph

LAYERS = """
model Layers():
    input x: float32[N, 96]
    x -> Dense(160, activation="relu") -> Dense(8, use_bias=False)
"""
X = np.random.default_rng(0).standard_normal((3, 96)).astype(np.float32)


def reference(path: Path) -> Any:
    """What the file's weights give in float64, by the definition of MatMulNBits."""
    model = onnx.load(path)
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values: dict[str, Any] = {"x": X.astype(np.float64)}
    for node in model.graph.node:
        a = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        takes = [values.get(name, held.get(name)) for name in node.input]
        if node.op_type == "MatMulNBits":
            blocks = a["K"] // a["block_size"]
            packed = takes[1].reshape(a["N"], blocks, -1)
            if a["bits"] == 4:
                packed = np.stack([packed & 15, packed >> 4], axis=-1).reshape(a["N"], blocks, -1)
            zeros: Any = 1 << (a["bits"] - 1)
            if len(takes) > 3 and takes[3] is not None:
                packed_zeros = takes[3].reshape(a["N"], -1)
                zeros = np.stack([packed_zeros & 15, packed_zeros >> 4], axis=-1).reshape(a["N"], -1)[:, :blocks, None]
            matrix = (packed.astype(np.float64) - zeros) * takes[2].reshape(a["N"], blocks, 1)
            result = takes[0] @ matrix.reshape(a["N"], -1).T
            if len(takes) > 5:
                result = result + takes[5]
        elif node.op_type == "Add":
            result = takes[0] + takes[1]
        elif node.op_type == "Relu":
            result = np.maximum(takes[0], 0)
        elif node.op_type == "MatMul":
            result = takes[0] @ takes[1].astype(np.float64)
        elif node.op_type == "Gemm":
            result = takes[0] @ takes[1].astype(np.float64) + (takes[2] if len(takes) > 2 else 0)
        else:
            raise AssertionError(node.op_type)
        values[node.output[0]] = result
    return values[model.graph.output[0].name]


def off(session: Any, path: Path) -> float:
    exact = reference(path)
    return float(np.abs(session(X) - exact).max() / np.abs(exact).max())


@pytest.fixture(scope="module", params=[4, 8])
def rounded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rounded") / "layers.onnx"
    archonnx.compile(text=LAYERS).save(path, weight_bits=request.param)
    return path


def test_what_the_file_allows_runs_and_is_said(rounded: Path) -> None:
    assert read_model(rounded).rounding > 0
    with archonnx.load(rounded, "cpu") as session:
        assert session.precision == "int8"
        assert off(session, rounded) > 1e-4  # else there is nothing to tell apart


def test_what_falls_to_the_cpu_is_said_too(rounded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that was not insisted on and does not take the model."""
    begin = engine._start

    def refuse(source: Any, model: Any, choice: Choice, *rest: Any) -> Any:
        if choice.device == "cuda":
            raise MachineError("it does not take this model")
        return begin(source, model, choice, *rest)

    monkeypatch.setattr(engine, "_start", refuse)
    for module in (starting, placing):
        monkeypatch.setattr(module, "resolve", lambda *a: Choice("cuda", (CUDA, CPU), "it is said to work"))
    with archonnx.load(rounded) as session:
        assert (session.device, session.precision) == ("cpu", "int8")
    with archonnx.load(rounded, precision="float32") as session:
        assert (session.device, session.precision) == ("cpu", "float32")
        assert off(session, rounded) < 1e-6


def test_float32_is_float32(rounded: Path) -> None:
    with archonnx.load(rounded, "cpu", precision="float32") as session:
        assert session.precision == "float32"
        assert off(session, rounded) < 1e-6
    with archonnx.load(rounded.read_bytes(), "cpu", precision="float32") as session:
        assert off(session, rounded) < 1e-6


def test_an_error_that_is_allowed_takes_the_files_word(rounded: Path) -> None:
    with archonnx.load(rounded, "cpu", max_error=1e-1, data=X) as session:
        assert {trial.candidate.precision for trial in session.choices if trial.seconds} == {"float32", "int8"}
    with archonnx.load(rounded, "cpu", max_error=1e-5, data=X) as session:
        assert session.precision == "float32"
        assert off(session, rounded) < 1e-6
    with archonnx.load(rounded, "cpu", precision="int8") as session:
        assert session.precision == "int8"


@pytest.mark.parametrize("names", [("A", "B", "s", "z", "", "bias"), ("A", "B", "s")])
@pytest.mark.parametrize("external", [False, True])
def test_others_products_of_8_bits(tmp_path: Path, names: Sequence[str], external: bool) -> None:
    random = np.random.default_rng(1)
    inner, outer, block = 80, 24, 32  # the last block is not full
    blocks = 3
    held = {
        "B": random.integers(0, 256, (outer, blocks, block), dtype=np.uint8),
        "s": random.random(outer * blocks, np.float32),
        "z": random.integers(0, 256, (outer, blocks), dtype=np.uint8),
        "bias": random.random(outer, np.float32),
    }
    node = helper.make_node(
        "MatMulNBits", list(names), ["y"], name="product", domain="com.microsoft", K=inner, N=outer, bits=8,
        block_size=block, accuracy_level=4,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("A", onnx.TensorProto.FLOAT, ["N", inner])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", outer])],
        [numpy_helper.from_array(held[name], name) for name in names if name in held],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "product.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=opsets, ir_version=8),
        path,
        save_as_external_data=external,
        size_threshold=0,
    )
    x = random.standard_normal((2, inner)).astype(np.float32)
    zeros: Any = held["z"].astype(np.float64)[..., None] if "z" in names else 128.0
    matrix = (held["B"].astype(np.float64) - zeros) * held["s"].reshape(outer, blocks, 1)
    exact = x @ matrix.reshape(outer, -1)[:, :inner].T + (held["bias"] if "bias" in names else 0)
    with archonnx.load(path, "cpu", precision="float32") as session:
        assert np.abs(session(x) - exact).max() < 1e-5 * np.abs(exact).max()
    changed = read_graph(str(path), "product")
    assert compute_exactly(changed) == 1
    assert [n.op_type for n in changed.proto.graph.node] == (["MatMul", "Add"] if "bias" in names else ["MatMul"])
    assert not {"B", "s", "z"} & {tensor.name for tensor in changed.proto.graph.initializer}
