"""The element types of results, where onnx infers none."""

from __future__ import annotations

from archonnx.runtime.padding.ranges import BOOL
from archonnx.runtime.padding.states import Step

_TESTS = frozenset("And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Xor".split())
_INT64, _FLOAT, _UINT8 = 7, 1, 2
_LIKE = {"Where": 1, "CastLike": 1, "DequantizeLinear": 1, "QuantizeLinear": 2}


def type_of(node: Step) -> int:
    """onnx's number of the type of a node's first output, 0 where it is not known."""
    operator = node.operator
    if operator in _TESTS:
        return BOOL
    if operator == "Cast":
        return int(node.attribute("to", 0))
    if operator in ("Shape", "Size"):
        return _INT64
    if operator == "ConstantOfShape":
        value = node.attribute("value")
        return _FLOAT if value is None else int(value.data_type)
    like = node.maybe(_LIKE.get(operator, 0))
    if operator == "QuantizeLinear" and like is None:
        return _UINT8
    return 0 if like is None else like.dtype
