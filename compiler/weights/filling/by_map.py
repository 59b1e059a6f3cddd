"""Applying a map: which tensors of the file each weight is made of, and everything that does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.compiler.weights.filling.accounting import SHOWN, Assignment
from archonnx.compiler.weights.filling.map_faults import (
    Findings,
    as_is_help,
    lies_in,
    matches_nothing,
    no_parameter,
    wrong_type,
)
from archonnx.compiler.weights.filling.parts import PartLayout, parts_of
from archonnx.compiler.weights.filling.slots import Slot, Slots, is_reference, layers_of, type_of
from archonnx.compiler.weights.maps.cursor import Fault
from archonnx.compiler.weights.maps.evaluate import Evaluator
from archonnx.compiler.weights.maps.tree import Call, MapFile, Name, Rule, Selection
from archonnx.contract.diagnostics import Diagnostic, Label
from archonnx.contract.render import printable

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight
    from archonnx.compiler.recipes import Recipe


@dataclass(frozen=True, slots=True)
class _Use:
    """A rule for one weight, or for a layer or a part of one (`slot` None), with the numbers of its variables."""

    rule: Rule
    variables: Mapping[str, int]
    layer: str
    slot: Slot | None


def by_map(slots: Slots, tensors: Mapping[str, Recipe], maps: MapFile) -> tuple[Assignment, list[Diagnostic]]:
    """The weights that a map fills, and what is wrong, in the map's order."""
    applied = _Applied(slots, tensors, maps)
    applied.run()
    return applied.made, applied.found


class _Applied:
    def __init__(self, slots: Slots, tensors: Mapping[str, Recipe], maps: MapFile) -> None:
        self.names = _without(maps.prefixes, tensors)
        self.slots, self.map = slots, maps
        self.tensors = {name: tensors[whole] for name, whole in self.names.items()}
        self.made = Assignment(maps.name)
        self.evaluator = Evaluator(self.tensors, self.made.used)
        self.findings = Findings(maps.name)
        self.layers = layers_of(slots)
        self.parts = parts_of(self.layers)
        self.left = {slot.path: chosen for slot in slots if (chosen := _chosen(slot.path, maps.initial)) is not None}
        self.rule_of: dict[str, Rule] = {}

    def run(self) -> None:
        for number, rule in enumerate(self.map.rules):
            if unknown := [n for n in rule.parameters if n.name not in self.slots.parameters]:
                self.findings.report(number, no_parameter(rule, unknown[0], self.slots))
                continue
            uses = self._uses(rule)
            if not uses and not rule.optional:
                self.findings.report(number, matches_nothing(rule, self.slots))
            for use in uses:
                try:
                    self._apply(use)
                except Fault as fault:
                    self.findings.report(number, fault.diagnostic)
        self.found = self.findings.all()
        self._account()
        self.made.used = {self.names[name] for name in self.made.used}

    def _uses(self, rule: Rule) -> list[_Use]:
        """The weights and layers that a rule is for. A weight comes before a layer of the same path."""
        found = []
        known = {n.name: self.slots.parameters[n.name] for n in rule.parameters}
        for path, slot in self.slots.by_path.items():
            bound = rule.target.match(path)
            if bound is not None:
                found.append(_Use(rule, known | bound, slot.layer_path, slot))
        for path in (*self.layers, *self.parts):
            bound = rule.target.match(path)
            if bound is not None and path not in self.slots.by_path:
                found.append(_Use(rule, known | bound, path, None))
        return found

    def _apply(self, use: _Use) -> None:
        if use.slot is None:
            self._apply_to_layer(use)
            return
        self._claim(use.slot, use.rule)
        recipe = self.evaluator.value(use.rule.value, use.variables, use.slot.weight.dtype)
        if not _is_as_is(use.rule.value):
            recipe = self._laid_out(use, recipe)
        self._fill(use.slot, recipe, use.rule)

    def _laid_out(self, use: _Use, recipe: Recipe) -> Recipe:
        from archonnx.compiler.weights.layouts.known import layout_of

        assert use.slot is not None
        if self.map.layout == "none" or is_reference(use.slot.layer):
            return recipe
        try:
            return layout_of(self.map.layout).one(use.slot.layer, use.slot.local, recipe)
        except ValueError as error:
            help = as_is_help(self.map.layout)
            raise Fault(Diagnostic("E1008", f"{use.slot.path}: {error}", use.rule.value.place, help=help)) from None

    def _apply_to_layer(self, use: _Use) -> None:
        from archonnx.compiler.weights.layouts.known import SEPARATORS, layout_of

        layer, held = self._holder(use)
        initial = {local for local, slot in held.items() if slot.path in self.left}
        if len(initial) == len(held):
            self._claim(next(iter(held.values())), use.rule)
        value, casts = use.rule.value, False
        if isinstance(value, Call) and value.function == "cast":
            value, casts = value.arguments["x"], True  # type: ignore[assignment]
        if not isinstance(value, Name):
            paths = [slot.path for slot in held.values()]
            raise Fault(
                Diagnostic(
                    "E1009",
                    f"{use.layer} is a layer, whose rule is a name alone",
                    use.rule.value.place,
                    help=f"for an expression name the weight: {', '.join(paths[:3])}",
                )
            )
        mark = SEPARATORS[self.map.layout]
        prefix = self.evaluator.name(value, use.variables, mark)
        try:
            rules = layout_of(self.map.layout)
            if use.layer in self.parts:
                held = {local: slot for local, slot in held.items() if local not in initial}
                rules, initial = PartLayout(rules, held), set()
            declared = rules.names(layer)
        except ValueError as error:
            raise Fault(Diagnostic("E1008", f"{use.layer}: {error}", use.rule.place)) from None
        names = {local: f"{prefix}{mark}{local}" for local in declared}
        theirs = self._theirs(use, rules, declared, names, initial)
        for local, slot in held.items():
            if local not in initial:
                self._claim(slot, use.rule)
        try:
            ours = rules.read(layer, theirs)
        except ValueError as error:
            raise Fault(Diagnostic("E1008", f"{use.layer}: {error}", use.rule.value.place)) from None
        for local, slot in held.items():
            if local not in initial:
                recipe = ours[local].cast(slot.weight.dtype) if casts else ours[local]
                self._fill(slot, recipe, use.rule)

    def _holder(self, use: _Use) -> tuple[Any, dict[str, Slot]]:
        """The layer that a rule is for, or whose part, and the weights by local name."""
        return self.layers.get(use.layer) or self.parts[use.layer]

    def _theirs(
        self, use: _Use, rules: Any, declared: Mapping[str, bool], names: Mapping[str, str], initial: set[str]
    ) -> dict[str, Recipe]:
        """The file's tensors for a layer, by local name; where the weight is initial, what would be written of it."""
        from archonnx.compiler.recipes import Draw

        layer, held = self._holder(use)
        stand_ins: dict[str, Recipe] = {}
        if initial:
            written = rules.write(layer, {local: Draw(slot.weight) for local, slot in held.items()})
            paths = {held[local].weight.path for local in initial}
            stand_ins = {n: r for n, r in written.items() if {w.path for w in r.weights()} <= paths}
        theirs: dict[str, Recipe] = {}
        for local, needed in declared.items():
            if names[local] in self.tensors:
                theirs[local] = self.tensors[names[local]]
                self.made.used.add(names[local])
            elif local in stand_ins:
                theirs[local] = stand_ins[local]
            elif needed:
                message = f"the file has no tensor {printable(names[local])}, which {use.layer} takes"
                help = self.evaluator.near(names[local])
                raise Fault(Diagnostic("E1007", message, use.rule.value.place, help=help))
        return theirs

    def _claim(self, slot: Slot, rule: Rule) -> None:
        first = self.rule_of.setdefault(slot.path, rule)
        if first is not rule:
            labels = (Label(first.place, "the first"),)
            message = f"two rules fill {slot.path}"
            raise Fault(Diagnostic("E1006", message, rule.place, labels=labels, help="keep one of them"))
        if slot.path in self.left:
            labels = (Label(self.left[slot.path].place, "left here"),)
            message = f"this rule fills {slot.path}, which `initial` leaves"
            raise Fault(Diagnostic("E1006", message, rule.place, labels=labels, help="keep one of them"))

    def _fill(self, slot: Slot, recipe: Recipe, rule: Rule) -> None:
        before = len(self.made.wrong)
        self.made.fill(slot, recipe, "")
        if len(self.made.wrong) == before:
            return
        *_, why = self.made.wrong[-1]
        raise Fault(wrong_type(rule, slot, recipe, why, self.map.layout))

    def _account(self) -> None:
        """The tensors and weights that no statement speaks of."""
        self.made.used |= {n for n in self.tensors if self._ignores(n)}
        if self.found:
            return  # what follows from a wrong rule would only hide it
        unused = [(self.names[n], self.tensors[n]) for n in self.made.unexpected(self.tensors)]
        missing = [(s.path, s.weight) for s in self.made.missing(self.slots) if s.path not in self.left]
        self._list("E1011", "no rule uses", "tensor", "ignore", unused)
        self._list("E1012", "no rule fills", "weight", "initial", missing)

    def _ignores(self, name: str) -> bool:
        return any(i.pattern.match(n) is not None for i in self.map.ignored for n in (name, self.names[name]))

    def _list(
        self, code: str, what: str, noun: str, statement: str, left: Sequence[tuple[str, Weight | Recipe]]
    ) -> None:
        """One diagnostic for each of the first, and one that counts the others."""
        for name, thing in left[:SHOWN]:
            help = f"write a rule for it, or: {statement} {_quoted(name)}" if name == left[0][0] else None
            message = f"{self.map.name}: {what} the {noun} {printable(name)}, {type_of(thing)}"
            self.found.append(Diagnostic(code, message, help=help))
        if len(left) > SHOWN:
            more = f"{self.map.name}: {what} {len(left) - SHOWN:,} more {noun}s"
            self.found.append(Diagnostic(code, more))


def _without(prefixes: Sequence[str], tensors: Iterable[str]) -> dict[str, str]:
    """The names of tensors by what rules call them: without a prefix, where no other tensor has that name."""
    known = {name: name for name in tensors}
    for prefix in prefixes:
        for name in [n for n in known if n.startswith(prefix) and len(n) > len(prefix)]:
            if name[len(prefix) :] not in known:
                known[name[len(prefix) :]] = known.pop(name)
    return known


def _chosen(path: str, selections: Iterable[Selection]) -> Selection | None:
    """The first statement that chooses a weight, or a layer or block around it."""
    return next((s for s in selections if s.pattern.match(path) is not None or lies_in(path, s.pattern)), None)


def _is_as_is(expression: Any) -> bool:
    """Whether the layout's conversion is left out: as_is stands around all of it, or a cast alone around that."""
    while isinstance(expression, Call) and expression.function == "cast":
        expression = expression.arguments["x"]
    return isinstance(expression, Call) and expression.function == "as_is"


def _quoted(name: str) -> str:
    return name if name and not any(c.isspace() or c in "{}\"'*#" for c in name) else f'"{name}"'
