"""The sizes that a call binds: symbols in the inputs' types, expressions over them, and the conditions that a model
requires."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archonnx.contract import metadata as keys
from archonnx.runtime.errors import InputError, ModelFileError
from archonnx.runtime.modelfile import ModelFile, Spec

if TYPE_CHECKING:
    from archonnx.contract.dims import Condition, Dim

_NAME = re.compile(r"[^\W\d]\w*")
_NO_SYMBOLS = {
    "None",
    "none",
    "unk",
    "unknown",
    "dynamic",
}  # what exporters write on any axis whose size they do not know
_FUNCTIONS = {"ceil", "floor", "min", "max", "and", "or", "not"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One `require` of the source that the compiler could not decide: its condition, what it says, and where it
    stands."""

    text: str
    condition: Condition
    message: str
    place: str


@dataclass(frozen=True, slots=True)
class Binding:
    """The value of a symbol in one call, and the axis that gave it."""

    value: int
    input: str
    axis: int

    @property
    def origin(self) -> str:
        return f"axis {self.axis} of input {self.input}"


class Sizes(Mapping[str, "Dim"]):
    """The text of a dimension -> its expression. Those that are names alone become expressions when they are asked for,
    as what reckons with them takes longer to import than a small model to load. zero: the symbols that may be 0."""

    def __init__(self, zero: set[str]) -> None:
        self._zero = zero
        self._found: dict[str, Dim | None] = {}

    def add(self, text: str, model: ModelFile) -> None:
        """Raises ModelFileError where the text is no expression."""
        self._found[text] = None if _NAME.fullmatch(text) else _size(text, self._zero, model)

    def __getitem__(self, text: str) -> Dim:
        found = self._found[text]
        if found is None:  # a name is a name, whatever it says: `min`, `ceil`
            from archonnx.contract.dims import symbol

            found = self._found[text] = symbol(text, 0 if text in self._zero else 1)
        return found

    def __contains__(self, text: object) -> bool:
        return text in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


@dataclass(slots=True)
class Symbols:
    """What the types of a model's inputs say of each other. Made once a model.

    sizes: the text of a dimension -> its expression; requirements: checked on every call whose inputs bind their
    symbols; zero: the symbols that may be 0; strict: whether the file keeps the language's rules (others' files may
    have empty axes, and their expressions are only names); model: what messages call the model.
    """

    sizes: Sizes = field(default_factory=lambda: Sizes(set()))
    requirements: list[Requirement] = field(default_factory=list)
    zero: set[str] = field(default_factory=set)
    strict: bool = True
    model: str = "the model"

    def bind(self, shapes: Mapping[str, tuple[int, ...]], specs: Mapping[str, Spec]) -> dict[str, Binding]:
        """The symbols' values for inputs of these shapes, whose ranks and known sizes have been checked. Raises
        InputError."""
        bound: dict[str, Binding] = {}
        later: list[tuple[Spec, int, str]] = []
        for name, shape in shapes.items():
            for axis, text in enumerate(specs[name].shape or ()):
                if not isinstance(text, str) or text not in self.sizes:
                    continue
                if _NAME.fullmatch(text):
                    self._name(bound, specs[name], axis, text, shape)
                else:
                    later.append((specs[name], axis, text))
        while later:  # an expression may give the symbol that another one waits for
            waiting = [each for each in later if not self._expression(bound, *each, shapes[each[0].name])]
            if len(waiting) == len(later):
                break
            later = waiting
        self._require(bound)
        return bound

    def _name(self, bound: dict[str, Binding], spec: Spec, axis: int, name: str, shape: tuple[int, ...]) -> None:
        size = shape[axis]
        known = bound.setdefault(name, Binding(size, spec.name, axis))
        if known.value != size:
            raise InputError(
                f"input {spec.name}: axis {axis} is {name}, which is {known.value} by {known.origin}, received {size}; "
                f"{_received(spec, shape)}",
                spec.name,
            )
        if size == 0 and self.strict and name not in self.zero:
            raise InputError(
                f"input {spec.name}: axis {axis} is {name}, which is at least 1 in {self.model}, received 0; "
                f"{_received(spec, shape)}",
                spec.name,
            )

    def _expression(self, bound: dict[str, Binding], spec: Spec, axis: int, text: str, shape: tuple[int, ...]) -> bool:
        """Check an expression whose symbols are bound, or bind its last one; whether that could be done."""
        from archonnx.contract.dims import evaluate, symbols_of

        size, expression = shape[axis], self.sizes[text]
        names = symbols_of(expression)
        unknown = sorted(names - bound.keys())
        if len(unknown) == 1:
            value = _solve(expression, unknown[0], {n: b.value for n, b in bound.items()}, size)
            if value is None:
                return False
            if value < (0 if unknown[0] in self.zero else 1):
                raise InputError(
                    f"input {spec.name}: axis {axis} is {text}, received {size}, which it is for no {unknown[0]}; "
                    f"{_received(spec, shape)}",
                    spec.name,
                )
            bound[unknown[0]] = Binding(value, spec.name, axis)
        if len(unknown) > 1:
            return False
        expected = evaluate(expression, {n: bound[n].value for n in names})
        if expected != size:
            where = ", ".join(f"{n} = {bound[n].value} ({bound[n].origin})" for n in sorted(names))
            raise InputError(
                f"input {spec.name}: axis {axis} is {text}, which is {expected} for {where}, received {size}; "
                f"{_received(spec, shape)}",
                spec.name,
            )
        return True

    def _require(self, bound: Mapping[str, Binding]) -> None:
        for requirement in self.requirements:
            names = sorted(requirement.condition.symbols())
            if any(name not in bound for name in names):  # an input that gives them was left out
                continue
            try:
                holds = requirement.condition.evaluate({name: bound[name].value for name in names})
            except ZeroDivisionError:
                holds = False
            if not holds:
                where = ", ".join(f"{n} = {bound[n].value} ({bound[n].origin})" for n in names)
                said = f": {requirement.message}" if requirement.message else ""
                at = f" (required at {requirement.place})" if requirement.place else ""
                first = bound[names[0]].input
                raise InputError(
                    f"input {first}: {self.model} requires {requirement.text}, received {where}{said}{at}", first
                )


def read_symbols(model: ModelFile) -> Symbols:
    """What a model's inputs and metadata say of sizes. Raises ModelFileError where our own metadata is damaged."""
    zero: set[str] = set()
    symbols = Symbols(Sizes(zero), [], zero, model.is_ours, model.metadata.get(keys.MODEL, "the model"))
    texts = {size for spec in model.inputs for size in spec.shape or () if isinstance(size, str)}
    required = _required(model)
    for entry in required:
        match = re.fullmatch(r"\s*([^\W\d]\w*)\s*>=\s*0\s*", entry["condition"])
        if match:
            symbols.zero.add(match.group(1))
    for text in sorted(texts):
        if model.is_ours or (_NAME.fullmatch(text) and text not in _NO_SYMBOLS):
            symbols.sizes.add(text, model)
    for entry in required:
        condition = _condition(entry["condition"], model)
        if not isinstance(condition, bool):
            text, message, place = entry["condition"], entry.get("message", ""), entry.get("place", "")
            message = (
                "" if message == f"{text} is required" else message
            )  # the compiler's words where the source has none
            symbols.requirements.append(Requirement(text, condition, message, place))
        elif not condition:
            raise ModelFileError(model.path, f"it requires {entry['condition']}, which never holds")
    return symbols


def _required(model: ModelFile) -> list[dict[str, str]]:
    entries = model.json(keys.REQUIRES, [])
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("condition"), str) for entry in entries
    ):
        raise ModelFileError(model.path, f"its metadata entry {keys.REQUIRES} is damaged: no list of conditions")
    return [{key: str(value) for key, value in entry.items() if value is not None} for entry in entries]


def _names(text: str, zero: set[str] | None) -> dict[str, Dim]:
    """The symbols of an expression with the least value that each may have; all may be 0 where it is not known."""
    from archonnx.contract.dims import symbol

    found = set(_NAME.findall(text)) - _FUNCTIONS
    return {name: symbol(name, 0 if zero is None or name in zero else 1) for name in sorted(found)}


def _size(text: str, zero: set[str], model: ModelFile) -> Dim:
    from archonnx.contract.dims import parse_dim

    try:
        return parse_dim(text, _names(text, zero))
    except ValueError as error:
        raise ModelFileError(model.path, f"the size {text!r} of an input is no expression: {error}") from None


def _condition(text: str, model: ModelFile) -> Condition | bool:
    from archonnx.contract.dims import parse_condition

    try:
        return parse_condition(text, _names(text, None))
    except ValueError as error:
        raise ModelFileError(model.path, f"its requirement {text!r} is no condition: {error}") from None


def _solve(expression: Dim, unknown: str, known: Mapping[str, int], size: int) -> int | None:
    """The value of the one unknown symbol that makes the expression `size`: -1 where none does, None where it is not
    linear."""
    assert not isinstance(expression, int)

    def at(value: int) -> int:
        return expression.evaluate({**known, unknown: value})

    first, slope = at(1), at(2) - at(1)
    if not slope or any(at(n) != first + (n - 1) * slope for n in (3, 4, 1_000_003, 7_654_321)):
        return None
    value, rest = divmod(size - first, slope)
    return -1 if rest else value + 1


def _received(spec: Spec, shape: tuple[int, ...]) -> str:
    return f"expected {spec.type}, received {spec.dtype}[{', '.join(map(str, shape))}]"
