"""Layers inside a layer: Bidirectional(LSTM(8)), SpectralNormalization(Conv2D(4, 3)).

The weights of the layer inside are the outer layer's, under `name/`: `bidirectional/forward_lstm/kernel`. The layer
inside sees them under its own names. A layer that has been applied before, by itself or inside another, keeps the
weights that it has, as in Keras, and the outer layer shares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.compiler.layers.plugins import Guard

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class InnerContext:
    """The Context of the layer inside: weights go to the outer layer, everything else is the outer layer's."""

    def __init__(self, c: Context, outer: Layer, layer: Layer, name: str) -> None:
        self._c, self._outer, self._layer, self._name = c, outer, layer, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._c, attribute)

    def weight(
        self, name: str, shape: tuple[int, ...], initializer: Any, *, trainable: bool = True, dtype: str = "float32"
    ) -> None:
        """Declare a weight of the layer inside; `name/` is left out where the layer inside has no name."""
        full = f"{self._name}/{name}" if self._name else name
        held = self._layer.weights.get(name)
        if held is not None and self._outer.weights.get(full) is not held:
            require_same(held, dtype, shape, self._layer.type_name)
            self._outer.weights[full] = held
            return
        self._c.weight(full, shape, initializer, trainable=trainable and self._layer.given_trainable, dtype=dtype)
        self._layer.weights[name] = self._outer.weights[full]


def require_same(known: Weight, dtype: str, shape: tuple[int, ...], what: str) -> None:
    """E0391 where a weight that is there already is not what another application of its layer would declare."""
    if known.shape != shape or known.dtype != dtype:
        raise LayerError(
            "E0391",
            f"{what} is applied again, and its weight {known.path} would be {dtype}{list(shape)}: "
            f"it is {known.dtype}{list(known.shape)}",
            help="layers that share weights take inputs of the same width",
        )


def declare_inner(c: Context, outer: Layer, layer: Layer, name: str, *inputs: Any) -> None:
    """Declare the weights of the layer inside for inputs of these types, as `name/weight` of the outer layer."""
    with Guard(layer, "the rule declare"):
        layer.declare(InnerContext(c, outer, layer, name), *inputs)


def infer_inner(c: Context, outer: Layer, layer: Layer, name: str, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
    """The types of the results of the layer inside."""
    with Guard(layer, "the rule infer"):
        return layer.infer(InnerContext(c, outer, layer, name), *inputs)


def lower_inner(b: Builder, layer: Layer, *inputs: Any) -> Tensor | tuple[Tensor, ...]:
    """The operators of the layer inside, part of the current node."""
    before, b.inner = b.inner, layer
    try:
        with Guard(layer, "the rule lower"):
            return layer.lower(b, *inputs)
    finally:
        b.inner = before
