"""Layers that bring data into range: Rescaling, Normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, require_least_rank, resolve_axis
from archonnx.compiler.layers.domains import Axes, Flag, Literal, Optional, literal_shape

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

EPSILON = 1e-7  # keras.backend.epsilon(), the least standard deviation that is divided by


class Rescaling(KerasLayer):
    """`x * scale + offset`, in floating numbers: `Rescaling(1 / 255)` brings pixels to 0 to 1."""

    inputs = ("inputs",)
    scale = arg(Literal(), doc="The factor, or one for each channel.")
    offset = arg(Literal(), default=0.0, doc="What is added, or one for each channel.")
    keras = "Rescaling"
    onnx = ("Mul", "Add")
    formula = "y = inputs * scale + offset"
    example = "input image: uint8[N, 8, 8, 3]\nRescaling(1 / 255)"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        for name in ("scale", "offset"):
            shape = literal_shape(getattr(self, name))
            aligned = x.shape[x.rank - len(shape) :] if len(shape) <= x.rank else ()
            if len(shape) > x.rank or any(n not in (1, d) for n, d in zip(shape, aligned, strict=True)):
                raise LayerError(
                    "E0308", f"Rescaling has {name} of shape {list(shape)}, which does not fit {inputs}", argument=name
                )
        return x

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        if self.scale != 1:
            x = b.op("Mul", x, b.constant(self.scale, x.dtype), result=x.type)
        if self.offset != 0:
            x = b.op("Add", x, b.constant(self.offset, x.dtype), result=x.type)
        return x


class Normalization(KerasLayer):
    """`(x - mean) / sqrt(variance)` along axes, with numbers given here or as weights.

    Without numbers it has Keras' three weights, mean, variance and count, none of them trainable.
    """

    inputs = ("inputs",)
    axis = arg(Optional(Axes()), default=(-1,), doc="Axes with numbers for each place; None: one number for all.")
    mean = arg(Optional(Literal()), default=None, doc="The mean, or nested lists of means.")
    variance = arg(Optional(Literal()), default=None, doc="The variance, in the shape of `mean`.")
    invert = arg(Flag(), default=False, doc="Whether the inverse is computed: `x * sqrt(variance) + mean`.")
    keras = "Normalization"
    onnx = ("Sub", "Sqrt", "Max", "Div", "Mul", "Add")
    formula = """y = (inputs - mean) / max(sqrt(variance), 1e-7)
with invert: inputs * max(sqrt(variance), 1e-7) + mean"""
    example = "input image: float32[N, 8, 8, 3]\nNormalization(mean=[0.5, 0.5, 0.5], variance=[0.1, 0.1, 0.1])"

    def validate(self) -> None:
        if (self.mean is None) != (self.variance is None):
            missing = "mean" if self.mean is None else "variance"
            raise LayerError(
                "E0414",
                f"Normalization needs mean and variance together, got no {missing}",
                argument="variance" if missing == "mean" else "mean",
            )
        if self.mean is not None:
            if literal_shape(self.mean) != literal_shape(self.variance):
                raise LayerError(
                    "E0415",
                    f"Normalization needs a variance of the mean's shape {list(literal_shape(self.mean))}, "
                    f"got {list(literal_shape(self.variance))}",
                    argument="variance",
                )
            if len(literal_shape(self.mean)) > len(self._given):
                raise LayerError(
                    "E0415",
                    f"Normalization has means of shape {list(literal_shape(self.mean))} for {len(self._given)} axes",
                    argument="mean",
                )

    @property
    def _given(self) -> tuple[int, ...]:
        return (self.axis,) if isinstance(self.axis, int) else self.axis or ()

    def _axes(self, x: TensorType) -> list[int]:
        return sorted({resolve_axis(self, x, axis, "axis") for axis in self._given})

    def _sizes(self, c: Context, x: TensorType) -> tuple[int, ...]:
        return tuple(c.known(x, axis) for axis in self._axes(x))

    def declare(self, c: Context, inputs: TensorType) -> None:
        require_least_rank(self, inputs, 1)
        if self.mean is None:
            shape = self._sizes(c, inputs)
            c.weight("mean", shape, "zeros", trainable=False, dtype=self.compute_dtype)
            c.weight("variance", shape, "ones", trainable=False, dtype=self.compute_dtype)
            c.weight("count", (), "zeros", trainable=False, dtype="int32")  # Keras keeps it; nothing reads it

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 1)
        sizes = self._sizes(c, x)
        shape = literal_shape(self.mean) if self.mean is not None else ()
        if any(n not in (1, d) for n, d in zip(shape, sizes[len(sizes) - len(shape) :], strict=True)):
            raise LayerError(
                "E0308", f"Normalization has means of shape {list(shape)}, which do not fit {inputs}", argument="mean"
            )
        return x

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        mean, deviation = self._numbers(b, x) if self.mean is not None else self._weights(b, x)
        if self.invert:
            return b.op("Add", mean, b.op("Mul", x, deviation, result=x.type), result=x.type)
        return b.op("Div", b.op("Sub", x, mean, result=x.type), deviation, result=x.type)

    def _weights(self, b: Builder, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, from the weights, to broadcast against x."""
        axes = self._axes(x.type)
        first = axes[0] if axes else x.rank
        shape = [d if axis in axes else 1 for axis, d in enumerate(x.shape)][first:]
        deviation = b.op("Max", b.op("Sqrt", b.weight("variance")), b.like(x, EPSILON))
        return b.reshape(b.weight("mean"), shape), b.reshape(deviation, shape)

    def _numbers(self, b: Builder, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, from the arguments, to broadcast against x. Shapes align with the last axes."""
        import numpy as np

        shape = [1] * x.rank
        given = literal_shape(self.mean)
        axes = self._axes(x.type)
        for axis, size in zip(axes[len(axes) - len(given) :], given, strict=True):
            shape[axis] = size
        mean: Any = np.asarray(self.mean, np.float32).reshape(shape)
        deviation: Any = np.sqrt(np.asarray(self.variance, np.float32)).reshape(shape)
        return b.constant(mean, x.dtype), b.constant(np.maximum(deviation, np.float32(EPSILON)), x.dtype)
