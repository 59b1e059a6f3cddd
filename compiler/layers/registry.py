"""Which layers and tensor functions there are: every class in the modules of layers/ and functions/, found by its name.

A class whose name begins with a capital is a layer, any other a tensor function. Packages add layers of their own
through the entry point `archonnx.layers`; those are looked at only for a name that is not found here.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from archonnx.compiler.layers.base import Layer

_PACKAGES = ("archonnx.compiler.layers", "archonnx.compiler.functions")


@cache
def _found() -> tuple[dict[str, type[Layer]], dict[str, type[Layer]]]:
    """Layers and functions by name, in the order of their names."""
    layers: dict[str, type[Layer]] = {}
    functions: dict[str, type[Layer]] = {}
    for package_name in _PACKAGES:
        package = import_module(package_name)
        for module_name in sorted(module.name for module in iter_modules(package.__path__)):
            module = import_module(f"{package_name}.{module_name}")
            for name, value in vars(module).items():
                if isinstance(value, type) and issubclass(value, Layer) and value.__module__ == module.__name__:
                    if value is Layer or value.abstract or name.startswith("_"):
                        continue
                    public = value.__name__.removesuffix("_")
                    (layers if public[0].isupper() else functions)[public] = value
    return dict(sorted(layers.items())), dict(sorted(functions.items()))


@cache
def _from_entry_points(name: str) -> type[Layer] | None:
    from importlib.metadata import entry_points

    for point in entry_points(group="archonnx.layers", name=name):
        found = point.load()
        if isinstance(found, type) and issubclass(found, Layer):
            return found
    return None


def find_layer(name: str) -> type[Layer] | None:
    """The layer of that name, `Conv2D`, or None."""
    return _found()[0].get(name) or _from_entry_points(name)


def layer_names() -> list[str]:
    """The names of the library's layers, sorted."""
    return list(_found()[0])


def find_function(name: str) -> type[Layer] | None:
    """The tensor function of that name, `softmax`, or None."""
    return _found()[1].get(name)


def function_names() -> list[str]:
    """The names of the library's tensor functions, sorted."""
    return list(_found()[1])
