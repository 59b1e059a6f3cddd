"""What is looked for in models before OpenVINO's plug-in has them, without the plug-in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.openvino.nodes import read_nodes
from archonnx.runtime.openvino.unchanged import check_casts
from archonnx.runtime.openvino.wholes import check_wholes

FLOATS, BYTES, WHOLE = ("float32", ["N"]), ("uint8", ["N"]), ("int64", ["N"])
WIDE = 2**40


def checked(model: Any) -> None:
    data = model.SerializeToString()
    outline, nodes = read_model(data), read_nodes(data)
    check_casts(outline, nodes)
    check_wholes(data, outline, nodes)


def cast(source: str, target: str, to: int = TensorProto.FLOAT) -> Any:
    return helper.make_node("Cast", [source], [target], to=to)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([cast("x", "y")], "Cast of an input to the type that it has (node that gives y)"),
        ([helper.make_node("Identity", ["x"], ["a"]), cast("a", "y")], "Cast of an input to the type that it has"),
        (
            [cast("x", "a"), cast("a", "y")],
            "Cast of an input to the type that it has (nodes that gives a, that gives y)",
        ),
        ([helper.make_node("CastLike", ["x", "x"], ["y"])], "CastLike of an input to the type that it has"),
        ([cast("x", "a"), helper.make_node("Identity", ["a"], ["y"])], None),
        ([cast("x", "a"), helper.make_node("Neg", ["a"], ["y"])], None),
        ([cast("x", "a", TensorProto.FLOAT16), cast("a", "y")], None),
        ([helper.make_node("Neg", ["x"], ["a"]), cast("a", "y")], None),
        ([helper.make_node("Cast", ["x"], ["y"], domain="own")], None),
    ],
)
def test_casts_that_change_nothing(make: Any, nodes: list[Any], words: str | None) -> None:
    model = make({"x": FLOATS}, nodes, {"y": FLOATS})
    if words is None:
        checked(model)
        return
    with pytest.raises(MachineError) as caught:
        checked(model)
    assert words in str(caught.value)
    assert str(caught.value).endswith('; use device="cpu" for it')


@pytest.mark.parametrize(
    ("operator", "value", "domain", "refused"),
    [
        ("Div", BYTES, "", "it computes in uint8"),
        ("Sum", BYTES, "", "it computes in uint8"),
        ("Max", BYTES, "", None),
        ("Div", FLOATS, "", None),
        ("Div", BYTES, "own", None),
    ],
)
def test_whole_numbers_of_few_bits(make: Any, operator: str, value: Any, domain: str, refused: str | None) -> None:
    model = make({"x": value}, [helper.make_node(operator, ["x", "x"], ["y"], domain=domain)], {"y": value})
    if refused is None:
        checked(model)
        return
    with pytest.raises(MachineError, match=refused):
        checked(model)


def constant(**attributes: Any) -> list[Any]:
    return [helper.make_node("Constant", [], ["c"], **attributes)]


@pytest.mark.parametrize(
    ("before", "held"),
    [
        ([], [numpy_helper.from_array(np.array([1, WIDE]), "c")]),
        ([], [helper.make_tensor("c", TensorProto.INT64, [2], [1, WIDE])]),
        ([], [helper.make_tensor("c", TensorProto.UINT64, [1], [2**63])]),
        ([], [numpy_helper.from_array(np.array([2**32 - 1], np.uint32), "c")]),
        (constant(value_int=WIDE), []),
        (constant(value=helper.make_tensor("c", TensorProto.INT64, [1], [-WIDE])), []),
    ],
)
def test_constants_of_more_than_32_bits(make: Any, before: list[Any], held: list[Any]) -> None:
    reckons = helper.make_node("Mul", ["x", "c"], ["y"])
    with pytest.raises(MachineError, match=r"it computes with the constant .*, which OpenVINO cuts to 32 bits"):
        checked(make({"x": WHOLE}, [*before, reckons], {"y": WHOLE}, held))
    checked(make({"x": WHOLE}, [*before, helper.make_node("Min", ["x", "c"], ["y"])], {"y": WHOLE}, held))


def test_constants_of_32_bits_are_fine(make: Any) -> None:
    held = [numpy_helper.from_array(np.array([-(2**31), 2**31 - 1]), "c")]
    checked(make({"x": WHOLE}, [helper.make_node("Mul", ["x", "c"], ["y"])], {"y": WHOLE}, held))
