"""Pools, borders and shuffles as PyTorch's modules, around which the channels stand last."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.torch.convolutions import symmetric
from archonnx.compiler.torch.making import Making
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor

Made = Any  # a Tensor, or None where the module does not fit
RANKS = (1, 2, 3)


def around(m: Making, x: Tensor, make: Callable[[Any], Any]) -> Tensor:
    """A module that takes the channels at place 1, and gives what the layer's result is so."""
    out, first = m.node.outputs[0].type, m.layer.channels_first
    shape = out.shape if first else (out.shape[0], out.shape[-1], *out.shape[1:-1])
    y = m.module(make, x, result=TensorType(out.dtype, shape))
    return y if first else m.b.channels_last(y)


def entering(m: Making, inputs: Tensor) -> Tensor | None:
    """The input in the result's type, the channels at place 1; None where that is no floating type."""
    dtype = m.node.outputs[0].type.dtype
    if DTYPES[dtype].kind != "float":
        return None
    x = m.b.cast(inputs, dtype)
    return x if m.layer.channels_first else m.b.channels_first(x)


def simple(make: Callable[[Any, Any], Any]) -> Callable[..., Made]:
    """A module that the layer's arguments alone tell; `make` takes torch.nn and the layer."""

    def made(m: Making, inputs: Tensor) -> Made:
        x = entering(m, inputs)
        return None if x is None else around(m, x, lambda nn: make(nn, m.layer))

    return made


def max_pool(m: Making, inputs: Tensor) -> Made:
    """nn.MaxPool1d, 2d, 3d; what is not the same on both sides is added before."""
    x = entering(m, inputs)
    if x is None:
        return None
    layer = m.layer
    x, padding = symmetric(m, x, fill=float("-inf"))
    size, strides = layer.pool_size, layer.window.strides
    return around(m, x, lambda nn: getattr(nn, f"MaxPool{layer.rank}d")(size, strides, padding))


def average_pool(m: Making, inputs: Tensor) -> Made:
    """nn.AvgPool1d, 2d, 3d, where what is added is the same on both sides; it never counts."""
    x = entering(m, inputs)
    if x is None:
        return None
    layer = m.layer
    same, padding = symmetric(m, x)
    if same is not x:
        return None
    size, strides = layer.pool_size, layer.window.strides
    options = {"count_include_pad": False}
    return around(m, x, lambda nn: getattr(nn, f"AvgPool{layer.rank}d")(size, strides, padding, **options))


def adaptive_pool(kind: str) -> Callable[..., Made]:
    """nn.AdaptiveAvgPool2d and its kin."""
    return simple(lambda nn, layer: getattr(nn, f"Adaptive{kind}Pool{layer.rank}d")(layer.output_size))


def border(kind: str, *numbers: str) -> Callable[..., Made]:
    """nn.ReflectionPad2d and its kin; `numbers` are arguments of ours that it takes too."""

    def make(nn: Any, layer: Any) -> Any:
        sides = [n for pair in reversed(layer.sides) for n in pair]
        return getattr(nn, f"{kind}Pad{layer.rank}d")(tuple(sides), *(layer.arguments[name] for name in numbers))

    return simple(make)


SPATIAL: dict[str, Callable[..., Made]] = {
    **{f"MaxPooling{n}D": max_pool for n in RANKS},
    **{f"AveragePooling{n}D": average_pool for n in RANKS},
    **{
        f"Adaptive{ours}Pooling{n}D": adaptive_pool(theirs)
        for ours, theirs in (("Average", "Avg"), ("Max", "Max"))
        for n in RANKS
    },
    **{f"ZeroPadding{n}D": border("Zero") for n in RANKS},
    **{f"ConstantPadding{n}D": border("Constant", "value") for n in RANKS},
    **{f"{kind}Padding{n}D": border(kind) for kind in ("Reflection", "Replication", "Circular") for n in RANKS},
    "ChannelShuffle": simple(lambda nn, layer: nn.ChannelShuffle(layer.groups)),
    "PixelShuffle": simple(lambda nn, layer: nn.PixelShuffle(layer.upscale_factor)),
    "PixelUnshuffle": simple(lambda nn, layer: nn.PixelUnshuffle(layer.downscale_factor)),
}
