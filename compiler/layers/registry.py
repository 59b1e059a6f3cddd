"""Which layers and tensor functions there are: every class in the modules of layers/ and functions/, found by its name.

A class whose name begins with a capital is a layer, any other a tensor function. Modules are imported when a name of
theirs is asked for; which names they define is read from their sources, so that a small model loads little. Packages
add layers of their own through the entry point group `archonnx.layers` (plugins.py), looked at only for a name that is
not found here.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from archonnx.compiler.layers.base import Layer

_PACKAGES = ("archonnx.compiler.layers", "archonnx.compiler.functions")
# Second names for layers: Keras', and of activations those that other libraries have.
ALIASES = {
    **{
        f"{new}{n}D": f"{old}{n}D"
        for n in (1, 2, 3)
        for new, old in (("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling"))
    },
    **{
        f"Global{new}{n}D": f"Global{old}{n}D"
        for n in (1, 2, 3)
        for new, old in (("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling"))
    },
    **{f"Convolution{n}D{end}": f"Conv{n}D{end}" for n in (1, 2, 3) for end in ("", "Transpose")},
    **{f"SeparableConvolution{n}D": f"SeparableConv{n}D" for n in (1, 2)},
    "GroupedQueryAttention": "GroupQueryAttention",
    "HardSwish": "HardSiLU",
    "Swish": "SiLU",
}
_HASH = "hashes by FarmHash or SipHash, which ONNX has no operator for: do it before the model"
_STRINGS = "turns strings into numbers: do it before the model, which takes the numbers"
_PYTHON = "runs Python code, which a model cannot hold"
# Layers of Keras that the library will not have, each with the reason and the way round it.
NOT_OFFERED = {
    "Hashing": _HASH,
    "HashedCrossing": _HASH,
    "StringLookup": _STRINGS,
    "TextVectorization": _STRINGS,
    "Pipeline": "is a list of layers: write them one a line",
    "TFSMLayer": _PYTHON,
    "JaxLayer": _PYTHON,
    "FlaxLayer": _PYTHON,
    "TorchModuleWrapper": _PYTHON,
}
_CLASS = re.compile(r"^class (\w+)", re.MULTILINE)


@cache
def _modules() -> dict[str, list[str]]:
    """The names of classes, each with the modules that define one of that name."""
    found: dict[str, list[str]] = {}
    for package_name in _PACKAGES:
        package = import_module(package_name)
        for folder in map(Path, package.__path__):
            for module in sorted(info.name for info in iter_modules([str(folder)])):
                full, source = f"{package_name}.{module}", folder / f"{module}.py"
                if source.is_file():
                    names = _CLASS.findall(source.read_text(encoding="utf-8"))
                else:  # installed without sources
                    names = [n for n, v in vars(import_module(full)).items() if getattr(v, "__module__", "") == full]
                for name in names:
                    found.setdefault(name, []).append(full)
    return found


def _find(name: str) -> type[Layer] | None:
    """The class of that name, where it is a layer or function that can be used."""
    if name.startswith("_"):
        return None
    for module in _modules().get(name, ()):
        found: Any = getattr(import_module(module), name)
        if isinstance(found, type) and issubclass(found, Layer) and not found.abstract:
            return found
    return None


def find_layer(name: str) -> type[Layer] | None:
    """The layer of that name or alias, `Conv2D`, or None. Raises LayerError for one of a package that is unusable."""
    name = ALIASES.get(name, name)
    found = _find(name) if name[:1].isupper() else None
    if found is not None or not name[:1].isupper():
        return found
    from archonnx.compiler.layers.plugins import find_plugin

    return find_plugin(name)


def layer_names() -> list[str]:
    """The names of the library's layers, sorted; plugins.plugin_names() gives those of other packages."""
    return sorted(name for name in _modules() if name[:1].isupper() and _find(name) is not None)


def library_names() -> list[str]:
    """Every name that means a layer of the library, second names too, sorted."""
    return sorted({*layer_names(), *ALIASES})


def find_function(name: str) -> type[Layer] | None:
    """The tensor function of that name, `softmax`, or None."""
    return None if name[:1].isupper() else _find(name)


def function_names() -> list[str]:
    """The names of the library's tensor functions, sorted."""
    return sorted(name for name in _modules() if not name[:1].isupper() and _find(name) is not None)
