"""Convolutions as nn.Conv1d, 2d, 3d and their transposed ones, around which the channels stand last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import activations
from archonnx.compiler.torch.making import Making

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor

Made = Any  # a Tensor, or None where the module does not fit


def convolution(m: Making, inputs: Tensor) -> Made:
    """Ordinary, grouped and depthwise ones."""
    layer, b = m.layer, m.b
    x = m.floating(inputs)
    spatial = layer.places(b.facts, x.type)
    x = x if layer.channels_first else b.channels_first(x)
    filters, inside, *window = m.written["weight"].shape
    channels = x.shape[1]
    x, padding = symmetric(m, x)
    options = {"stride": layer.strides, "dilation": layer.dilation_rate, "padding": padding}
    options |= {"groups": channels // inside, "bias": m.has("bias")}
    y = m.module(
        lambda nn: getattr(nn, f"Conv{layer.rank}d")(channels, filters, tuple(window), **options),
        x,
        result=TensorType(x.dtype, (x.shape[0], filters, *spatial)),
    )
    return activations.apply(b, layer.activation, y if layer.channels_first else b.channels_last(y))


def symmetric(m: Making, x: Tensor, fill: float = 0.0) -> tuple[Tensor, Any]:
    """What a window slides over, and the padding that the module adds: all that is the same on both sides."""
    from archonnx.compiler.layers.windows import padded

    same, numbers = padded(m.b, x, m.layer.window, fill=fill)
    if same is x and "pads_begin" in numbers and list(numbers["pads_begin"]) == list(numbers["pads_end"]):
        return x, tuple(numbers["pads_begin"])
    if same is x and not numbers:
        return x, 0
    return padded(m.b, x, m.layer.window, fill=fill, unfolded=True)[0], 0


def transposed_convolution(m: Making, inputs: Tensor) -> Made:
    """What the windows reach too far is cut by the module where it is the same on both sides, else behind it."""
    layer, b = m.layer, m.b
    x = m.floating(inputs)
    spatial = layer.places(b.facts, x.type)
    x = x if layer.channels_first else b.channels_first(x)
    channels, filters, *window = m.written["weight"].shape
    trims = layer.trims()
    cut, added = [max(trim, 0) // 2 for trim in trims], [max(-trim, 0) for trim in trims]
    limits = [max(s, d) for s, d in zip(layer.strides, layer.dilation_rate, strict=True)]
    if any(n >= limit for n, limit in zip(added, limits, strict=True)):
        return None  # PyTorch adds less than a stride or a dilation
    behind = [max(trim, 0) - 2 * n for trim, n in zip(trims, cut, strict=True)]
    options = {"stride": layer.strides, "dilation": layer.dilation_rate, "padding": tuple(cut)}
    options |= {"output_padding": tuple(added), "bias": m.has("bias")}
    reached = [size + n for size, n in zip(spatial, behind, strict=True)]
    y = m.module(
        lambda nn: getattr(nn, f"ConvTranspose{layer.rank}d")(channels, filters, tuple(window), **options),
        x,
        result=TensorType(x.dtype, (x.shape[0], filters, *reached)),
    )
    axes = [2 + i for i, n in enumerate(behind) if n]
    if axes:
        ends = [-behind[axis - 2] for axis in axes]
        y = b.slice(y, [0] * len(axes), ends, axes, shape=(x.shape[0], filters, *spatial))
    return activations.apply(b, layer.activation, y if layer.channels_first else b.channels_last(y))


def separable_convolution(m: Making, inputs: Tensor) -> Made:
    """Two convolutions, `depthwise` and `pointwise`, in one module."""
    layer, b = m.layer, m.b
    x = m.floating(inputs)
    spatial = layer.places(b.facts, x.type)
    x = x if layer.channels_first else b.channels_first(x)
    between, _, *window = m.written["depthwise.weight"].shape
    filters, channels = m.written["pointwise.weight"].shape[0], x.shape[1]
    x, padding = symmetric(m, x)
    options = {"stride": layer.strides, "dilation": layer.dilation_rate, "padding": padding}

    def make(nn: Any) -> Any:
        from collections import OrderedDict

        conv = getattr(nn, f"Conv{layer.rank}d")
        first = conv(channels, between, tuple(window), groups=channels, bias=False, **options)
        second = conv(between, filters, 1, bias=m.has("pointwise.bias"))
        return nn.Sequential(OrderedDict(depthwise=first, pointwise=second))

    y = m.module(make, x, result=TensorType(x.dtype, (x.shape[0], filters, *spatial)))
    return activations.apply(b, layer.activation, y if layer.channels_first else b.channels_last(y))
