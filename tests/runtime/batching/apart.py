"""Small graphs of which some inputs hold rows, and whether running rows apart gives what running them together does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from archonnx.runtime.batching.analysis import Verdict, analyse
from archonnx.verifying.agreement import error

ROWS = "N"
_TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


class Input:
    """An input with the rows where its shape has "N". most: whole numbers lie below it."""

    def __init__(self, *shape: int | str, dtype: str = "float32", most: int = 4, least: float = -2.0) -> None:
        self.shape, self.dtype, self.most, self.least = shape, dtype, most, least

    @property
    def axis(self) -> int | None:
        return self.shape.index(ROWS) if ROWS in self.shape else None

    def drawn(self, rng: np.random.Generator, rows: int) -> np.ndarray[Any, Any]:
        shape = tuple(rows if size == ROWS else 5 if size == "T" else size for size in self.shape)
        if self.dtype == "string":
            return rng.choice(np.array(["a", "b", "c"], object), shape)
        if self.dtype == "bool":
            return np.asarray(rng.random(shape) < 0.5)
        if self.dtype in ("float32", "float64"):
            return rng.uniform(self.least, 2, shape).astype(self.dtype)
        return rng.integers(max(self.least, 0) if self.least > -2 else 0, self.most, shape).astype(self.dtype)


def graph_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Input],
    outputs: Sequence[str],
    initializers: Mapping[str, np.ndarray[Any, Any]],
    opset: int = 21,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, _TYPES[x.dtype], list(x.shape)) for name, x in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    imports = [
        helper.make_opsetid("", opset),
        *(helper.make_opsetid(d, 3 if d == "ai.onnx.ml" else 1) for d in domains),
    ]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def verdict_of(model: onnx.ModelProto, inputs: Mapping[str, Input]) -> Verdict:
    axes = {name: x.axis for name, x in inputs.items() if x.axis is not None}
    return analyse(model.SerializeToString(), axes, {"T"}, list(inputs))


def running(model: onnx.ModelProto) -> Any:
    """A session of onnxruntime for a model whose outputs have no type yet: it infers them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def joined(
    session: Any, feeds: Mapping[str, Any], inputs: Mapping[str, Input], verdict: Verdict, sizes: Sequence[int]
) -> list[Any]:
    """The outputs of runs of `sizes` rows each, joined."""
    parts, start = [], 0
    for size in sizes:
        part = {
            name: array if inputs[name].axis is None else np.take(array, range(start, start + size), inputs[name].axis)
            for name, array in feeds.items()
        }
        parts.append(session.run(None, part))
        start += size
    axes = list(verdict.axes.values())
    return [
        values[0] if axis is None else np.concatenate(values, axis)
        for axis, values in zip(axes, zip(*parts, strict=True), strict=True)
    ]


def worst(session: Any, inputs: Mapping[str, Input], verdict: Verdict, seed: int = 0, rows: int = 6) -> float:
    """The largest error between rows together and rows apart, of several ways to part them; infinite for other shapes."""
    rng = np.random.default_rng(seed)
    feeds = {name: x.drawn(rng, rows) for name, x in inputs.items()}
    whole = session.run(None, feeds)
    found = 0.0
    for sizes in ([rows - 2, 2], [1] * rows, [2, rows - 3, 1]):
        for a, b in zip(joined(session, feeds, inputs, verdict, sizes), whole, strict=True):
            if np.shape(a) != np.shape(b):
                return float("inf")
            found = max(found, error(np.asarray(a), np.asarray(b)))
    return found
