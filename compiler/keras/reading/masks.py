"""Keras' masks while a model is read: which tensors carry one in the language, and which Keras has at a layer.

A mask is known by what it was made of: the tensors that Embedding or Masking looked at. Two things set Keras apart: a
call may be given a mask (Keras keeps those that it finds when a model is built, for layers of one input), and
MultiHeadAttention takes the masks off what it reads, for all layers that run after it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archonnx.compiler.keras.reading.applying import Call
from archonnx.compiler.keras.reading.steps import Step, Tensor
from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.layers.registry import find_layer

Mask: TypeAlias = frozenset[int] | None  # the tensors that it was made of, by identity

TAKES_OFF = ("MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention")
# Operations that masks are made of masks with.
JOINING = (
    "Any", "BroadcastTo", "Cast", "Concatenate", "ExpandDims", "LogicalAnd", "LogicalNot", "LogicalOr", "Maximum",
    "Reshape", "Squeeze", "Stack",
)  # fmt: skip


class Masks:
    """The masks of our tensors, as they are read: in the language, and when Keras runs the model."""

    def __init__(self) -> None:
        self.carried: dict[int, Mask] = {}
        self.running: dict[int, Mask] = {}
        self.makers: dict[int, Step] = {}

    def meant(self, mask: Tensor) -> Mask:
        """What a tensor that is given as a mask was made of; itself where nothing is known of it."""
        step = self.makers.get(id(mask))
        name = type(step.operation).__name__ if step is not None else ""
        if step is not None and name == "NotEqual":
            return frozenset(id(t) for t in step.tensors())
        if step is not None and name in JOINING and step.tensors():
            found: set[int] = set()
            for tensor in step.tensors():
                found |= self.meant(tensor) or set()
            return frozenset(found)
        return frozenset({id(mask)})

    def made(self, step: Step) -> None:
        """Remember which step gives a tensor."""
        self.makers.update((id(t), step) for t in step.results if t is not None)

    def after(self, kind: type[Layer], layer: Any, call: Call, came: Came, result: Tensor) -> None:
        """Set the masks of a layer's first result. `came` are those that the inputs came with."""
        made = call.positional[0]
        self.carried[id(result)] = _passed(kind, layer, made, came.ours)
        self.running[id(result)] = _passed(kind, layer, made, came.theirs)

    def came(self, kind: type[Layer], call: Call, taken: Container[int]) -> Came:
        """The masks that a call's inputs come with. The call is given by name what the inputs do not carry.

        `taken` are tensors whose masks Keras has taken off by then. Refused where a mask cannot be given.
        """
        found = Came()
        names = [name.rstrip("?") for name in kind.inputs]
        for number, tensor in enumerate(call.positional):
            ours = self.carried.get(id(tensor))
            theirs = None if id(tensor) in taken else self.running.get(id(tensor))
            if number in call.masks:
                theirs = self.meant(call.masks[number])
            if theirs != ours and kind.masking == "use":
                name = f"{names[number]}_mask" if number < len(names) else ""
                if theirs is None:
                    found.off.add(number)
                    ours = None
                elif name in names:
                    call.named[name] = call.masks[number]
                else:
                    raise Refused(
                        "it is given a mask that its input does not carry in the language",
                        "set it with Masking, or with Embedding(mask_zero=True)",
                    )
            found.ours.append(ours)
            found.theirs.append(theirs)
        for number, mask in call.masks.items():  # of an input that is left out: the key's, where that is the value
            if number >= len(call.positional) and number < len(names) and f"{names[number]}_mask" in names:
                call.named[f"{names[number]}_mask"] = mask
        return found


@dataclass(slots=True)
class Came:
    """Masks that inputs come with, in the language and in Keras; the inputs whose masks the language has to leave."""

    ours: list[Mask] = field(default_factory=list)
    theirs: list[Mask] = field(default_factory=list)
    off: set[int] = field(default_factory=set)


def _passed(kind: type[Layer], layer: Any, first: Tensor, masks: Sequence[Mask]) -> Mask:
    """The mask of a layer's first result."""
    if kind.makes_mask:
        return frozenset({id(first)}) if getattr(layer, "mask_zero", True) else None
    if _masking(kind, layer) == "drop" or not masks or kind.__name__.startswith("Global") or kind.__name__ == "Dot":
        return None
    if kind.inputs == ("*inputs",) and kind.keras != "TimeDistributed":
        joined = frozenset(one for mask in masks for one in mask or ())
        every = all(mask is not None for mask in masks) or kind.__name__ == "Concatenate"
        return joined if every and joined else None
    return masks[0] if getattr(layer, "return_sequences", True) else None


def _masking(kind: type[Layer], layer: Any) -> str:
    """What becomes of masks; SpectralNormalization does as the layer inside."""
    if kind.__name__ == "SpectralNormalization":
        inside = find_layer(type(layer.layer).__name__)
        return inside.masking if inside is not None and inside.masking == "pass" else "drop"
    return kind.masking


def taken_off(functional: Any) -> tuple[dict[int, int], dict[int, int]]:
    """When each node runs, by its identity, and when each tensor of Keras first loses its mask."""
    order: dict[int, int] = {}
    lost: dict[int, int] = {}
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        for node in functional._nodes_by_depth[depth]:
            order[id(node)] = number = len(order)
            if type(node.operation).__name__ in TAKES_OFF:
                for tensor in [*node.arguments.args, *_named(node.arguments.kwargs)]:
                    lost.setdefault(id(tensor), number)
    return order, lost


def _named(kwargs: Mapping[str, Any]) -> list[Any]:
    return [kwargs[name] for name in ("query", "value", "key") if name in kwargs]
