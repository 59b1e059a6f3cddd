"""Layers that act in training only and hand their input on at inference: Dropout and its kin, Identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.common import Elementwise, require_rank
from archonnx.compiler.layers.domains import DataFormat, Ignored, Real
from archonnx.compiler.layers.windows import axis_names

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

_TRAINING = "Used in training only."
_RATE = Real(minimum=0, maximum=1)


class _PassThrough(Elementwise):
    """Hands its input on."""

    abstract = True
    formula = "y = inputs"
    inputs = ("inputs",)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return b.identity(self.cast_kept(b, inputs))


class Identity(_PassThrough):
    """Hands its input on."""

    keras = "Identity"
    torch = "Identity"
    example = "input x: float32[N, 16]\nIdentity()"


class Dropout(_PassThrough):
    """Sets a share of the values to 0 in training; hands its input on at inference."""

    rate = arg(_RATE, doc="Share of the values that are dropped in training.")
    noise_shape = arg(Ignored(), default=None, doc=_TRAINING)
    seed = arg(Ignored(), default=None, doc=_TRAINING)
    keras = "Dropout"
    torch = "Dropout"
    example = "input x: float32[N, 16]\nDropout(0.5)"


class AlphaDropout(_PassThrough):
    """Dropout that keeps mean and variance in training; hands its input on at inference."""

    rate = arg(_RATE, doc="Share of the values that are dropped in training.")
    noise_shape = arg(Ignored(), default=None, doc=_TRAINING)
    seed = arg(Ignored(), default=None, doc=_TRAINING)
    keras = "AlphaDropout"
    torch = "AlphaDropout"
    example = "input x: float32[N, 16]\nAlphaDropout(0.1)"


class GaussianDropout(_PassThrough):
    """Multiplies by noise in training; hands its input on at inference."""

    rate = arg(_RATE, doc="Strength of the noise in training.")
    seed = arg(Ignored(), default=None, doc=_TRAINING)
    keras = "GaussianDropout"
    example = "input x: float32[N, 16]\nGaussianDropout(0.1)"


class GaussianNoise(_PassThrough):
    """Adds noise in training; hands its input on at inference."""

    stddev = arg(Real(minimum=0), doc="Standard deviation of the noise in training.")
    seed = arg(Ignored(), default=None, doc=_TRAINING)
    keras = "GaussianNoise"
    example = "input x: float32[N, 16]\nGaussianNoise(0.1)"


class ActivityRegularization(_PassThrough):
    """Adds to the loss in training; hands its input on at inference."""

    l1 = arg(Ignored(), default=0.0, doc=_TRAINING)
    l2 = arg(Ignored(), default=0.0, doc=_TRAINING)
    keras = "ActivityRegularization"
    example = "input x: float32[N, 16]\nActivityRegularization(l2=0.01)"


class SpatialDropout1D(_PassThrough):
    """Drops whole channels in training; hands its input on at inference: [batch, steps, channels]."""

    rate = arg(_RATE, doc="Share of the channels that are dropped in training.")
    seed = arg(Ignored(), default=None, doc=_TRAINING)
    keras = "SpatialDropout1D"
    torch = "Dropout1d"
    example = "input x: float32[N, 100, 8]\nSpatialDropout1D(0.2)"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(1, False))
        return self.kept(inputs)


class SpatialDropout2D(_PassThrough):
    """Drops whole channels in training; hands its input on at inference: [batch, height, width, channels]."""

    rate = arg(_RATE, doc="Share of the channels that are dropped in training.")
    data_format = arg(DataFormat(), default=None, doc=_TRAINING)
    seed = arg(Ignored(), default=None, doc=_TRAINING)
    keras = "SpatialDropout2D"
    torch = "Dropout2d"
    example = "input image: float32[N, 8, 8, 3]\nSpatialDropout2D(0.2)"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(2, self.data_format == "channels_first"))
        return self.kept(inputs)


class SpatialDropout3D(_PassThrough):
    """Drops whole channels in training; hands its input on at inference: [batch, depth, height, width, channels]."""

    rate = arg(_RATE, doc="Share of the channels that are dropped in training.")
    data_format = arg(DataFormat(), default=None, doc=_TRAINING)
    seed = arg(Ignored(), default=None, doc=_TRAINING)
    keras = "SpatialDropout3D"
    torch = "Dropout3d"
    example = "input volume: float32[N, 4, 4, 4, 2]\nSpatialDropout3D(0.2)"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(3, self.data_format == "channels_first"))
        return self.kept(inputs)
