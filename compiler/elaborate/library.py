"""The library's layers and those of other packages, as the elaborator asks for them: by name, at a place."""

from __future__ import annotations

from archonnx.compiler.elaborate import rules
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.layers import registry
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.contract.diagnostics import Place


def find_layer(name: str, frame: Frame, place: Place) -> type[Layer] | None:
    """The layer of that name, or None; an error at `place` where a package claims the name and it cannot be used."""
    try:
        return registry.find_layer(name)
    except LayerError as error:
        raise rules.layer_error(error, frame, place, {}) from None


def is_layer(name: str) -> bool:
    """Whether a layer is called so; one of a package that cannot be used counts."""
    try:
        return registry.find_layer(name) is not None
    except LayerError:
        return True


def constructors() -> list[str]:
    """Every name of every layer there is, second names too."""
    from archonnx.compiler.layers.plugins import plugin_names

    library = registry.library_names()
    return [*library, *plugin_names(library)]
