"""Normalizations as PyTorch's modules, with the channels or the normalized axes where these want them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.torch.making import Making

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor

Made = Any  # a Tensor, or None where the module does not fit


def batch_normalization(m: Making, inputs: Tensor) -> Made:
    """nn.BatchNorm1d, 2d, 3d by the axes that there are; more axes than 3d has become one."""
    from archonnx.compiler.torch import network

    layer, b = m.layer, m.b
    x = m.floating(inputs)
    size = m.written["running_mean"].shape[0]
    order, back = channels_second(x.rank, layer.axis)
    turned = b.transpose(x, order)
    shape = turned.shape
    if x.rank > 5:
        turned = b.flatten_from(turned, 2)
    rank = {2: 1, 3: 1, 4: 2, 5: 3}.get(turned.rank, 1)

    def make(nn: Any) -> Any:
        kind = f"BatchNorm{rank}d"
        frozen = any(not layer.weights[n].trainable for n in ("gamma", "beta") if n in layer.weights)
        holder = getattr(network, f"Frozen{kind}") if frozen else getattr(nn, kind)
        made = holder(size, eps=layer.epsilon, momentum=1 - layer.momentum, affine=m.has("weight") or m.has("bias"))
        return without(made, m)

    y = m.module(make, turned, result=turned.type)
    return b.transpose(b.reshape(y, shape), back)


def channels_second(rank: int, axis: int) -> tuple[list[int], list[int]]:
    """The order of axes that brings one to place 1, and the order back."""
    order = [a for a in range(rank) if a != axis % rank]
    order.insert(1, axis % rank)
    return order, [order.index(a) for a in range(rank)]


def without(module: Any, m: Making) -> Any:
    """The module without the weight or the bias that the layer does not have."""
    for name in ("weight", "bias"):
        if not m.has(name) and getattr(module, name, None) is not None:
            setattr(module, name, None)
    return module


def layer_normalization(m: Making, inputs: Tensor) -> Made:
    """nn.LayerNorm over the last axes, to which those that are normalized go."""
    from archonnx.compiler.layers.common import resolve_axes

    layer, b = m.layer, m.b
    if layer.rms_scaling:
        return None
    x = m.floating(inputs)
    axes = resolve_axes(layer, x.type, layer.axis, "axis")
    order = [*(a for a in range(x.rank) if a not in axes), *axes]
    sizes = [b.known(x.shape[a]) for a in axes]
    if not all(isinstance(size, int) for size in sizes):
        return None
    affine = m.has("weight") or m.has("bias")
    if affine and list((m.written.get("weight") or m.written["bias"]).shape) != sizes:
        return None
    turned = b.transpose(x, order)
    y = m.module(lambda nn: without(nn.LayerNorm(sizes, layer.epsilon, affine), m), turned, result=turned.type)
    return b.transpose(y, [order.index(a) for a in range(x.rank)])


def group_normalization(m: Making, inputs: Tensor) -> Made:
    """nn.GroupNorm, and nn.InstanceNorm1d, 2d, 3d where each channel is by itself."""
    layer, b = m.layer, m.b
    x = m.floating(inputs)
    order, back = channels_second(x.rank, layer.axis)
    turned = b.transpose(x, order)
    channels = b.known(turned.shape[1])
    if not isinstance(channels, int):
        return None
    groups, affine = layer.group_count(channels), m.has("weight") or m.has("bias")
    instance = m.layer.type_name == "InstanceNormalization" and 3 <= x.rank <= 5

    def make(nn: Any) -> Any:
        if instance:
            return without(getattr(nn, f"InstanceNorm{x.rank - 2}d")(channels, layer.epsilon, affine=affine), m)
        return without(nn.GroupNorm(groups, channels, layer.epsilon, affine), m)

    return b.transpose(m.module(make, turned, result=turned.type), back)


def rms_normalization(m: Making, x: Tensor) -> Made:
    """nn.RMSNorm."""
    x = m.floating(x)
    shape = list(m.written["weight"].shape)
    return m.module(lambda nn: nn.RMSNorm(shape, eps=m.layer.epsilon), x, result=x.type)
