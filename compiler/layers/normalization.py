"""BatchNormalization and LayerNormalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, require_least_rank, resolve_axis
from archonnx.compiler.layers.domains import (
    Absent,
    Axes,
    Axis,
    Either,
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
    axis = arg(Either(Axis(), Axes()), default=-1, doc="Axis, or axes, that the mean is taken over.")
    epsilon = arg(Real(minimum=0), default=0.001, doc="Added to the variance.")
    center = arg(Flag(), default=True, doc="Whether beta is added.")
    scale = arg(Flag(), default=True, doc="Whether gamma is multiplied.")
    beta_initializer = arg(InitializerDomain(), default="zeros", doc="What beta starts from.")
    gamma_initializer = arg(InitializerDomain(), default="ones", doc="What gamma starts from.")
    beta_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    gamma_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    beta_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    gamma_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    keras = "LayerNormalization"
    torch = "LayerNorm"
    onnx = ("LayerNormalization",)
    example = "input x: float32[N, 10, 64]\nLayerNormalization()"

    def _axes(self, x: TensorType) -> list[int]:
        """The axes in ascending order, which is that of the weights' axes."""
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        axes = sorted({resolve_axis(self, x, axis, "axis") for axis in given})
        if not axes:
            raise LayerError("E0311", "LayerNormalization needs an axis, got none", argument="axis")
        return axes

    def declare(self, c: Context, inputs: TensorType) -> None:
        require_least_rank(self, inputs, 1)
        shape = tuple(c.known(inputs, axis) for axis in self._axes(inputs))
        if self.scale:
            c.weight("gamma", shape, self.gamma_initializer, dtype=self.compute_dtype)
        if self.center:
            c.weight("beta", shape, self.beta_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 1)
        for axis in self._axes(x):
            c.known(x, axis)
        return x

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        axes = self._axes(x.type)
        order = [*(a for a in range(x.rank) if a not in axes), *axes]
        turned = b.transpose(x, order)
        # ONNX wants the scale even where there is none.
        scale = b.weight("gamma") if self.scale else _ones(b, [b.known(x.shape[a]) for a in axes], x.dtype)
        y = b.op(
            "LayerNormalization",
            turned,
            scale,
            b.weight("beta") if self.center else None,
            result=turned.type,
            axis=-len(axes),
            epsilon=self.epsilon,
        )
        return b.transpose(y, [order.index(a) for a in range(x.rank)])


def _ones(b: Builder, shape: list[Dim], dtype: str) -> Tensor:
    import numpy as np

    return b.constant(np.ones([d for d in shape if isinstance(d, int)], np.float32), dtype)
