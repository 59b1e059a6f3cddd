"""What is called how in a model of Keras."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def keras_name(path: str) -> str:
    """A path as a name of Keras, which takes no slash; TensorFlow's scopes take letters of ASCII alone."""
    return re.sub(r"[^A-Za-z0-9_.-]", lambda found: f"u{ord(found[0]):04x}", re.sub(r"[/#]", ".", path))


def tell_apart(outputs: Iterable[Any]) -> None:
    """Give every operation behind these tensors a name of its own, as Keras demands.

    Inputs keep theirs, then layers; operations of keras.ops are named by Keras, without a look at our layers.
    """
    import keras

    found: dict[int, Any] = {}
    waiting = list(outputs)
    while waiting:
        history = getattr(waiting.pop(), "_keras_history", None)
        if history is not None and id(history.operation) not in found:
            found[id(history.operation)] = history.operation
            for node in history.operation._inbound_nodes:
                waiting.extend(node.input_tensors)
    taken: set[str] = set()
    kinds = (keras.layers.InputLayer, keras.layers.Layer, object)
    for operation in sorted(found.values(), key=lambda o: next(n for n, k in enumerate(kinds) if isinstance(o, k))):
        name, number = operation.name, 1
        while operation.name in taken:
            operation.name = f"{name}_op{number}"
            number += 1
        taken.add(operation.name)
