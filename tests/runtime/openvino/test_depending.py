"""Small models of many operator sets on OpenVINO's library: as onnxruntime's CPU provider computes them, or refused."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.openvino import depending, starting

Arrays = dict[str, np.ndarray[Any, Any]]


class Case(NamedTuple):
    """node: the model's only one; feeds: of each call, one after another; opset: of the model; held: constants;
    refused: the words that OpenVINO is refused with, None where it computes rightly."""

    node: Any
    feeds: list[Arrays]
    opset: int
    held: Arrays
    refused: str | None


def draw(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def case(
    operator: str,
    feeds: Arrays | list[Arrays],
    opset: int,
    refused: str | None,
    held: Arrays | None = None,
    inputs: list[str] | None = None,
    outputs: int = 1,
    **attributes: Any,
) -> Case:
    calls = feeds if isinstance(feeds, list) else [feeds]
    names = inputs or [*calls[0], *(held or {})]
    node = helper.make_node(operator, names, [f"y{at}" for at in range(outputs)], **attributes)
    return Case(node, calls, opset, held or {}, refused)


def body() -> Any:
    """Of a loop: twice its state, whose sum it collects."""
    names = [("i", TensorProto.INT64, []), ("go", TensorProto.BOOL, []), ("v", TensorProto.FLOAT, [2])]
    results = [("on", TensorProto.BOOL, []), ("w", TensorProto.FLOAT, [2]), ("sum", TensorProto.FLOAT, [])]
    nodes = [
        helper.make_node("Identity", ["go"], ["on"]),
        helper.make_node("Add", ["v", "v"], ["w"]),
        helper.make_node("ReduceSum", ["w"], ["sum"], keepdims=0),
    ]
    typed = [[helper.make_tensor_value_info(*each) for each in group] for group in (names, results)]
    return helper.make_graph(nodes, "body", *typed)


X, IMAGE, STEPS = {"x": draw(2, 3, 4)}, {"x": draw(1, 2, 6, 5)}, {"x": draw(5, 2, 3)}
LENGTHS = {"l": np.array([5, 3], np.int32)}
ROUNDS = [{"n": np.array(n), "x": draw(2)} for n in (3, 0, 2)]
WAVES = {"x": draw(1, 4, 6, 2)}
TRUE = {"go": np.array(True)}
CASES = {
    **{
        f"{op}_{opset}": case(op, {"x": np.abs(X["x"])}, opset, wrong and f"{op} with opset {opset} over", axes=[1])
        for op in ("ReduceL1", "ReduceLogSum", "ReduceLogSumExp")
        for opset, wrong in ((11, False), (13, True), (17, True))
    },
    **{f"ReduceSum_{opset}": case("ReduceSum", X, opset, None, axes=[1]) for opset in (9, 11)},
    "ReduceL1_13_all": case("ReduceL1", X, 13, None),
    "ReduceL1_18": case("ReduceL1", X, 18, None, {"axes": np.array([1])}),
    "ReduceLogSum_noop": case(
        "ReduceLogSum", {"x": np.abs(X["x"])}, 18, "ReduceLogSum with noop", noop_with_empty_axes=1
    ),
    "Softmax_9": case("Softmax", X, 9, None, axis=1),
    "Softmax_11": case("Softmax", X, 11, "Softmax with opset 11"),
    "Softmax_12": case("Softmax", X, 12, "Softmax with opset 12", axis=-2),
    "Softmax_12_last": case("Softmax", X, 12, None, axis=2),
    "Softmax_12_matrix": case("Softmax", {"x": draw(3, 4)}, 12, None),
    "Softmax_13": case("Softmax", X, 13, None, axis=1),
    "ReduceLogSumExp_noop": case("ReduceLogSumExp", X, 18, None, noop_with_empty_axes=1),
    **{
        f"{op}_noop": case(op, X, 18, f"{op} with noop", noop_with_empty_axes=1) for op in ("ReduceL1", "ReduceL2")
    },
    "ReduceL2_13": case("ReduceL2", X, 13, None, axes=[1]),
    "Multinomial": case(
        "Multinomial", {"x": np.array([[-100, 100]], np.float32)}, 17, "Multinomial with scores", sample_size=5, dtype=7
    ),
    "PRelu_vector": case("PRelu", {"x": draw(1, 2, 5, 2)}, 16, "PRelu with slopes along the last", {"s": draw(2)}),
    "PRelu_matrix": case("PRelu", {"x": draw(3, 2)}, 16, None, {"s": draw(2)}),
    "PRelu_channels": case("PRelu", IMAGE, 16, None, {"s": draw(2, 1, 1)}),
    "LSTM": case("LSTM", STEPS, 14, None, {"w": draw(1, 16, 3), "r": draw(1, 16, 4)}, outputs=3, hidden_size=4),
    "LSTM_lengths": case(
        "LSTM",
        {**STEPS, **LENGTHS},
        14,
        "LSTM with lengths of the sequences",
        {"w": draw(1, 16, 3), "r": draw(1, 16, 4)},
        ["x", "w", "r", "", "l"],
        3,
        hidden_size=4,
    ),
    "LSTM_forget": case(
        "LSTM", STEPS, 14, "LSTM with input_forget=1", {"w": draw(1, 16, 3), "r": draw(1, 16, 4)}, None, 1,
        hidden_size=4, input_forget=1,
    ),
    "GRU_lengths": case(
        "GRU",
        {**STEPS, **LENGTHS},
        14,
        "GRU with lengths of the sequences",
        {"w": draw(1, 12, 3), "r": draw(1, 12, 4)},
        ["x", "w", "r", "", "l"],
        2,
        hidden_size=4,
    ),
    "RNN_lengths": case(
        "RNN",
        {**STEPS, **LENGTHS},
        14,
        "RNN with lengths of the sequences",
        {"w": draw(1, 4, 3), "r": draw(1, 4, 4)},
        ["x", "w", "r", "", "l"],
        2,
        hidden_size=4,
    ),
    "ConvTranspose": case("ConvTranspose", IMAGE, 11, None, {"w": draw(2, 3, 3, 2)}, strides=[2, 2]),
    "ConvTranspose_same": case(
        "ConvTranspose", IMAGE, 11, "ConvTranspose with auto_pad=", {"w": draw(2, 3, 3, 3)}, auto_pad="SAME_UPPER"
    ),
    "ConvTranspose_shape": case(
        "ConvTranspose", IMAGE, 11, "ConvTranspose with output_shape", {"w": draw(2, 3, 3, 3)},
        strides=[2, 2], output_shape=[12, 10],
    ),
    "MaxPool_places": case("MaxPool", {"x": draw(2, 2, 6, 4)}, 12, None, outputs=2, kernel_shape=[2, 2], strides=[2, 2]),
    "MaxPool_columns": case(
        "MaxPool", {"x": draw(2, 2, 6, 4)}, 12, "MaxPool with storage_order=1", outputs=2,
        kernel_shape=[2, 2], strides=[2, 2], storage_order=1,
    ),
    "AveragePool_ceil": case(
        "AveragePool", IMAGE, 19, "AveragePool with ceil_mode=1 and count", kernel_shape=[3, 3], strides=[2, 2],
        pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1,
    ),
    "Loop_collects": case(
        "Loop", ROUNDS, 17, "Loop with results that it collects", None, ["n", "", "x"], 2, body=body()
    ),
    "Loop_state": case("Loop", ROUNDS, 17, None, None, ["n", "", "x"], 1, body=body()),
    "Loop_rounds": case(
        "Loop", {"x": draw(2)}, 17, None, {"n": np.array(3), **TRUE}, ["n", "go", "x"], 2, body=body()
    ),
    "DFT_17": case("DFT", WAVES, 17, None, axis=2),
    "DFT_17_end": case("DFT", WAVES, 17, "DFT with axis=-2", axis=-2),
    "DFT_20": case("DFT", WAVES, 20, "DFT with another axis than 1"),
    **{
        f"DFT_20_{axis}": case(
            "DFT", WAVES, 20, wrong and "DFT with another axis than 1", {"a": np.array(axis)}, ["x", "", "a"]
        )
        for axis, wrong in ((1, False), (-3, False), (2, True), (-2, True))
    },
    "Tile_constant": case("Tile", IMAGE, 13, None, {"counts": np.array([1, 2, 1, 1])}),
}  # fmt: skip


def model_of(each: Case) -> bytes:
    node = each.node
    if node.op_type == "Loop" and len(node.output) == 1:  # a loop that collects nothing
        del node.attribute[0].g.output[2]
    typed = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), [f"{name}{axis}" for axis in range(array.ndim)]
        )
        for name, array in each.feeds[0].items()
    ]
    held = [numpy_helper.from_array(array, name) for name, array in each.held.items()]
    results = [ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], "g", typed, results, held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", each.opset)], ir_version=8)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    types = {"tensor(float)": TensorProto.FLOAT, "tensor(int64)": TensorProto.INT64}
    for value, known in zip(graph.output, session.get_outputs(), strict=True):
        value.CopyFrom(helper.make_tensor_value_info(known.name, types[known.type], [None] * len(known.shape)))
    made.graph.CopyFrom(graph)
    return made.SerializeToString()


def agrees(session: Any, model: bytes, calls: list[Arrays]) -> bool:
    reference = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for feeds in calls:
        mine = session.run_with_timing(feeds)[0].values()
        for own, theirs in zip(mine, reference.run(None, feeds), strict=True):
            if own.shape != theirs.shape or not np.allclose(own, theirs, rtol=1e-3, atol=1e-4):
                return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_what_operator_sets_and_axes_change_is_computed_as_onnx_says_or_refused(
    on_library: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    each = CASES[name]
    model = model_of(each)
    if not each.refused:
        assert agrees(on_library(model, threads=1), model, each.feeds)
        return
    with pytest.raises(MachineError, match=each.refused) as caught:
        on_library(model)
    assert str(caught.value).endswith('; use device="cpu" for it')
    assert "that gives )" not in str(caught.value)
    monkeypatch.setattr(starting, "check_nodes", lambda *args: None)
    taken = on_library(model, threads=1)
    assert not agrees(taken, model, each.feeds), "OpenVINO gives what is expected now: take the rule out"


def test_axes_are_counted_where_sizes_are_computed(on_library: Any) -> None:
    """As PaddlePaddle exports attention: of what is reshaped to computed sizes, onnx infers no rank behind."""
    nodes = [
        helper.make_node("Reshape", ["x", "sizes"], ["r"]),
        helper.make_node("Squeeze", ["r"], ["t"], axes=[1]),
        helper.make_node("Transpose", ["t"], ["u"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["t", "u"], ["m"]),
        helper.make_node("Mul", ["m", "two"], ["s"]),
        helper.make_node("Softmax", ["s"], ["y"], axis=3),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["N", 24]), value("sizes", TensorProto.INT64, [5])],
        [value("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.float32(2), "two")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8).SerializeToString()
    feeds = {"x": draw(2, 24), "sizes": np.array([2, 1, 3, 2, 4])}
    assert agrees(on_library(model, threads=1), model, [feeds])
    other = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    other.graph.node[-1].attribute[0].i = 2
    with pytest.raises(MachineError, match="Softmax with opset 12"):
        on_library(other)


def test_all_rules_are_tried() -> None:
    tried = {each.node.op_type for each in CASES.values() if each.refused}
    assert depending.DEPENDING.keys() - {"Tile"} <= tried  # that one is among the onnx package's cases
