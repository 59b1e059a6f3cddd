"""The onnx package's own node cases in float16: each operator that is lowered loads, has fitting types and loses little."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from backend_nodes import load
from onnx import numpy_helper

from archonnx.runtime.precision.candidates import largest_error
from archonnx.runtime.precision.graphs import Graph
from archonnx.runtime.precision.lowering import lower
from archonnx.runtime.precision.operators import Floats, element_types, floats_of

EACH = 2  # cases of an operator
BOUND = 2e-2
# Where float16 does otherwise by its nature, or on onnxruntime's CPU provider alone.
OTHERWISE = {
    "test_batchnorm_example_training_mode": "its results are differences of numbers that are rounded",
    "test_batchnorm_epsilon_training_mode": "its results are differences of numbers that are rounded",
    "test_logsoftmax_large_number": "10,003 lies between two halves",
    "test_softmax_large_number": "10,003 lies between two halves",
    "test_reduce_prod_default_axes_keepdims_example": "the product is past the largest half",
}
ON_THE_CPU = "MLFloat16"  # "MLFloat16 data type is not supported with ScatterND opset 18 when reduction is 'add'."


def cases() -> Iterator[tuple[Any, dict[int, Floats]]]:
    """Cases of one node that is lowered."""
    seen: dict[str, int] = {}
    for case in load():
        model = case.model
        if model is None or len(model.graph.node) != 1 or case.name in OTHERWISE:
            continue
        node, opset = model.graph.node[0], max(entry.version for entry in model.opset_import)
        halves = floats_of(node, element_types(model.SerializeToString()), opset, "float16")
        if halves is not None and halves.outputs and seen.get(node.op_type, 0) < EACH:
            seen[node.op_type] = seen.get(node.op_type, 0) + 1
            yield case, {0: halves}


def session(model: onnx.ModelProto) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def test_every_operator_that_is_lowered_computes_in_half() -> None:
    wrong: dict[str, str] = {}
    ran: set[str] = set()
    for case, halves in cases():
        given = case.data_sets[0][0]
        feeds = {
            value.name: numpy_helper.to_array(each) if isinstance(each, onnx.TensorProto) else each
            for value, each in zip(case.model.graph.input, given, strict=False)
        }
        try:
            reference = session(case.model).run(None, feeds)
        except Exception:  # noqa: BLE001 - onnxruntime lacks it in float32 too
            continue
        for emulate in (False, True):
            graph = Graph(onnx.ModelProto.FromString(case.model.SerializeToString()), "", case.name)
            lower(graph, halves, "float16", emulate)
            try:
                found = session(graph.proto).run(None, feeds)
            except Exception as error:  # noqa: BLE001 - its classes share no base
                if ON_THE_CPU not in str(error):
                    wrong[case.name] = str(error)
                continue
            ran.add(case.model.graph.node[0].op_type)
            off = largest_error([found], [reference])
            if not off < BOUND:
                wrong[case.name] = f"error {off:.1e}"
            same = [np.asarray(a).dtype == np.asarray(b).dtype for a, b in zip(found, reference, strict=True)]
            if not all(same):
                wrong[case.name] = "its outputs have other types"
    assert wrong == {}
    assert len(ran) > 100
    assert {"Conv", "MatMul", "Gemm", "LSTM", "Softmax", "LayerNormalization", "Resize", "TopK"} <= ran


@pytest.mark.parametrize("name", sorted(OTHERWISE))
def test_what_is_otherwise_is_a_case(name: str) -> None:
    assert name in {case.name for case in load()}
