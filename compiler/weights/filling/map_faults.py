"""What is said where a map does not fit: one fault, with a count, where a rule is wrong for many layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from archonnx.compiler.weights.filling.slots import Slot, Slots, type_of
from archonnx.compiler.weights.maps.numbers import Number
from archonnx.compiler.weights.maps.patterns import Pattern
from archonnx.compiler.weights.maps.tree import Rule
from archonnx.contract.diagnostics import Diagnostic, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Recipe

MOST = 4  # rules that are shown with one fault
ALIKE = {"E1005": "match nothing", "E1007": "name tensors that the file does not have"}


class Findings:
    """Collects what is wrong: of each rule one diagnostic of each code, with the number of those like it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: dict[tuple[int, str], Diagnostic] = {}
        self._more: dict[tuple[int, str], int] = {}

    def report(self, rule: int, diagnostic: Diagnostic) -> None:
        key = (rule, diagnostic.code)
        if key in self._found:
            self._more[key] = self._more.get(key, 0) + 1
        else:
            self._found[key] = diagnostic

    def all(self) -> list[Diagnostic]:
        """In the map's order; of a code that many rules have, as where a map is for another model, the first few."""
        found: list[Diagnostic] = []
        for key, diagnostic in self._found.items():
            more = f" (and {self._more[key]} more like it)" if key in self._more else ""
            found.append(replace(diagnostic, message=diagnostic.message + more))
        for code, what in ALIKE.items():
            alike = [diagnostic for diagnostic in found if diagnostic.code == code]
            if len(alike) > MOST + 1:
                left = {id(diagnostic) for diagnostic in alike[MOST:]}
                found = [diagnostic for diagnostic in found if id(diagnostic) not in left]
                message = f"{self._name}: {len(left)} more rules {what}"
                found.append(Diagnostic(code, message, help="is the map for this model and this file?"))
        return found


def no_parameter(rule: Rule, number: Number, slots: Slots) -> Diagnostic:
    """A number names what is neither a variable nor a parameter."""
    near = did_you_mean(number.name, [*rule.target.variables(), *slots.parameters], most=1)
    left = ", ".join(rule.target.variables()) or "no variable"
    whole = ", ".join(slots.parameters) or "none"
    listed = f"the left side has {left}; parameters that are whole numbers: {whole}"
    message = f"{number.name} is neither on the left side nor a parameter of {slots.model}"
    return Diagnostic("E1004", message, number.place, help=f"did you mean {near[0]}?" if near else listed)


def matches_nothing(rule: Rule, slots: Slots) -> Diagnostic:
    """The left side is no path of a layer or weight."""
    text = rule.target.text
    silent = [path for path in slots.all_layers if rule.target.match(path) is not None and path]
    if silent:
        return Diagnostic("E1005", f"{silent[0]} has no weights", rule.place, help="leave this rule out")
    below = [path for path in slots.layers if lies_in(path, rule.target)]
    if below:
        help = f"it names a block; name the layers in it, such as {below[0]}"
    else:
        near = did_you_mean(text, [*slots.layers, *slots.by_path], most=2)
        help = f"did you mean {' or '.join(near)}?" if near else "archonnx summary lists the layers"
    return Diagnostic("E1005", f"no layer or weight of {slots.said} is {text}", rule.place, help=help)


def wrong_type(rule: Rule, slot: Slot, recipe: Recipe, why: str, layout: str) -> Diagnostic:
    """What a rule gives is of another shape or dtype than the weight; `why` is which of the two."""
    got, wanted = type_of(recipe), type_of(slot.weight)
    if why == "dtype":
        message = f"{slot.path} is {wanted}, and this is {got}: bits would be lost"
        return Diagnostic("E1010", message, rule.value.place, help="write cast(...) around it where that is meant")
    help = as_is_help(layout) if sorted(recipe.shape) == sorted(slot.weight.shape) else None
    return Diagnostic("E1008", f"{slot.path} is {wanted}, and this is {got}", rule.value.place, help=help)


def as_is_help(layout: str) -> str:
    """What to do where the axes stand in another order."""
    if layout == "none":
        return "say how the file lays its tensors out, such as: layout torch"
    return f"the conversion from layout {layout} is applied; as_is(...) leaves it out"


def lies_in(path: str, pattern: Pattern) -> bool:
    """Whether a pattern chooses a scope that a path lies in."""
    parts = path.split("/")
    return any(pattern.match("/".join(parts[:depth])) is not None for depth in range(1, len(parts)))
