"""RMSNormalization and UnitNormalization: division by a length, nothing subtracted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, require_floats, require_least_rank, resolve_axes
from archonnx.compiler.layers.domains import Axes, Real

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

# The smallest length that UnitNormalization divides by: Keras' 1e-12, and of float16 the smallest normal number.
_SHORTEST = {"float16": 6.2e-5}


class RMSNormalization(KerasLayer):
    """Divides by the root of the mean square along the last axis or axes, and scales: [..., D] to [..., D]."""

    inputs = ("x",)
    masking = "drop"
    axis = arg(Axes(), default=-1, doc="The last axis, or the last ones, that the mean is taken over.")
    epsilon = arg(Real(minimum=0), default=1e-6, doc="Added to the mean square.")
    keras = "RMSNormalization"
    torch = "RMSNorm"
    onnx = ("RMSNormalization", "Pow", "ReduceMean", "Add", "Sqrt", "Div", "Mul")
    formula = "y = scale * x / sqrt(mean(x * x) + epsilon), the mean along axis"
    example = "input x: float32[N, 10, 64]\nRMSNormalization()"

    def _count(self, x: TensorType) -> int:
        """How many axes the mean is taken over. E0302, E0303, E0311; E0330 where they are not the last ones."""
        require_floats(self, x)
        require_least_rank(self, x, 1)
        axes = resolve_axes(self, x, self.axis, "axis")
        first = x.rank - len(axes)
        if axes != list(range(first, x.rank)):
            order = [*(a for a in range(1, x.rank) if a not in axes), *axes]
            named = "axis" if len(axes) == 1 else "axes"
            raise LayerError(
                "E0330",
                f"RMSNormalization takes the last axes of {x}, got {named} {', '.join(map(str, axes))}",
                argument="axis",
                help=None if 0 in axes else f"bring what is normalized to the end first: Permute({tuple(order)})",
            )
        return len(axes)

    def declare(self, c: Context, x: TensorType) -> None:
        shape = tuple(c.known(x, axis) for axis in range(-self._count(x), 0))
        c.weight("scale", shape, "ones", dtype=self.compute_dtype)

    def infer(self, c: Context, x: TensorType) -> TensorType:
        self._count(x)
        return self.floating(x)

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        x = self.cast_floating(b, x)
        count, scale = self._count(x.type), b.weight("scale")
        if b.opset >= 23:
            return b.op("RMSNormalization", x, scale, result=x.type, axis=-count, epsilon=self.epsilon)
        # In at least float32, in the form that onnxruntime makes one operator of.
        wide = b.cast(x, "float64" if x.dtype == "float64" else "float32")
        square = b.op("Pow", wide, b.like(wide, 2.0), result=wide.type)
        mean = b.reduce("Mean", square, range(-count, 0), keepdims=True)
        root = b.op("Sqrt", b.op("Add", mean, b.like(wide, self.epsilon)))
        y = b.op("Div", wide, root, result=wide.type)
        return b.cast(b.op("Mul", y, b.cast(scale, wide.dtype), result=wide.type), x.dtype)


class UnitNormalization(KerasLayer):
    """Divides by the length along an axis or several, so that the squares sum to 1; zeros stay zeros."""

    inputs = ("inputs",)
    axis = arg(Axes(), default=-1, doc="Axis, or axes, along which the squares sum to 1.")
    keras = "UnitNormalization"
    onnx = ("ReduceL2", "Max", "Div")
    formula = "y = inputs / max(sqrt(sum(inputs * inputs)), 1e-12), the sum along axis"
    example = "input x: float32[N, 16]\nUnitNormalization()"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_floats(self, inputs)
        require_least_rank(self, inputs, 1)
        resolve_axes(self, inputs, self.axis, "axis")
        return self.floating(inputs)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        length = b.reduce("L2", x, resolve_axes(self, x.type, self.axis, "axis"), keepdims=True)
        least = b.like(x, _SHORTEST.get(x.dtype, 1e-12))
        return b.op("Div", x, b.op("Max", length, least), result=x.type)
