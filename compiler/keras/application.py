"""One application of a layer of Keras: what goes into the call, and how results come out."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.keras.refusals import Refused

if TYPE_CHECKING:
    from archonnx.compiler.graph import Node, TensorType

IN_CALL = ("use_causal_mask", "return_attention_scores")  # arguments of ours that Keras takes in the call
PROJECTED = ("MultiHeadAttention", "GroupQueryAttention")


def apply_layer(node: Node, applied: Any, inputs: Sequence[Any], masks: Sequence[Any]) -> tuple[Any, ...]:
    """The results of Keras' layer on these, in our order, without a mask that it makes.

    `masks` are those that came with the inputs. They are given in the call: Keras would take them off the tensors,
    from which MultiHeadAttention removes them.
    """
    layer = node.layer
    options = {name: layer.arguments[name] for name in IN_CALL if layer.arguments.get(name)}
    positional, named = _arranged(node, applied, inputs)
    if layer.arguments.get("use_cache") or any(name.startswith("past_") for name in named):
        raise Refused("it keeps keys and values, which Keras' layer cannot", "leave the cache out")
    if layer.masking == "use":
        named |= _masks(node, applied, named, masks)
    made = applied(*positional, **named, **options)
    results = tuple(_flat(made))
    if any(result is x for result in results for x in inputs):
        raise Refused("Keras' layer gives its input itself and cannot stand in a functional model", "leave it out")
    return results


def _arranged(node: Node, applied: Any, inputs: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The inputs as Keras' call takes them, by position and by name."""
    import keras

    layer = node.layer
    names = [name.rstrip("?") for name in layer.inputs]
    if names == ["*inputs"]:
        return [list(inputs) if len(inputs) > 1 or layer.keras != "TimeDistributed" else inputs[0]], {}
    if names[-1] == "*initial_state":
        starts: Any = list(inputs[1:])
        if starts and isinstance(getattr(applied, "cell", None), keras.layers.StackedRNNCells):
            starts = keras.tree.pack_sequence_as(applied.state_size, starts)
        return [inputs[0]], {"initial_state": starts} if starts else {}
    if names[-1] == "*states":
        states: Any = list(inputs[1:])
        if layer.keras == "StackedRNNCells":
            states = keras.tree.pack_sequence_as(applied.state_size, states)
        return [inputs[0], states], {}
    given = {name: x for name, x in zip(names, inputs, strict=False) if x is not None}
    if layer.keras in ("Attention", "AdditiveAttention"):
        kept = [given[name] for name in ("query", "value", "key") if name in given]
        asked = [given.get("query_mask"), given.get("value_mask")]
        return [kept], {"mask": asked} if any(mask is not None for mask in asked) else {}
    if layer.keras == "ReversibleEmbedding" and "reverse" in given:
        given["reverse"] = bool(given["reverse"])
    first = names[0]
    return [given.pop(first)], given


def _masks(node: Node, applied: Any, named: dict[str, Any], masks: Sequence[Any]) -> dict[str, Any]:
    """The masks that came with the inputs and are not inputs themselves, by the names that Keras' call has."""
    if not any(mask is not None for mask in masks):
        return {}
    layer = node.layer
    if layer.keras in PROJECTED:
        wanted = [f"{name}_mask" for name in ("query", "value", "key")]
        return {
            name: mask
            for name, mask in zip(wanted, masks, strict=False)
            if mask is not None and named.get(name) is None
        }
    if layer.keras in ("Attention", "AdditiveAttention"):
        asked = named.get("mask") or [None, None]
        both = [a if a is not None else m for a, m in zip(asked, [*masks, None], strict=False)]
        return {"mask": both}
    if "mask" in inspect.signature(applied.call).parameters:
        return {"mask": masks[0]}
    return {}  # merging layers take them off the tensors


def _flat(made: Any) -> list[Any]:
    """Results as a flat list: cells give (result, [states])."""
    if isinstance(made, (list, tuple)):
        return [one for part in made for one in _flat(part)]
    return [made]


def made_mask(applied: Any, inputs: Sequence[Any]) -> Any:
    """The mask that a layer makes of its input, Masking's and Embedding's."""
    return applied.compute_mask(inputs[0], None)


def stand_in(kind: TensorType) -> Any:
    """A tensor of that type, so that what follows a refused node is looked at too."""
    import keras

    return keras.KerasTensor(keras_shape(kind), dtype=kind.dtype)


def keras_shape(kind: TensorType) -> tuple[int | None, ...]:
    """The sizes, None for what only a run tells."""
    return tuple(size if isinstance(size, int) else None for size in kind.shape)
