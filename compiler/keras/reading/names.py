"""Names of Keras as names of the language."""

from __future__ import annotations

import re
from collections.abc import Iterable

from archonnx.compiler.syntax.words import RESERVED


def identifier(name: str) -> str:
    """A name of Keras as one of the language: other characters become `_`, reserved words get one."""
    found = re.sub(r"\W", "_", name.rpartition("/")[2]) or "_"
    if found[0].isdigit() or found == "_":
        found = f"x{found}"
    return f"{found}_" if found in RESERVED else found


def layer_name(name: str) -> str:
    """A name of Keras as a name of a layer, which has no spaces, `/` or `#`."""
    return re.sub(r"[\s/#\x00-\x1f]", "_", name)


def scope_of(name: str) -> tuple[str, str]:
    """The part of a name before its first dot and the rest: `stage.conv2d`; a dot before a digit parts nothing."""
    found = re.match(r"(.+?)\.(?=[^\d.])", name)
    return (found[1], name[found.end() :]) if found else ("", name)


def base_name(name: str) -> str:
    """The name without the number that counts it."""
    return re.sub(r"_\d+$", "", name)


def free(name: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken."""
    taken = set(taken)
    found, number = name, 1
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def library_names(name: str) -> set[str]:
    """The name itself where a layer or function of the library has it."""
    from archonnx.compiler.layers.registry import find_function, find_layer

    return {name} if find_layer(name) is not None or find_function(name) is not None else set()
