"""Small ONNX models for the runtime's tests, built with onnx alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).resolve().parent))

Shape = Sequence[int | str | None] | None
Value = tuple[str, Shape]
Make = Callable[..., onnx.ModelProto]

_TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float8e4m3fn": TensorProto.FLOAT8E4M3FN,
    "uint8": TensorProto.UINT8,
    "int4": TensorProto.INT4,
    "int8": TensorProto.INT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint64": TensorProto.UINT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
    "complex64": TensorProto.COMPLEX64,
}


def make_model(
    inputs: Mapping[str, Value],
    nodes: Sequence[onnx.NodeProto] | str = "Identity",
    outputs: Mapping[str, Value] | None = None,
    initializers: Sequence[onnx.TensorProto] = (),
    metadata: Mapping[str, str] | None = None,
    opset: int = 21,
    ir_version: int = 10,
) -> onnx.ModelProto:
    """A model. nodes: or the name of one operator from all inputs to the one output `y`, of the first input's type."""

    def value(name: str, type_: Value) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, _TYPES[type_[0]], type_[1])

    if isinstance(nodes, str):
        nodes = [helper.make_node(nodes, list(inputs), ["y"], name=f"net/{nodes.lower()}")]
    results = outputs or {"y": (next(iter(inputs.values()))[0], None)}
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [value(*item) for item in inputs.items()],
        [value(*item) for item in results.items()],
        list(initializers),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    helper.set_model_props(model, dict(metadata or {}))
    return model


@pytest.fixture(scope="session")
def make() -> Make:
    """`make(inputs, nodes, outputs, ...)` builds a ModelProto; see make_model."""
    return make_model


@pytest.fixture(scope="session")
def load() -> Callable[..., Any]:
    """`load(model, ...)` loads a ModelProto on the CPU."""
    from archonnx.runtime.loading import load as load_any

    def loaded(model: onnx.ModelProto, device: str = "cpu", **options: Any) -> Any:
        return load_any(model.SerializeToString(), device, **options)

    return loaded
