"""The application of a layer of Keras as what stands left of the arrow, and what the call adds to the arguments."""

from __future__ import annotations

import inspect
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archonnx.compiler.keras.reading.arguments import written
from archonnx.compiler.keras.reading.steps import ATOM, Slot, Tensor, Text, text
from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.layers.base import Layer

IN_CALL = ("use_causal_mask", "return_attention_scores")  # arguments of ours that Keras takes in the call


@dataclass(slots=True)
class Call:
    """A call of a layer: inputs in order, those and flags by name, arguments that it adds, masks by number of input."""

    positional: list[Tensor]
    named: dict[str, Tensor | bool] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    masks: dict[int, Tensor] = field(default_factory=dict)

    def text(self, unmasked: Container[int] = ()) -> Text:
        """`x`, `(x, y)`, `(x, y, attention_mask=m)`; `x[...]`, which carries no mask, for the inputs of `unmasked`."""
        inputs: list[str | Slot | Text] = [
            text(Slot(tensor, ATOM), "[...]") if number in unmasked else Slot(tensor)
            for number, tensor in enumerate(self.positional)
        ]
        if len(inputs) == 1 and not self.named:
            return text(*inputs) if 0 in unmasked else Text((Slot(self.positional[0], ATOM),))
        parts: list[str | Slot | Text] = []
        for one in inputs:
            parts += [", ", one]
        for name, value in self.named.items():
            parts += [f", {name}=", Slot(value) if isinstance(value, Tensor) else written(value)]
        return text("(", *parts[1:], ")")


def call_of(layer: Any, kind: type[Layer], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
    """A call of Keras with our tensors in it. Refused for what the library's layer does not take."""
    try:
        given = dict(inspect.signature(layer.call).bind(*args, **kwargs).arguments)
    except TypeError as error:
        raise Refused(f"its call is not understood: {error}", "call it as Keras documents") from None
    given.update(given.pop("kwargs", {}))
    given.pop("training", None)  # what a model of Keras is called with goes before it
    arguments: dict[str, str] = {}
    for name in IN_CALL:
        if given.pop(name, False):
            if name not in kind.declared:
                raise Refused(f"its {name} is not offered", "leave it out")
            arguments[name] = "True"
    names = [name.rstrip("?") for name in kind.inputs]
    first = given.pop(next(iter(given)))
    positional = list(first) if isinstance(first, (list, tuple)) else [first]
    if names[-1] in ("*initial_state", "*states"):
        positional += _flat(given.pop(names[-1].removeprefix("*"), None))
    elif names[0] != "*inputs":
        for name in ("value", "key"):
            if name in names and given.get(name) is not None and len(positional) == names.index(name):
                positional.append(given.pop(name))
    named = {name: given.pop(name) for name in names[len(positional) :] if given.get(name) is not None}
    mask = given.pop("mask", None)
    masks = dict(enumerate(mask if isinstance(mask, (list, tuple)) else [mask]))
    for number, name in enumerate(("query_mask", "value_mask", "key_mask")):
        if name in named:
            masks[number] = named.pop(name)
    left = sorted(name for name, value in given.items() if value is not None)
    if left:
        raise Refused(f"its call has {', '.join(left)}, which the library's layer does not take", "leave it out")
    masks = {number: one for number, one in masks.items() if one is not None}
    tensors = [value for value in named.values() if not (kind.takes_constants and isinstance(value, bool))]
    if not all(isinstance(value, Tensor) for value in (*positional, *tensors, *masks.values())):
        raise Refused("its call holds a number or an array where a tensor is meant", "make it an input or a weight")
    return Call(positional, named, arguments, masks)


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [one for part in value for one in _flat(part)]
    return [value]
