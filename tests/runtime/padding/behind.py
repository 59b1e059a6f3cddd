"""Small graphs over tokens, and whether more tokens behind the mask change what they give.

What a graph computes with is adverse: `x` holds large numbers of its own behind the mask, and in its holes, other ones
at each place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from archonnx.runtime.padding.analysis import Proof, analyse
from archonnx.runtime.padding.declared import Tokens
from archonnx.runtime.padding.weights import Weights

MOST = 9  # tokens of the longest run
LOW = float(np.finfo(np.float32).min)
_RNG = np.random.default_rng(3)
_GARBAGE = _RNG.uniform(-1e3, 1e3, (1, MOST, 4)).astype(np.float32)


def n(operator: str, inputs: str, outputs: str, name: str = "", domain: str = "", **attributes: Any) -> onnx.NodeProto:
    """A node. inputs, outputs: names between blanks, `-` for one that is left out."""
    names = ["" if word == "-" else word for word in inputs.split()]
    return helper.make_node(operator, names, outputs.split(), name=name or f"at/{outputs}", domain=domain, **attributes)


def i(*numbers: int) -> np.ndarray[Any, Any]:
    return np.array(numbers, np.int64)


def f(*shape: int) -> np.ndarray[Any, Any]:
    """Weights."""
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype(np.float32)


def one(number: Any, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return np.array(number, dtype)


HELD: dict[str, np.ndarray[Any, Any]] = {
    "garbage": _GARBAGE,
    "i0": i(0),
    "i1": i(1),
    "i2": i(2),
    "s0": one(0, np.int64),
    "s1": one(1, np.int64),
    "low": one(LOW),
    "zero": one(0.0),
    "unit": one(1.0),
}

# x [B, T, 4]; shown, a mask of booleans [B, T], and kept, of floats [B, T, 1]; count and rows, how many tokens and rows
# there are, steps [1] and s [] of them; scores [B, T, T], hidden: those that the mask leaves; weights: their softmax.
PRELUDE = [
    n("Cast", "mask", "shown", to=TensorProto.BOOL),
    n("Unsqueeze", "shown i2", "shown3"),
    n("Cast", "shown3", "kept", to=TensorProto.FLOAT),
    n("Shape", "mask", "count", start=1),
    n("Shape", "mask", "rows", start=0, end=1),
    n("Squeeze", "count i0", "length"),
    n("Slice", "garbage i0 count i1", "other"),
    n("Where", "shown3 given other", "x"),
    n("Transpose", "x", "turned", perm=[0, 2, 1]),
    n("MatMul", "x turned", "scores"),
    n("Unsqueeze", "shown i1", "columns"),
    n("Where", "columns scores low", "hidden"),
    n("Softmax", "hidden", "weights"),
]


def graph_of(
    nodes: Sequence[onnx.NodeProto],
    held: Mapping[str, Any] | None = None,
    opset: int = 21,
    outputs: Sequence[str] = ("y",),
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model of `given` float32[B, T, 4], `ids` int64[B, T], and `mask` int64[B, T]."""
    inputs = [
        helper.make_tensor_value_info("given", TensorProto.FLOAT, ["B", "T", 4]),
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["B", "T"]),
        helper.make_tensor_value_info("mask", TensorProto.INT64, ["B", "T"]),
    ]
    constants = {**HELD, **(held or {})}
    graph = helper.make_graph(
        [*PRELUDE, *nodes],
        "graph",
        inputs,
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


TOKENS = Tokens("mask", {"given": (1,), "ids": (1,), "mask": (1,)})


def proof_of(model: onnx.ModelProto, most: int = MOST) -> Proof:
    data = model.SerializeToString()
    return analyse(data, TOKENS, {"B", "T"}, ["given", "ids", "mask"], Weights(data), most)


def running(model: onnx.ModelProto) -> Any:
    """A session of onnxruntime for a model whose outputs have no type yet: it infers them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def drawn(rng: np.random.Generator, rows: int, length: int) -> dict[str, Any]:
    """A call whose mask has holes, and shows the first token of each row."""
    mask = (rng.random((rows, length)) < 0.7).astype(np.int64)
    mask[:, 0] = 1
    return {
        "given": rng.uniform(-2, 2, (rows, length, 4)).astype(np.float32),
        "ids": rng.integers(0, 6, (rows, length)),
        "mask": mask,
    }


def longer(feeds: Mapping[str, Any], size: int) -> dict[str, Any]:
    """A call filled up with zeros to so many tokens."""
    return {
        name: np.pad(array, [(0, size - array.shape[1] if axis == 1 else 0) for axis in range(array.ndim)])
        for name, array in feeds.items()
    }


def worst(session: Any, proof: Proof, seed: int = 0) -> float:
    """The largest difference between calls and the same calls filled up, in parts of the largest number of what is
    compared; infinite for other shapes, and where only the call itself gives a number."""
    rng = np.random.default_rng(seed)
    found = 0.0
    for length, size in ((1, 2), (3, 4), (3, MOST), (5, 8), (1, MOST), (MOST - 1, MOST)):
        if length < proof.least:
            continue
        feeds = drawn(rng, 3, length)
        exact, filled = session.run(None, feeds), session.run(None, longer(feeds, size))
        for axes, a, b in zip(proof.axes.values(), exact, filled, strict=True):
            cut = b
            for axis in axes:
                cut = np.take(cut, range(length), axis)
            found = max(found, difference(a, cut))
    return found


def difference(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    if a.shape != b.shape or a.dtype != b.dtype or not a.size:
        return 0.0 if a.shape == b.shape else float("inf")
    if a.dtype.kind != "f":
        return 0.0 if np.array_equal(a, b) else float("inf")
    strange = ~np.isfinite(a)  # inf - inf or inf, as sums go in one order or another
    if not np.isfinite(b[~strange]).all():
        return float("inf")
    if strange.all():
        return 0.0
    a, b = a[~strange].astype(np.float64), b[~strange].astype(np.float64)
    return float(np.abs(a - b).max() / max(1e-2, np.abs(a).max()))  # less is what is left where much was taken off
