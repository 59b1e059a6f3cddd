"""What an expression can stand for while elaborating, beside Python's own numbers, strings, tuples and lists.

graph.Value       a tensor
AppliableLayer    a layer of the library, constructed, not yet or already applied
AppliableBlock    a block or model, with its arguments
Results           several results; those of a block also by name
DTypeValue        `float32`
dims.Expr         a size that holds a symbol; dims.Condition a truth that depends on one; dims.Ratio an exact quotient
POISON            stands in for what an earlier error took away; whatever touches it stays silent
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import Value
from archonnx.contract.diagnostics import Diagnostic, Place
from archonnx.contract.dims import Condition, Expr, Ratio

if TYPE_CHECKING:
    from archonnx.compiler.elaborate.loader import Module
    from archonnx.compiler.elaborate.naming import Scope
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.syntax import tree


class Poison:
    """The one value `POISON`."""

    def __repr__(self) -> str:
        return "POISON"


POISON = Poison()


class Abort(Exception):
    """A statement cannot be finished: its diagnostic is recorded where that is executed. None: already recorded."""

    def __init__(self, diagnostic: Diagnostic | None) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


class Stop(Exception):
    """A bound of the language was reached: elaboration ends here."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


@dataclass(frozen=True, slots=True)
class DTypeValue:
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True, eq=False)
class Appliable:
    """A layer or block that can stand right of an arrow. Its name comes at its first application, in its scope."""

    scope: Scope
    place: Place
    given: str | None  # name=
    hint: str | None  # the name it was assigned to
    trainable: bool
    path: str | None = None
    uses: int = 0

    @property
    def constructor(self) -> str:
        """The name it is written with."""
        raise TypeError(f"{type(self).__name__} has no constructor")


@dataclass(slots=True, eq=False)
class AppliableLayer(Appliable):
    layer: Layer = None  # type: ignore[assignment]
    argument_places: Mapping[str, Place] = field(default_factory=dict)
    announced_shape: tuple[str, tuple[Any, ...], Place] | None = (
        None  # Keras' input_shape=, which the flow is held against
    )

    @property
    def constructor(self) -> str:
        return self.layer.type_name


@dataclass(slots=True, eq=False)
class AppliableBlock(Appliable):
    body: tree.Body = None  # type: ignore[assignment]
    module: Module = None  # type: ignore[assignment]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inner: Scope | None = None  # where the body's layers are named, made at the first application

    @property
    def constructor(self) -> str:
        return self.body.name


@dataclass(frozen=True, slots=True, eq=False)
class WeightGroup:
    """`attend.query`: the weights of a layer whose names begin with `query/`, one of which is named next."""

    appliable: AppliableLayer
    prefix: str


class Results(tuple[Any, ...]):
    """Several results in order; `names` where a block named its outputs."""

    names: tuple[str | None, ...] = ()

    @classmethod
    def named(cls, values: tuple[Any, ...], names: tuple[str | None, ...]) -> Results:
        made = cls(values)
        made.names = names
        return made


def kind_of(value: object) -> str:
    """What a value is, as a message says it: "a string", "a tensor float32[N, 10]"."""
    if isinstance(value, bool):
        return "a boolean"
    for types, text in _KINDS:
        if isinstance(value, types):
            return text
    if value is None:
        return "None"
    if value is ...:
        return "..."
    if isinstance(value, Value):
        return f"a tensor {value.type}"
    if isinstance(value, Appliable):
        return f"a layer ({value.constructor})"
    if isinstance(value, WeightGroup):
        return f"several weights of {value.appliable.constructor} ({value.prefix}...)"
    if isinstance(value, Results):
        return f"{len(value)} results"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an initializer ({value})"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (int, "an integer"),
    (float, "a float"),
    (str, "a string"),
    (range, "a range"),
    (DTypeValue, "a dtype"),
    (Expr, "a symbolic dimension"),
    (Ratio, "a quotient of dimensions"),
    (Condition, "a symbolic condition"),
)


def show(value: object, depth: int = 4) -> str:
    """A value as the language writes it, shortened where it is long or nested more than `depth` deep."""
    if isinstance(value, Value):
        return str(value.type)
    if isinstance(value, Appliable):
        return f"{value.constructor}(...)"
    if isinstance(value, (list, tuple)):
        most = 4 if any(isinstance(v, (list, tuple)) for v in value[:8]) or depth < 4 else 8
        inner = ", ".join([show(v, depth - 1) for v in value[:most]]) if depth or not value else "..."
        inner += ", ..." if depth and len(value) > most else ""
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, str):
        import json

        return json.dumps(value if len(value) <= 60 else value[:57] + "...", ensure_ascii=False)
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    return str(value)


def holds_tensor(value: object) -> bool:
    """Whether a tensor stands in the value, at any depth of tuples and lists."""
    if not isinstance(value, (list, tuple)):
        return isinstance(value, Value)
    stack: list[list[object] | tuple[object, ...]] = [value]
    seen: set[int] = set()  # a list may hold another many times over
    while stack:
        top = stack.pop()
        if id(top) in seen:
            continue
        seen.add(id(top))
        kinds = set(map(type, top))
        if Value in kinds:
            return True
        if any(issubclass(k, (list, tuple)) for k in kinds):
            stack.extend([v for v in top if isinstance(v, (list, tuple))])
    return False


def measure(value: object) -> tuple[int, int]:
    """How many elements nested lists hold once they are written out, and how deep they are nested."""
    if not isinstance(value, (list, tuple)):
        return 1, 0
    known: dict[int, tuple[int, int]] = {}
    stack: list[list[object] | tuple[object, ...]] = [value]
    while stack:
        top = stack[-1]
        inner = [v for v in top if isinstance(v, (list, tuple))]
        waiting = [v for v in inner if id(v) not in known]
        if waiting:
            stack.extend(waiting)
            continue
        parts = [known[id(v)] for v in inner]
        elements = len(top) - len(inner) + sum([p[0] for p in parts])
        known[id(top)] = elements, 1 + max([p[1] for p in parts], default=0)
        stack.pop()
    return known[id(value)]


def is_poisoned(*values: object) -> bool:
    """Whether one of the values, or an element of a list or tuple among them, is POISON."""
    for value in values:
        if value is POISON:
            return True
        if isinstance(value, (list, tuple)) and POISON in value:
            return True
    return False
