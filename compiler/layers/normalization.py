"""BatchNormalization and LayerNormalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.common import KerasLayer, require_floats, require_least_rank, resolve_axes, resolve_axis
from archonnx.compiler.layers.domains import (
    Absent,
    Axes,
    Axis,
    Flag,
    Ignored,
    InitializerDomain,
    Real,
)

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

_RENORM = "renormalization is for training"


class BatchNormalization(KerasLayer):
    """`gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta` along one axis, as at inference."""

    inputs = ("inputs",)
    axis = arg(Axis(), default=-1, doc="The axis with a mean and variance for each place: the channels.")
    momentum = arg(Real(), default=0.99, doc="Used in training only.")
    epsilon = arg(Real(minimum=0), default=0.001, doc="Added to the variance.")
    center = arg(Flag(), default=True, doc="Whether beta is added.")
    scale = arg(Flag(), default=True, doc="Whether gamma is multiplied.")
    beta_initializer = arg(InitializerDomain(), default="zeros", doc="What beta starts from.")
    gamma_initializer = arg(InitializerDomain(), default="ones", doc="What gamma starts from.")
    moving_mean_initializer = arg(InitializerDomain(), default="zeros", doc="What the mean starts from.")
    moving_variance_initializer = arg(InitializerDomain(), default="ones", doc="What the variance starts from.")
    beta_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    gamma_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    beta_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    gamma_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    renorm = arg(Absent(_RENORM, absent=False), default=False, doc="Not offered.")
    renorm_clipping = arg(Ignored(), default=None, doc="Used in training only.")
    renorm_momentum = arg(Ignored(), default=0.99, doc="Used in training only.")
    synchronized = arg(Ignored(), default=False, doc="Used in training only.")
    keras = "BatchNormalization"
    torch = "BatchNorm2d"
    onnx = ("BatchNormalization",)
    formula = "y = gamma * (inputs - moving_mean) / sqrt(moving_variance + epsilon) + beta, place by place along axis"
    example = "input image: float32[N, 8, 8, 3]\nBatchNormalization()"

    def declare(self, c: Context, inputs: TensorType) -> None:
        require_least_rank(self, inputs, 2)
        shape = (c.known(inputs, resolve_axis(self, inputs, self.axis, "axis")),)
        if self.scale:
            c.weight("gamma", shape, self.gamma_initializer, dtype=self.compute_dtype)
        if self.center:
            c.weight("beta", shape, self.beta_initializer, dtype=self.compute_dtype)
        mean, variance = self.moving_mean_initializer, self.moving_variance_initializer
        c.weight("moving_mean", shape, mean, trainable=False, dtype=self.compute_dtype)
        c.weight("moving_variance", shape, variance, trainable=False, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 2)
        c.known(x, resolve_axis(self, x, self.axis, "axis"))
        return x

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        axis = self.axis % x.rank
        order = [a for a in range(x.rank) if a != axis]
        order.insert(1, axis)
        back = [order.index(a) for a in range(x.rank)]
        size = self.weights["moving_mean"].shape[0]
        turned = b.transpose(x, order)
        y = b.op(
            "BatchNormalization",
            turned,
            b.weight("gamma") if self.scale else b.constant([1.0] * size, x.dtype),
            b.weight("beta") if self.center else b.constant([0.0] * size, x.dtype),
            b.weight("moving_mean"),
            b.weight("moving_variance"),
            result=turned.type,
            epsilon=self.epsilon,
        )
        return b.transpose(y, back)


class LayerNormalization(KerasLayer):
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta`, mean and variance taken over axes of each example."""

    inputs = ("inputs",)
    axis = arg(Axes(), default=-1, doc="Axis, or axes, that the mean is taken over.")
    epsilon = arg(Real(minimum=0), default=0.001, doc="Added to the variance.")
    center = arg(Flag(), default=True, doc="Whether beta is added.")
    scale = arg(Flag(), default=True, doc="Whether gamma is multiplied.")
    beta_initializer = arg(InitializerDomain(), default="zeros", doc="What beta starts from.")
    gamma_initializer = arg(InitializerDomain(), default="ones", doc="What gamma starts from.")
    beta_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    gamma_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    beta_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    gamma_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    rms_scaling = arg(
        Flag(),
        default=False,
        doc="Keras' former form: `gamma * x / sqrt(variance + epsilon)`. RMSNormalization is the usual one.",
        keras=False,
    )
    keras = "LayerNormalization"
    torch = "LayerNorm"
    onnx = ("LayerNormalization", "ReduceMean", "Sub", "Mul", "Add", "Sqrt", "Div")
    formula = """y = gamma * (inputs - mean) / sqrt(variance + epsilon) + beta
mean, variance = those of inputs along axis"""
    example = "input x: float32[N, 10, 64]\nLayerNormalization()"

    def declare(self, c: Context, inputs: TensorType) -> None:
        require_floats(self, inputs)
        require_least_rank(self, inputs, 1)
        resolve_axes(self, inputs, self.axis, "axis")
        # Keras sorts the numbers as they are written, negative ones first.
        shape = tuple(c.known(inputs, axis) for axis in sorted(self.axis))
        if self.scale or self.rms_scaling:
            c.weight("gamma", shape, self.gamma_initializer, dtype=self.compute_dtype)
        if self.center and not self.rms_scaling:
            c.weight("beta", shape, self.beta_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_least_rank(self, inputs, 1)
        for axis in resolve_axes(self, inputs, self.axis, "axis"):
            c.known(inputs, axis)
        return self.floating(inputs)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        axes = resolve_axes(self, x.type, self.axis, "axis")
        order = [*(a for a in range(x.rank) if a not in axes), *axes]
        turned = b.transpose(x, order)
        y = self._scaled_by_deviation(b, turned, len(axes)) if self.rms_scaling else self._normalized(b, turned, axes)
        return b.transpose(y, [order.index(a) for a in range(x.rank)])

    def _normalized(self, b: Builder, x: Tensor, axes: list[int]) -> Tensor:
        sizes = x.shape[-len(axes) :]
        # ONNX wants the scale even where there is none.
        gamma = b.reshape(b.weight("gamma"), sizes) if self.scale else _ones(b, [b.known(d) for d in sizes], x.dtype)
        beta = b.reshape(b.weight("beta"), sizes) if self.center else None
        return b.op("LayerNormalization", x, gamma, beta, result=x.type, axis=-len(axes), epsilon=self.epsilon)

    def _scaled_by_deviation(self, b: Builder, x: Tensor, count: int) -> Tensor:
        """`gamma * x / sqrt(variance + epsilon)`: what Keras' rms_scaling computes, in at least float32."""
        wide = b.cast(x, "float64" if x.dtype == "float64" else "float32")
        axes = range(-count, 0)
        centred = b.op("Sub", wide, b.reduce("Mean", wide, axes, keepdims=True))
        variance = b.reduce("Mean", b.op("Mul", centred, centred), axes, keepdims=True)
        y = b.op("Div", wide, b.op("Sqrt", b.op("Add", variance, b.like(wide, self.epsilon))))
        gamma = b.cast(b.reshape(b.weight("gamma"), x.shape[-count:]), wide.dtype)
        return b.cast(b.op("Mul", y, gamma), x.dtype)


def _ones(b: Builder, shape: list[Dim], dtype: str) -> Tensor:
    import numpy as np

    return b.constant(np.ones([d for d in shape if isinstance(d, int)], np.float32), dtype)
