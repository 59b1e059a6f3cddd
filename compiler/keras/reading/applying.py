"""The application of a layer of Keras as what stands left of the arrow, and what the call adds to the arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from archonnx.compiler.keras.reading.steps import ATOM, Masked, Slot, Tensor, Text, text
from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.layers.base import Layer

IN_CALL = ("use_causal_mask", "return_attention_scores")  # arguments of ours that Keras takes in the call


def flow(
    layer: Any, kind: type[Layer], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Text, dict[str, str], list[Masked]]:
    """What stands left of the arrow, arguments that the call adds, and masks that the inputs have to carry.

    `args` and `kwargs` are those of Keras' call, with our tensors. Refused for what the library's layer does not take.
    """
    try:
        given = dict(inspect.signature(layer.call).bind(*args, **kwargs).arguments)
    except TypeError as error:
        raise Refused(f"its call is not understood: {error}", "call it as Keras documents") from None
    given.update(given.pop("kwargs", {}))
    given.pop("training", None)  # what a model of Keras is called with goes before it
    extra: dict[str, str] = {}
    for name in IN_CALL:
        if given.pop(name, False):
            if name not in kind.declared:
                raise Refused(f"its {name} is not offered", "leave it out")
            extra[name] = "True"
    names = [name.rstrip("?") for name in kind.inputs]
    first = given.pop(next(iter(given)))
    positional = list(first) if isinstance(first, (list, tuple)) else [first]
    named: dict[str, Any] = {}
    masks: list[Masked] = []
    if layer.__class__.__name__ in ("Attention", "AdditiveAttention"):
        for name, mask in zip(("query_mask", "value_mask"), given.pop("mask", None) or (), strict=False):
            if mask is not None:
                named[name] = mask
    elif names[-1] in ("*initial_state", "*states"):
        states = given.pop("initial_state", None) if names[-1] == "*initial_state" else given.pop("states", None)
        positional += _flat(states)
    if names[0] != "*inputs" and names[-1] != "*initial_state" and names[-1] != "*states":
        taken = 1 if not isinstance(first, (list, tuple)) else len(positional)
        for name in names[taken:]:
            if given.get(name) is not None:
                value = given.pop(name)
                if name in ("value", "key") and not named and len(positional) == names.index(name):
                    positional.append(value)
                else:
                    named[name] = value
    mask = given.pop("mask", None)
    if mask is not None:
        tensors = positional if isinstance(mask, (list, tuple)) else positional[:1]
        masks = [Masked(t, m) for t, m in zip(tensors, _listed(mask), strict=False) if m is not None]
    left = sorted(name for name, value in given.items() if value is not None)
    if left:
        raise Refused(f"its call has {', '.join(left)}, which the library's layer does not take", "leave it out")
    if not all(isinstance(value, Tensor) for value in positional):
        raise Refused("its call holds a number or an array where a tensor is meant", "make it an input or a weight")
    return _written(positional, named, kind), extra, masks


def _written(positional: Sequence[Tensor], named: Mapping[str, Any], kind: type[Layer]) -> Text:
    """`x`, `(x, y)`, `(x, y, attention_mask=m)`."""
    if len(positional) == 1 and not named:
        return Text((Slot(positional[0], ATOM),))
    parts: list[Any] = ["("]
    for number, tensor in enumerate(positional):
        parts += [", " if number else "", Slot(tensor)]
    for name, value in named.items():
        parts += [f", {name}=", Slot(value) if isinstance(value, Tensor) else str(value)]
    return text(*[part for part in parts if part != ""], "," if len(positional) == 1 and not named else "", ")")


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [one for part in value for one in _flat(part)]
    return [value]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
