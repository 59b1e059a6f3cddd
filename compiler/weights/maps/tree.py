"""What a map says: statements with their places. Nothing here knows a model or a file of tensors."""

from __future__ import annotations

from dataclasses import dataclass, field

from archonnx.compiler.weights.maps.numbers import Number
from archonnx.compiler.weights.maps.patterns import Pattern
from archonnx.contract.diagnostics import Place


@dataclass(frozen=True, slots=True)
class Name:
    """A tensor of the file, or for a layer what its tensors' names begin with: `layer{i+1}.conv1`."""

    pattern: Pattern
    place: Place


@dataclass(frozen=True, slots=True)
class Call:
    """`split(x, 3, axis=1)`. `arguments` are by the name of the parameter; those left out have their defaults."""

    function: str
    arguments: dict[str, Argument]
    place: Place


@dataclass(frozen=True, slots=True)
class Part:
    """`x[0:768, 1]`: of each axis a number, a range, or "..."."""

    value: Expression
    items: tuple[Number | Range | None, ...]  # None: "..."
    place: Place


@dataclass(frozen=True, slots=True)
class Range:
    """`start:stop:step`, each of which may be left out."""

    start: Number | None
    stop: Number | None
    step: Number | None


@dataclass(frozen=True, slots=True)
class Added:
    """`a + b`, element by element."""

    left: Expression
    right: Expression
    place: Place


Expression = Name | Call | Part | Added
Argument = Expression | Number | str | tuple[Expression, ...] | tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """`target = value`. `optional`: a model may be without what it fills.

    parameters: the numbers that name parameters of the model.
    """

    target: Pattern
    value: Expression
    optional: bool
    place: Place  # of the target
    parameters: tuple[Number, ...] = ()

    @property
    def text(self) -> str:
        return self.target.text


@dataclass(frozen=True, slots=True)
class Selection:
    """What `ignore` chooses of the file's tensors, or `initial` of the model's weights."""

    pattern: Pattern
    place: Place


@dataclass(slots=True)
class MapFile:
    """A map. `name` is the file's as messages call it; `layout` is one of parser.LAYOUTS.

    prefixes: what names in the file may begin with, and rules leave out.
    """

    name: str
    text: str
    layout: str = "none"
    layout_place: Place | None = None
    prefixes: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    ignored: list[Selection] = field(default_factory=list)
    initial: list[Selection] = field(default_factory=list)
