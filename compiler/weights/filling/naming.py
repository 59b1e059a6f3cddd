"""Files that name tensors after the model's own paths: which way of naming it is is found by trying.

paths     stage_1/conv2d/kernel           what archonnx writes
keras     stage_1.conv2d/kernel           the files of archonnx.to_keras(model)
torch     stage_1.conv2d.weight           the state dictionary of archonnx.to_torch(model)
onnx      any .onnx that archonnx wrote of the model (lowered.py)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archonnx.compiler.weights.filling.accounting import Assignment
from archonnx.compiler.weights.filling.slots import Slot, Slots, is_reference, layers_of

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Recipe

Tensors = Mapping[str, "Recipe"]
HELD = ("0", "value")  # what files of Keras call the one variable of a layer that holds a block's weight


def by_path(slots: Slots, tensors: Tensors) -> Assignment:
    """Tensors have the paths of the weights."""
    made = Assignment("by path")
    for slot in slots:
        if slot.path in tensors:
            made.used.add(slot.path)
            made.fill(slot, tensors[slot.path], slot.path)
    return made


def by_keras(slots: Slots, tensors: Tensors) -> Assignment:
    """Tensors have the names of Keras' variables in a model that to_keras made."""
    from archonnx.compiler.keras.names import keras_name

    return _by_layout(slots, tensors, "keras", "/", keras_name, "names of to_keras")


def by_torch(slots: Slots, tensors: Tensors) -> Assignment:
    """Tensors have the names of a state dictionary of a module that to_torch made.

    Names may have one beginning in common, `module.`, as wrappers of modules give them.
    """
    from archonnx.compiler.weights.layouts.torch import module_name

    made = _by_layout(slots, tensors, "torch", ".", module_name, "names of to_torch")
    prefix = next(iter(tensors), "").partition(".")[0] + "."
    if made.used or not all(name.startswith(prefix) and name != prefix for name in tensors):
        return made
    below = {name.removeprefix(prefix): recipe for name, recipe in tensors.items()}
    made = _by_layout(slots, below, "torch", ".", module_name, f"names of to_torch below {prefix}")
    made.used = {prefix + name for name in made.used}
    return made


def _by_layout(
    slots: Slots, tensors: Tensors, layout: str, mark: str, renamed: Callable[[str], str], how: str
) -> Assignment:
    from archonnx.compiler.weights.layouts.known import layout_of

    made = Assignment(how)
    rules = layout_of(layout)
    for path, (layer, held) in layers_of(slots).items():
        prefix = renamed(path)
        if is_reference(layer):
            (slot,) = held.values()
            for name in (prefix, *(f"{prefix}{mark}{last}" for last in HELD)):
                if name in tensors and slot.path not in made.given:
                    made.used.add(name)
                    made.fill(slot, tensors[name], name)
            continue
        names = {local: f"{prefix}{mark}{local}" for local in rules.names(layer)}
        theirs = {local: tensors[name] for local, name in names.items() if name in tensors}
        if not theirs:
            continue
        fill_layer(made, rules, layer, held, theirs, names)
    return made


def fill_layer(
    made: Assignment,
    rules: Any,
    layer: Any,
    held: Mapping[str, Slot],
    theirs: Mapping[str, Recipe],
    names: Mapping[str, str],
) -> None:
    """Fill a layer's weights from a tool's tensors. `names`: the tensors' names in the file, by local name."""
    said = ", ".join(names[local] for local in theirs)
    made.used.update(names[local] for local in theirs)
    try:
        ours = rules.read(layer, theirs)
    except ValueError as error:
        lacking = [names[local] for local, needed in rules.names(layer).items() if needed and local not in theirs]
        beside = f"there is {said}, and no {' and no '.join(lacking)}"
        made.complain(held.values(), beside if lacking else f"{said}: {error}")
        return
    for local, slot in held.items():
        if slot.path not in made.given and local in ours:
            made.fill(slot, ours[local], said)
