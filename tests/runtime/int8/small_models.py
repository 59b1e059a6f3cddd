"""Small networks for the tests of int8, with weights that are drawn, and pictures that have something in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
FLOAT = TensorProto.FLOAT


def pictures(count: int, size: int = 12, seed: int = 0) -> Array:
    """float32 [count, size, size, 3]: waves of a few directions, brighter and darker."""
    draw = np.random.default_rng(seed)
    at = np.arange(size) / size
    made = []
    for _ in range(count):
        x, y, shift = draw.uniform(1, 5, 3)
        wave = np.sin(x * at[:, None] + y * at[None] + shift)[..., None] * draw.uniform(0.3, 1, 3)
        made.append(wave + draw.normal(0, 0.05, (size, size, 3)))
    return np.asarray(made, np.float32)


def convolutional(opset: int = 20, bias: float = 0.0, last: int = 10) -> onnx.ModelProto:
    """Channels last: convolutions, one to each channel among them, a sum of two ways, the mean, a dense layer."""
    draw = np.random.default_rng(1)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        fan = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
        return numpy_helper.from_array(draw.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32), name)

    def vector(name: str, values: Array) -> onnx.TensorProto:
        return numpy_helper.from_array(values.astype(np.float32), name)

    initializers = [
        weight("stem.kernel", 8, 3, 3, 3),
        weight("deep.kernel", 8, 1, 3, 3),
        weight("point.kernel", 8, 8, 1, 1),
        weight("dense.kernel", 8, last),
        vector("dense.bias", draw.normal(bias, 1, last)),
        vector("gamma", draw.uniform(0.5, 1.5, 8)),
        vector("beta", draw.normal(0, 0.3, 8)),
        vector("mean", draw.normal(0, 0.1, 8)),
        vector("variance", draw.uniform(0.5, 2, 8)),
        vector("zero", np.array(0)),
        vector("six", np.array(6)),
        numpy_helper.from_array(np.array([2, 3]), "axes"),
    ]
    node = helper.make_node
    normalization = ["gamma", "beta", "mean", "variance"]
    mean = (
        node("ReduceMean", ["added", "axes"], ["pooled"], name="pool", keepdims=0)
        if opset >= 18
        else node("ReduceMean", ["added"], ["pooled"], name="pool", keepdims=0, axes=[2, 3])
    )
    nodes = [
        node("Transpose", ["image"], ["nchw"], name="first", perm=[0, 3, 1, 2]),
        node("Conv", ["nchw", "stem.kernel"], ["stem"], name="stem", pads=[0, 0, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["stem", *normalization], ["stem.norm"], name="stem.norm"),
        node("Clip", ["stem.norm", "zero", "six"], ["stem.clip"], name="stem.clip"),
        node("Conv", ["stem.clip", "deep.kernel"], ["deep"], name="deep", pads=[1] * 4, group=8),
        node("Relu", ["deep"], ["deep.relu"], name="deep.relu"),
        node("Conv", ["deep.relu", "point.kernel"], ["point"], name="point"),
        node("Add", ["point", "stem.clip"], ["added"], name="add"),
        mean,
        node("Gemm", ["pooled", "dense.kernel", "dense.bias"], ["logits"], name="dense"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", FLOAT, ["N", 12, 12, 3])],
        [helper.make_tensor_value_info("logits", FLOAT, ["N", last])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    helper.set_model_props(model, {"words": "kept"})
    return model


def attending(opset: int = 17) -> onnx.ModelProto:
    """Matrices: two projections, a product of both that is no constant's, a softmax, a sum with the input."""
    draw = np.random.default_rng(2)

    def weight(name: str, rows: int, columns: int, size: float) -> onnx.TensorProto:
        return numpy_helper.from_array(draw.normal(0, size * rows**-0.5, (rows, columns)).astype(np.float32), name)

    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "query"], ["q"]),
        node("MatMul", ["x", "key"], ["k"]),
        node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], ["scores"]),
        node("Softmax", ["scores"], ["shares"], axis=-1),
        node("MatMul", ["shares", "x"], ["mixed"]),
        node("MatMul", ["mixed", "value"], ["v"]),
        node("Add", ["v", "x"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", FLOAT, ["batch", "T", 16])],
        [helper.make_tensor_value_info("y", FLOAT, ["batch", "T", 16])],
        [weight(name, 16, 16, size) for name, size in (("query", 0.3), ("key", 0.3), ("value", 1))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
