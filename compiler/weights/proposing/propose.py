"""A map for a model and a file, with how sure each rule is; of several layouts the one that accounts for most.

1. units (units.py): each layer whole, or by its parts, or weight by weight, as the file has places for it (modules.py)
2. pairs (pairing.py): by shape where only one fits, then by words and numbers, then by order
3. rules (compressing.py), written as a map that is applied for a trial
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archonnx.compiler.weights.filling.by_map import by_map
from archonnx.compiler.weights.filling.parts import parts_of
from archonnx.compiler.weights.filling.slots import Slots, layers_of, slots_of
from archonnx.compiler.weights.filling.widening import widens
from archonnx.compiler.weights.maps.parser import parse_map
from archonnx.compiler.weights.proposing.compressing import Line, compressed
from archonnx.compiler.weights.proposing.flattened import flattened
from archonnx.compiler.weights.proposing.modules import Modules, Place
from archonnx.compiler.weights.proposing.pairing import Pair, Sureness, paired
from archonnx.compiler.weights.proposing.units import Unit, options_of
from archonnx.contract.diagnostics import Diagnostic
from archonnx.contract.render import printable

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph
    from archonnx.compiler.recipes import Recipe

SAID = {
    Sureness.SHAPE: "nothing else has these shapes",
    Sureness.NAME: "by name",
    Sureness.ORDER: "by order and numbers",
    Sureness.GUESS: "unsure: by order alone",
}


WAYS = 4  # whole layers, parts of attention, query, key and value in one, weight by weight


@dataclass(slots=True)
class Proposal:
    """lines: the rules. missing, unused: the weights and tensors that they leave. wrong: what a trial found beside."""

    layout: str
    lines: list[Line]
    weights: int
    filled: int
    missing: list[str]
    unused: list[str]
    wrong: list[Diagnostic]
    paths: list[str]  # of all weights

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unused or self.wrong)

    def count(self, why: Sureness) -> int:
        """How many rules have this reason."""
        return sum(line.why == why for line in self.lines)


def propose(graph: LayerGraph, tensors: Mapping[str, Recipe], format: str = "", scope: str = "") -> Proposal:
    """The map that accounts for most. `format` is the file's, which says in what order layouts are tried.

    Raises UsageError where there is no such scope.
    """
    slots, flat = slots_of(graph, scope), flattened(graph, scope.strip("/"))
    layouts = ("torch", "keras", "none")
    if format == "onnx":
        layouts = ("onnx", "torch", "none")
    elif format.startswith("keras"):
        layouts = ("keras", "torch", "none")
    modules = Modules(tensors)
    every = (_proposed(slots, flat, modules, layout, way) for layout in layouts for way in range(WAYS))
    best = max((made for made in every if made is not None), key=_worth)
    maps, found = parse_map(text_of(best), "the proposal")
    best.wrong = found or [d for d in by_map(slots, tensors, maps)[1] if d.code not in ("E1011", "E1012")]
    return best


def _worth(made: Proposal) -> tuple[int, ...]:
    """Proposals that are better are larger."""
    return made.filled - made.weights, -len(made.unused), -made.count(Sureness.GUESS), -len(made.lines)


def _proposed(
    slots: Slots, flat: Mapping[str, tuple[int, ...]], modules: Modules, layout: str, way: int
) -> Proposal | None:
    """The proposal where attention is filled in one of its ways; None where the model has none."""
    options = options_of(slots, layout, flat)
    if way and way >= max(len(ways) - 1 for ways in options):
        return None
    units, places = _chosen(options, modules, way)
    pairs = [_with_casts(pair, slots, modules) for pair in paired(units, places, modules)]
    layers = layers_of(slots)
    paths = [*slots.by_path, *(p for p in (*layers, *parts_of(layers)) if p not in slots.by_path)]
    lines = compressed(pairs, paths, {id(unit): n for n, unit in enumerate(units)})
    filled = {weight for pair in pairs for weight in pair.unit.weights}
    used = {name for pair in pairs for name in modules.tensors(pair.place)}
    missing = [path for path in slots.by_path if path not in filled]
    unused = [name for name in modules.shapes if name not in used]
    return Proposal(layout, lines, len(slots.by_path), len(filled), missing, unused, [], list(slots.by_path))


def _with_casts(pair: Pair, slots: Slots, modules: Modules) -> Pair:
    """The pair with its rules cast, where a tensor's type is wider than any of the weights'."""
    kinds = {slots.by_path[path].weight.dtype for path in pair.unit.weights}
    dtypes = {modules.dtypes[name] for name in modules.needed(pair.place)}
    if all(any(widens(dtype, kind) for kind in kinds) for dtype in dtypes):
        return pair
    variant = pair.place.variant
    rules = tuple((end, f"cast({right})") for end, right in variant.rules)
    note = "; ".join(text for text in (variant.note, "cast to a narrower type") if text)
    return replace(pair, place=Place(pair.place.name, replace(variant, rules=rules, note=note)))


def _chosen(options: list[list[list[Unit]]], modules: Modules, way: int) -> tuple[list[Unit], dict[int, list[Place]]]:
    """For each layer the first way to fill it for which the file has places, from `way` on, and its units' places."""
    _prefer_turned([unit for ways in options for units in ways for unit in units], modules)
    chosen: list[Unit] = []
    places: dict[int, list[Place]] = {}
    for ways in options:
        several = ways[way:] if len(ways) > 2 and way < len(ways) else ways
        found = [{id(unit): modules.places(unit) for unit in units} for units in several]
        held = [sum(len(u.weights) for u in us if at[id(u)]) for us, at in zip(several, found, strict=True)]
        if len(several) > 1 and held[-1] < len(several[-1]):
            held[-1] = 0  # weight by weight only where there is something for each: a bias alone tells nothing
        best = held.index(max(held))
        chosen += several[best]
        places |= found[best]
    return chosen, places


def _prefer_turned(units: list[Unit], modules: Modules) -> None:
    """Square kernels stand in the file as those do whose shape tells."""
    votes = 0
    for unit in units:
        turned = {place.variant.turned for place in modules.places(unit)}
        square = any(len(s) == 2 and s[0] == s[1] for v in unit.variants for s in v.tensors.values())
        if len(turned) == 1 and not square and any(v.turned for v in unit.variants):
            votes += 1 if turned == {True} else -1
    if votes > 0:
        for unit in units:
            unit.variants.sort(key=lambda variant: not variant.turned)


def text_of(made: Proposal, head: str = "") -> str:
    """The proposal as a map. `head` is its first comment."""
    lines = [f"# {head}"] if head else []
    lines += [f"layout {made.layout}", ""]
    rules = [f"{line.left} = {line.right}" for line in made.lines]
    width = min(max((len(rule) for rule in rules), default=0), 90)
    lines += [f"{rule:{width}}  # {_said(line)}" for rule, line in zip(rules, made.lines, strict=True)]
    if made.missing:
        lines += ["", "# Weights for which nothing was found. To leave one as it is drawn, take the # off."]
        lines += _listed("initial", made.missing, set(made.missing), made.paths)
    if made.unused:
        lines += ["", "# Tensors that are no weight that was found. To leave one out, take the # off."]
        lines += _listed("ignore", made.unused, set(made.unused), made.unused)
    return "\n".join(lines) + "\n"


def _listed(statement: str, names: Sequence[str], among: set[str], known: Sequence[str]) -> list[str]:
    """Names as statements that are marked off: those alike but for numbers as one, if it matches nothing else."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_pattern(statement, name), []).append(name)
    lines = []
    for pattern, alike in groups.items():
        rule, found = parse_map(f"{statement} {pattern}\n", "")
        target = [*rule.initial, *rule.ignored]
        if len(alike) > 1 and not found and {n for n in known if target[0].pattern.match(n) is not None} <= among:
            lines.append(f"# {statement} {pattern}  # {len(alike)} of them")
        else:
            lines += [f"# {statement} {_quoted(name)}" for name in alike]
    return lines


def _pattern(statement: str, name: str) -> str:
    """A name with variables for its numbers."""
    if statement == "initial":
        parts = re.sub(r"_[0-9]+(?=/|$)", "_{}", name)
    else:
        parts = re.sub(r"[0-9]+", "{}", name.replace("{", "{{").replace("}", "}}"))
    letters = iter("ijklmnopqrst")
    made = re.sub(r"(?<!\{)\{\}(?!\})", lambda _: f"{{{next(letters, 'u')}}}", parts)
    return _quoted(made, braces=True)


def _quoted(name: str, *, braces: bool = False) -> str:
    """A name as a statement has it; `braces`: they hold variables already."""
    whole = printable(name) if braces else printable(name).replace("{", "{{").replace("}", "}}")
    return f'"{whole}"' if re.search(r"[\s\"'*#]", whole) or not whole else whole


def _said(line: Line) -> str:
    many = f", {line.pairs} times" if line.pairs > 1 else ""
    return SAID[line.why] + many + (f"; {line.note}" if line.note else "")
