"""Families of layers and their colours: fill, border and legend of a box."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer


class Colours(NamedTuple):
    """Of one family, as `#rrggbb`."""

    fill: str
    border: str


# In the order of the legend. Text on every fill is #0f172a, with a contrast of 12:1 or more.
FAMILIES = {
    "convolution": Colours("#dbeafe", "#2563eb"),
    "pooling": Colours("#d1fae5", "#059669"),
    "dense": Colours("#ede9fe", "#7c3aed"),
    "recurrent": Colours("#ecfccb", "#65a30d"),
    "attention": Colours("#fae8ff", "#c026d3"),
    "normalisation": Colours("#fef3c7", "#d97706"),
    "activation": Colours("#fee2e2", "#dc2626"),
    "merge": Colours("#cffafe", "#0891b2"),
    "shape and other": Colours("#fce7f3", "#db2777"),
    "tensor function": Colours("#d8dee8", "#64748b"),
    "operator": Colours("#ffedd5", "#ea580c"),
    "folded block": Colours("#ffffff", "#334155"),
    "drawn elsewhere": Colours("#ffffff", "#94a3b8"),
    "input or output": Colours("#334155", "#334155"),
}
_MODULES = {
    "convolution": "convolution",
    "transposed_convolution": "convolution",
    "bidirectional": "recurrent",
    "conv_lstm": "recurrent",
    "pooling": "pooling",
    "dense": "dense",
    "normalization": "normalisation",
    "activation": "activation",
    "merging": "merge",
}


def family(layer: Layer) -> str:
    """The family that a layer's box is coloured by: that of the module which declares the layer."""
    package, _, module = type(layer).__module__.rpartition(".")
    if module in ("raw", "custom"):
        return "operator"
    if package.endswith(".functions"):
        return "tensor function"
    for name in ("recurrent", "attention"):
        if name in module:
            return name
    return _MODULES.get(module, "shape and other")
