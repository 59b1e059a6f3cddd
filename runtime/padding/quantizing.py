"""Rules of QuantizeLinear and DequantizeLinear, whose scales are constants: 0 becomes the zero point, and 0 again.

Sources: the operators' own texts in onnx/docs/Operators.md.
"""

from __future__ import annotations

from collections.abc import Callable

from archonnx.runtime.batching.values import Unprovable
from archonnx.runtime.padding import ranges as rg
from archonnx.runtime.padding.ranges import Range
from archonnx.runtime.padding.states import Made, Step, spread


def quantize(node: Step) -> Made:
    """Whole numbers of a scale for all, or along an axis that does not hold the tokens."""
    return _scaled(node, lambda x, zero: Range(zero, zero) if x.only == 0 else rg.every(node.state(2).dtype))


def dequantize(node: Step) -> Made:
    scale = node.state(1).whole

    def function(x: Range, zero: float) -> Range:
        return rg.multiply(rg.subtract(x, Range(zero, zero)), scale)

    return _scaled(node, function)


def _scaled(node: Step, function: Callable[[Range, float], Range]) -> Made:
    node.fixed(1, 2)
    state, shape = node.state(0), node.shape(0)
    scale, point = node.shape(1), node.maybe(2)
    if node.attribute("block_size", 0):
        raise Unprovable("it has a scale for each block")
    if len(scale) and scale[0].known != 1:
        node.apart(node.normal(int(node.attribute("axis", 1)), len(shape)))
    zero = 0.0 if point is None else point.whole.only
    if zero is None or (point is None and node.operator == "QuantizeLinear"):
        raise Unprovable("its zero point is not one number that the file holds")
    return spread([state], [{axis: axis for axis in state.tails}], lambda x: function(x, zero), shape)
