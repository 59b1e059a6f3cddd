"""Layers that change images in training, as modules of ours (augmenting.py); PyTorch itself has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archonnx.compiler.torch.making import Making

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor

AXES = {"horizontal": (3,), "vertical": (2,), "horizontal_and_vertical": (2, 3)}


def augmentation(make: Callable[[Any, Any, bool], Any]) -> Callable[..., Any]:
    """`make` takes the module augmenting, the layer, and whether its channels stand first."""

    def made(m: Making, data: Tensor) -> Any:
        from archonnx.compiler.torch import augmenting

        x = m.b.cast(data, m.node.outputs[0].type.dtype)
        first = m.layer.arguments.get("data_format") == "channels_first"
        return m.module(lambda nn: make(augmenting, m.layer, first), x, result=x.type)

    return made


def _filled(layer: Any) -> dict[str, Any]:
    """What stands where an image does not reach, and how values between pixels come about."""
    return {name: layer.arguments[name] for name in ("fill_mode", "fill_value", "interpolation")}


def _translation(a: Any, layer: Any, first: bool) -> Any:
    shift = (a.spread(layer.height_factor), a.spread(layer.width_factor))
    return a.Affine(first, shift=shift, **_filled(layer))


def _zoom(a: Any, layer: Any, first: bool) -> Any:
    wide = None if layer.width_factor is None else a.spread(layer.width_factor)
    return a.Affine(first, zoom=(a.spread(layer.height_factor), wide), **_filled(layer))


def _contrast(a: Any, layer: Any, first: bool) -> Any:
    factor = layer.factor if isinstance(layer.factor, tuple) else (layer.factor, layer.factor)
    return a.Contrast(factor, layer.value_range, first)


def _rotation(a: Any, layer: Any, first: bool) -> Any:
    return a.Affine(first, turn=a.spread(layer.factor), **_filled(layer))


def _brightness(a: Any, layer: Any, first: bool) -> Any:
    return a.Brightness(a.spread(layer.factor), layer.value_range, first)


AUGMENTATIONS: dict[str, Callable[..., Any]] = {
    "RandomBrightness": augmentation(_brightness),
    "RandomContrast": augmentation(_contrast),
    "RandomFlip": augmentation(lambda a, layer, first: a.Flip(AXES[layer.mode], first)),
    "RandomRotation": augmentation(_rotation),
    "RandomTranslation": augmentation(_translation),
    "RandomZoom": augmentation(_zoom),
}
