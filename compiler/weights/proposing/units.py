"""What a map's rules may fill, with the tensors that it could be filled from: a layer, a part of one, or one weight.

A unit has variants. Each says which tensors have to stand below a name of the file, `.weight` and `.bias`, of which
shapes, and which rules fill the unit then: `dense = NAME`, or `dense/kernel = transpose(NAME.weight)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.compiler.recipes import Draw
from archonnx.compiler.weights.filling.slots import Slot, Slots, is_reference, layers_of
from archonnx.compiler.weights.layouts.known import SEPARATORS, layout_of

if TYPE_CHECKING:
    from archonnx.compiler.weights.layouts.base import Layout

Shape = tuple[int, ...]
NAME = "\0"  # what stands for the name in a rule's right side
DEEPEST = 8  # layers that a recurrent module of PyTorch is looked at for


@dataclass(frozen=True, slots=True)
class Variant:
    """tensors: what follows the name -> its shape. may: what may be there beside it. rules: left end, right side."""

    tensors: Mapping[str, Shape]
    rules: tuple[tuple[str, str], ...]
    may: frozenset[str] = frozenset()
    turned: bool = False  # kernels stand the other way than the layout has them
    note: str = ""  # what a person should know of the rules


@dataclass(slots=True)
class Unit:
    """What is filled at once: its path, its weights' paths."""

    path: str
    weights: tuple[str, ...]
    variants: list[Variant] = field(default_factory=list)


def options_of(slots: Slots, layout: str, flattened: Mapping[str, Shape]) -> list[list[list[Unit]]]:
    """For each layer in the model's order the ways to fill it, best first, each a list of units.

    flattened: as flattened.py finds it.
    """
    rules, mark = layout_of(layout), SEPARATORS[layout]
    made = []
    for path, (layer, held) in layers_of(slots).items():
        if is_reference(layer):
            made.append([[_one_weight(path, held, slot) for slot in held.values()]])
            continue
        ways = [[_whole(path, layer, held, rules, mark)]]
        if path in flattened and layout in ("torch", "onnx"):
            ways = [[_after_flatten(path, held, flattened[path])]]
        if {"query/kernel", "key/kernel", "value/kernel"} <= held.keys():
            ways += _attention(path, held, layout, mark)
        ways.append([_one_weight(path, held, slot) for slot in held.values()])
        made.append(ways)
    return made


def _whole(path: str, layer: Any, held: Mapping[str, Slot], rules: Layout, mark: str) -> Unit:
    unit = Unit(path, tuple(slot.path for slot in held.values()))
    declared = rules.names(layer)
    written = rules.write(layer, {local: Draw(slot.weight) for local, slot in held.items()})
    needed = {mark + n: tuple(r.shape) for n, r in written.items() if declared.get(n, True) or any(r.weights())}
    may = frozenset(mark + n for n in declared if mark + n not in needed)
    unit.variants.append(Variant(needed, (("", NAME),), may))
    if rules.name == "keras":
        plain = {mark + local: tuple(slot.weight.shape) for local, slot in held.items()}
        if plain != needed:
            unit.variants.append(Variant(plain, (("", NAME),)))
    if rules.name != "torch":
        return unit
    unit.variants += _turned(held, needed)
    if held.keys() <= {"gamma", "beta"} and held:
        old = {f".{local}": tuple(slot.weight.shape) for local, slot in held.items()}
        unit.variants.append(Variant(old, tuple((f"/{local}", f"{NAME}.{local}") for local in held)))
    unit.variants += _recurrent(held, needed)
    return unit


def _after_flatten(path: str, held: Mapping[str, Slot], shape: Shape) -> Unit:
    """A dense layer whose inputs stand in the order channels, rows, columns there, and rows, columns, channels here."""
    rank = len(shape)
    width, units = held["kernel"].weight.shape
    sizes = ", ".join(map(str, (shape[-1], *shape[:-1])))
    axes = ", ".join(map(str, (*range(2, rank + 1), 1, 0)))
    kernel = f"as_is(reshape(transpose(reshape({NAME}.weight, -1, {sizes}), {axes}), {width}, -1))"
    tensors: dict[str, Shape] = {".weight": (units, width)}
    rules = [("/kernel", kernel)]
    if "bias" in held:
        tensors[".bias"] = (units,)
        rules.append(("/bias", f"{NAME}.bias"))
    note = "what was flattened stands in another order"
    return Unit(path, tuple(slot.path for slot in held.values()), [Variant(tensors, tuple(rules), note=note)])


def _turned(held: Mapping[str, Slot], needed: Mapping[str, Shape]) -> list[Variant]:
    """Kernels of dense layers that stand (in, out), as in GPT-2's files."""
    kernel = needed.get(".weight", ())
    if len(kernel) != 2 or "kernel" not in held or not needed.keys() <= {".weight", ".bias"}:
        return []
    turned = {**needed, ".weight": (kernel[1], kernel[0])}
    rules = [("/kernel", f"transpose({NAME}.weight)")]
    if ".bias" in needed:
        rules.append(("/bias", f"{NAME}.bias"))
    return [Variant(turned, tuple(rules), turned=True)]


def _recurrent(held: Mapping[str, Slot], needed: Mapping[str, Shape]) -> list[Variant]:
    """A layer of a module several deep, `weight_ih_l1`, and a cell by itself, `weight_ih`."""
    if ".weight_ih_l0" not in needed:
        return []
    found = []
    for end in ("", *(f"_l{depth}" for depth in range(1, DEEPEST))):
        tensors = {name.replace("_l0", end): shape for name, shape in needed.items()}
        rules = []
        for local in held:
            way = "_reverse" if "backward" in local.split("/")[0] else ""
            last = local.rpartition("/")[2]
            if last == "bias":
                both = [f"{NAME}.bias_{which}{end}{way}" for which in ("ih", "hh")]
                stacked = len(held[local].weight.shape) == 2
                rules.append((f"/{local}", f"stack({', '.join(both)})" if stacked else " + ".join(both)))
            else:
                which = "ih" if last == "kernel" else "hh"
                rules.append((f"/{local}", f"{NAME}.weight_{which}{end}{way}"))
        found.append(Variant(tensors, tuple(rules)))
    return found


def _one_weight(path: str, held: Mapping[str, Slot], slot: Slot) -> Unit:
    """One weight by itself, from a tensor laid out as ours is."""
    below = "" if slot.path == path else "/" + next(local for local, s in held.items() if s is slot)
    unit = Unit(path + below, (slot.path,))
    unit.variants.append(Variant({"": tuple(slot.weight.shape)}, (("", f"as_is({NAME})" if below else NAME),)))
    return unit


def _attention(path: str, held: Mapping[str, Slot], layout: str, mark: str) -> list[list[Unit]]:
    """The projections of attention one by one, or query, key and value in one tensor."""
    parts = [p for p in dict.fromkeys(local.rpartition("/")[0] for local in held) if p]
    alone = {local for local in held if "/" not in local}
    of_modules = layout in ("torch", "onnx")
    units: dict[str, Unit] = {}
    for part in parts:
        own = {local: slot for local, slot in held.items() if local.startswith(part + "/")}
        unit = Unit(f"{path}/{part}", tuple(slot.path for slot in own.values()))
        tensors: dict[str, Shape] = {}
        for local, slot in own.items():
            last, shape = local.rpartition("/")[2], tuple(slot.weight.shape)
            tensors[mark + (_MODULES.get(last, last) if of_modules else last)] = (
                _flat(part, last, shape) if of_modules else shape
            )
        unit.variants.append(Variant(tensors, (("", NAME),)))
        kernel = tensors.get(".weight", ())
        if of_modules and len(kernel) == 2:
            rules = [("/kernel", f"transpose({NAME}.weight)")]
            rules += [("/bias", f"{NAME}.bias")] if ".bias" in tensors else []
            turned = {**tensors, ".weight": (kernel[1], kernel[0])}
            unit.variants.append(Variant(turned, tuple(rules), turned=True))
        units[part] = unit
    others = [_one_weight(path, held, held[local]) for local in sorted(alone)]
    ways = [[*units.values(), *others]]
    if of_modules and not alone and {"query", "key", "value"} <= units.keys():
        fused = _fused(path, units)
        if fused is not None:
            ways.append([fused, *(unit for part, unit in units.items() if part not in _FUSED)])
    return ways


_MODULES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
_FUSED = ("query", "key", "value")


def _flat(part: str, last: str, shape: Shape) -> Shape:
    """The shape of a projection's kernel or bias in nn.Linear."""
    if last == "bias":
        return (math.prod(shape),)
    if last != "kernel" or len(shape) != 3:
        return shape
    if part == "attention_output":
        return (shape[2], shape[0] * shape[1])
    return (shape[1] * shape[2], shape[0])


def _fused(path: str, units: Mapping[str, Unit]) -> Unit | None:
    """Query, key and value from `.weight` and `.bias` of one module, in both orders of axes."""
    tensors = [units[part].variants[0].tensors for part in _FUSED]
    if any(one != tensors[0] for one in tensors):
        return None
    (rows, columns) = tensors[0][".weight"]
    unit = Unit(path, tuple(w for part in _FUSED for w in units[part].weights))
    for turned in (False, True):
        whole: dict[str, Shape] = {".weight": (columns, 3 * rows) if turned else (3 * rows, columns)}
        rules = []
        for number, part in enumerate(_FUSED):
            cut = f"split({NAME}.weight, 3, axis=1)[{number}]" if turned else f"split({NAME}.weight, 3)[{number}]"
            rules.append((f"/{part}/kernel", f"transpose({cut})" if turned else cut))
        if ".bias" in tensors[0]:
            whole[".bias"] = (3 * rows,)
            rules += [(f"/{part}/bias", f"split({NAME}.bias, 3)[{n}]") for n, part in enumerate(_FUSED)]
        note = "query, key and value taken to stand in this order"
        unit.variants.append(Variant(whole, tuple(rules), turned=turned, note=note))
    return unit
