"""Layers that PyTorch has a module for: which module, and the operators around its call.

A maker is given `Making` and the application's inputs as tensors; it gives the results as `Layer.lower` does, or None
where the arguments go beyond PyTorch's: the layer's own operators compute it then. COUNTERPARTS has them by class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import activations
from archonnx.compiler.torch.attention import multi_head_attention
from archonnx.compiler.torch.augmentation import AUGMENTATIONS
from archonnx.compiler.torch.convolutions import convolution, separable_convolution, transposed_convolution
from archonnx.compiler.torch.making import Making
from archonnx.compiler.torch.normalizations import (
    batch_normalization,
    channels_second,
    group_normalization,
    layer_normalization,
    rms_normalization,
)
from archonnx.compiler.torch.recurrent import RECURRENT
from archonnx.compiler.torch.spatial import SPATIAL

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor

Made = Any  # a Tensor, a tuple of them, or None
Maker = Callable[..., Made]


def dense(m: Making, inputs: Tensor) -> Made:
    x, (width, units) = m.floating(inputs), m.sizes("kernel")
    result = TensorType(x.dtype, (*x.shape[:-1], units))
    y = m.module(lambda nn: nn.Linear(width, units, bias=m.has("bias")), x, result=result)
    return activations.apply(m.b, m.layer.activation, y)


def einsum_dense(m: Making, inputs: Tensor) -> Made:
    """nn.Linear where the last axes are summed over, in the kernel's order, and the new ones stand last."""
    x, equation = m.floating(inputs), m.layer._parsed()
    given, wanted = equation.input_axes(x.rank), equation.result_axes(x.rank)
    inside, new = equation.contracted, equation.new
    plain = (
        inside
        and new
        and not equation.shared
        and not equation.summed
        and given[-len(inside) :] == inside
        and wanted == [*given[: -len(inside)], *new]
        and ("bias" not in m.layer.weights or list(m.layer.bias_axes or "") == new)
    )
    if not plain:
        return None
    units, width = m.written["weight"].shape
    ahead = x.shape[: -len(inside)]
    sizes = [dict(zip(equation.kernel, m.sizes("kernel"), strict=True))[a] for a in new]
    y = m.module(
        lambda nn: nn.Linear(width, units, bias=m.has("bias")),
        m.b.reshape(x, (*ahead, width)),
        result=TensorType(x.dtype, (*ahead, units)),
    )
    return activations.apply(m.b, m.layer.activation, m.b.reshape(y, (*ahead, *sizes)))


def embedding(m: Making, inputs: Tensor) -> Made:
    rows, width = m.sizes("embeddings")
    b = m.b
    places = inputs if inputs.dtype in ("int32", "int64") else b.cast(inputs, "int64")
    result = TensorType(m.layer.compute_dtype, (*inputs.shape, width))
    y = m.module(lambda nn: nn.Embedding(rows, width), places, result=result)
    return (y, b.op("Not", b.op("Equal", inputs, b.like(inputs, 0)))) if m.layer.mask_zero else y


def prelu(m: Making, inputs: Tensor) -> Made:
    """nn.PReLU where alpha is one number, or one a channel, the last axis."""
    x, alpha = m.floating(inputs), m.sizes("alpha")
    if any(extent != 1 for extent in alpha[:-1]):
        return None
    order, back = channels_second(x.rank, x.rank - 1)
    turned = m.b.transpose(x, order)
    return m.b.transpose(m.module(lambda nn: nn.PReLU(alpha[-1]), turned, result=turned.type), back)


def flatten(m: Making, inputs: Tensor) -> Made:
    """nn.Flatten of two axes or more, the channels last."""
    x = m.b.cast(inputs, m.node.outputs[0].type.dtype)
    if x.rank < 2:
        return None
    x = m.b.channels_last(x) if m.layer.data_format == "channels_first" else x
    return m.module(lambda nn: nn.Flatten(), x, result=m.node.outputs[0].type)


def dropout(m: Making, inputs: Tensor) -> Made:
    from archonnx.compiler.torch.network import DropoutOfShape

    x, shape = m.b.cast(inputs, m.layer.kept(inputs.type).dtype), m.layer.noise_shape
    if isinstance(shape, (list, tuple)):
        return m.module(lambda nn: DropoutOfShape(m.layer.rate, shape), x, result=x.type)
    return m.module(lambda nn: nn.Dropout(m.layer.rate), x, result=x.type)


def spatial_dropout(rank: int) -> Maker:
    """nn.Dropout1d, 2d, 3d, which drop channels at place 1."""

    def make(m: Making, inputs: Tensor) -> Made:
        x = m.b.cast(inputs, m.layer.kept(inputs.type).dtype)
        first = m.layer.arguments.get("data_format") == "channels_first"
        turned = x if first else m.b.channels_first(x)
        y = m.module(lambda nn: getattr(nn, f"Dropout{rank}d")(m.layer.rate), turned, result=turned.type)
        return y if first else m.b.channels_last(y)

    return make


def elementwise(make: Callable[[Any, Any], Any], fits: Callable[[Any], bool] = lambda layer: True) -> Maker:
    """A module without weights on the one input; `make` takes torch.nn and the layer."""

    def made(m: Making, *inputs: Tensor | None) -> Made:
        given = [x for x in inputs if x is not None]
        if len(given) != 1 or not fits(m.layer):
            return None
        x = m.b.cast(given[0], m.node.outputs[0].type.dtype)
        return m.module(lambda nn: make(nn, m.layer), x, result=x.type)

    return made


def _ours(name: str) -> Callable[[Any, Any], Any]:
    def make(nn: Any, layer: Any) -> Any:
        from archonnx.compiler.torch import network

        return getattr(network, name)(layer.arguments.get("rate", layer.arguments.get("stddev")))

    return make


def _one_axis(layer: Any) -> bool:
    return isinstance(layer.axis, int) or len(layer.axis) == 1


def _axis(layer: Any) -> int:
    return int(layer.axis if isinstance(layer.axis, int) else layer.axis[0])


NAMED: dict[str, Callable[[Any], Any]] = {
    "elu": lambda nn: nn.ELU(),
    "gelu": lambda nn: nn.GELU(),
    "hard_silu": lambda nn: nn.Hardswish(),
    "leaky_relu": lambda nn: nn.LeakyReLU(0.2),
    "mish": lambda nn: nn.Mish(),
    "relu": lambda nn: nn.ReLU(),
    "relu6": lambda nn: nn.ReLU6(),
    "selu": lambda nn: nn.SELU(),
    "sigmoid": lambda nn: nn.Sigmoid(),
    "silu": lambda nn: nn.SiLU(),
    "softmax": lambda nn: nn.Softmax(-1),
    "tanh": lambda nn: nn.Tanh(),
}
COUNTERPARTS: dict[str, Maker] = {
    "Activation": elementwise(lambda nn, layer: NAMED[layer.activation](nn), lambda layer: layer.activation in NAMED),
    "AlphaDropout": elementwise(lambda nn, layer: nn.AlphaDropout(layer.rate)),
    "BatchNormalization": batch_normalization,
    "CELU": elementwise(lambda nn, layer: nn.CELU(layer.alpha)),
    "Dense": dense,
    "Dropout": dropout,
    "ELU": elementwise(lambda nn, layer: nn.ELU(layer.alpha)),
    "EinsumDense": einsum_dense,
    "Embedding": embedding,
    "Flatten": flatten,
    "GELU": elementwise(lambda nn, layer: nn.GELU("tanh" if layer.approximate else "none")),
    "GaussianDropout": elementwise(_ours("GaussianDropout")),
    "GaussianNoise": elementwise(_ours("GaussianNoise")),
    "GroupNormalization": group_normalization,
    "HardShrink": elementwise(lambda nn, layer: nn.Hardshrink(layer.threshold)),
    "HardSiLU": elementwise(lambda nn, layer: nn.Hardswish()),
    "HardSigmoid": elementwise(lambda nn, layer: nn.Hardsigmoid()),
    "HardTanh": elementwise(lambda nn, layer: nn.Hardtanh(layer.min_value, layer.max_value)),
    "Identity": elementwise(lambda nn, layer: nn.Identity()),
    "InstanceNormalization": group_normalization,
    "LayerNormalization": layer_normalization,
    "LeakyReLU": elementwise(lambda nn, layer: nn.LeakyReLU(layer.negative_slope)),
    "LogSigmoid": elementwise(lambda nn, layer: nn.LogSigmoid()),
    "LogSoftmax": elementwise(lambda nn, layer: nn.LogSoftmax(_axis(layer)), _one_axis),
    "Mish": elementwise(lambda nn, layer: nn.Mish()),
    "MultiHeadAttention": multi_head_attention,
    "PReLU": prelu,
    "RMSNormalization": rms_normalization,
    "RReLU": elementwise(lambda nn, layer: nn.RReLU(layer.arguments["lower"], layer.upper)),
    "ReLU": elementwise(
        lambda nn, layer: nn.ReLU(),
        lambda layer: layer.max_value is None and not layer.negative_slope and not layer.threshold,
    ),
    "ReLU6": elementwise(lambda nn, layer: nn.ReLU6()),
    "SELU": elementwise(lambda nn, layer: nn.SELU()),
    "SiLU": elementwise(lambda nn, layer: nn.SiLU(), lambda layer: layer.beta == 1),
    "Sigmoid": elementwise(lambda nn, layer: nn.Sigmoid()),
    "Softmax": elementwise(lambda nn, layer: nn.Softmax(_axis(layer)), _one_axis),
    "SoftShrink": elementwise(lambda nn, layer: nn.Softshrink(layer.threshold)),
    "Softmin": elementwise(lambda nn, layer: nn.Softmin(_axis(layer)), _one_axis),
    "Softplus": elementwise(lambda nn, layer: nn.Softplus(layer.beta)),
    "Softsign": elementwise(lambda nn, layer: nn.Softsign()),
    "SpatialDropout1D": spatial_dropout(1),
    "SpatialDropout2D": spatial_dropout(2),
    "SpatialDropout3D": spatial_dropout(3),
    "Tanh": elementwise(lambda nn, layer: nn.Tanh()),
    "TanhShrink": elementwise(lambda nn, layer: nn.Tanhshrink()),
    "Threshold": elementwise(lambda nn, layer: nn.Threshold(layer.threshold, layer.default_value)),
    **{f"Conv{n}D": convolution for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": transposed_convolution for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": convolution for n in (1, 2)},
    **{f"SeparableConv{n}D": separable_convolution for n in (1, 2)},
    **AUGMENTATIONS,
    **RECURRENT,
    **SPATIAL,
}
