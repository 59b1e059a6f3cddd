"""The syntax tree. Every node knows its place; nothing here is resolved: names are names, and numbers are as written.

Chains of one precedence (`a + b - c`, `x -> f() -> g()`) are flat, so that no step is recursive over their length.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from archonnx.contract.diagnostics import Place


@dataclass(slots=True)
class Node:
    place: Place


# Expressions -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Name(Node):
    """A name, `it` included."""

    id: str


@dataclass(slots=True)
class Literal(Node):
    """An integer, a float, a string, True, False, None or `...` (Ellipsis)."""

    value: object


@dataclass(slots=True)
class Formatted(Node):
    """`{expression:format}` inside an f-string."""

    value: Expr
    format: str


@dataclass(slots=True)
class FString(Node):
    parts: list[str | Formatted]


@dataclass(slots=True)
class Tuple(Node):
    items: list[Expr]


@dataclass(slots=True)
class List(Node):
    items: list[Expr]


@dataclass(slots=True)
class Clause(Node):
    """`for targets in iterable if condition ...` of a comprehension."""

    target: Target
    iterable: Expr
    conditions: list[Expr]


@dataclass(slots=True)
class Comprehension(Node):
    """`[element for ...]`; a generator in a call, `sum(x for ...)`, reads the same."""

    element: Expr
    clauses: list[Clause]


@dataclass(slots=True)
class Argument(Node):
    """`value` or `name=value` in a call or in the inputs of a flow; the place spans both."""

    name: str | None
    value: Expr


@dataclass(slots=True)
class Call(Node):
    function: Expr
    arguments: list[Argument]


@dataclass(slots=True)
class Attribute(Node):
    value: Expr
    name: str
    name_place: Place


@dataclass(slots=True)
class Slice(Node):
    """`lower:upper:step` inside a subscript."""

    lower: Expr | None
    upper: Expr | None
    step: Expr | None


@dataclass(slots=True)
class Subscript(Node):
    value: Expr
    items: list[Expr | Slice]  # one entry per comma-separated item
    is_tuple: bool  # whether a comma was written, as in `x[0,]`


@dataclass(slots=True)
class Operator(Node):
    text: str


@dataclass(slots=True)
class Unary(Node):
    """`-`, `+`, `~` or `not`."""

    operator: str
    operand: Expr


@dataclass(slots=True)
class Chain(Node):
    """Left-associative operators of one precedence: `+ -`, `* / // % @`, `<< >>`, `&`, `^` or `|`."""

    operands: list[Expr]
    operators: list[Operator]


@dataclass(slots=True)
class Power(Node):
    base: Expr
    exponent: Expr


@dataclass(slots=True)
class Compare(Node):
    """`a < b <= c`, `in`, `not in`, `is`, `is not` too."""

    operands: list[Expr]
    operators: list[Operator]


@dataclass(slots=True)
class Logical(Node):
    """`and` or `or` over two or more operands."""

    operator: str
    operands: list[Expr]


@dataclass(slots=True)
class Conditional(Node):
    """`then if condition else otherwise`."""

    then: Expr
    condition: Expr
    otherwise: Expr


@dataclass(slots=True)
class FlowInputs(Node):
    """`(q, v, attention_mask=m)` left of an arrow, where at least one input is named; else it is a Tuple."""

    arguments: list[Argument]


@dataclass(slots=True)
class Flow(Node):
    """`source -> stage -> stage`."""

    source: Expr | FlowInputs
    stages: list[Expr]


Expr = (
    Name
    | Literal
    | FString
    | Tuple
    | List
    | Comprehension
    | Call
    | Attribute
    | Subscript
    | Unary
    | Chain
    | Power
    | Compare
    | Logical
    | Conditional
    | Flow
)


@dataclass(slots=True)
class TargetTuple(Node):
    """`(i, depth)` or `i, depth` left of `=` or `in`; `types` where `i: type, depth: type = value` was written."""

    items: list[Target]
    types: list[TypeExpr | None] = field(default_factory=list)


Target = Name | TargetTuple  # a Name `_` takes what is not wanted


@dataclass(slots=True)
class TypeExpr(Node):
    """`float32[N, H, 3]`, `[..., D]`, `float32`: one half may be missing. `float32[]` has an empty shape."""

    dtype: Name | None
    shape: list[Expr] | None  # a Literal(...) entry is `...`


# Statements of a body ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ExprStatement(Node):
    value: Expr


@dataclass(slots=True)
class Assign(Node):
    """`target = value`, also at file level (a constant); `type` where `name: type = value` was written."""

    target: Target
    type: TypeExpr | None
    value: Expr


@dataclass(slots=True)
class Input(Node):
    """`input name[count]: type = None`; `optional` where `= None` was written."""

    name: str
    name_place: Place
    count: Expr | None
    type: TypeExpr | None
    optional: bool


@dataclass(slots=True)
class Output(Node):
    """The forms of `output`. `name` is None for a nameless `output tensor`, `value` for a bare `output name`."""

    name: str | None
    name_place: Place | None
    count: Expr | None
    type: TypeExpr | None
    value: Expr | None
    state: bool


@dataclass(slots=True)
class Weight(Node):
    """`weight name: type = initializer`; `trainable` is False for `buffer`."""

    name: str
    name_place: Place
    type: TypeExpr
    initializer: Expr | None
    trainable: bool


@dataclass(slots=True)
class Require(Node):
    condition: Expr
    message: Expr | None


@dataclass(slots=True)
class Asset(Node):
    name: str
    name_place: Place
    value: Expr


@dataclass(slots=True)
class Branch(Node):
    """`if condition:` or `elif condition:` with its body; the place is the header's."""

    condition: Expr
    body: list[Statement]


@dataclass(slots=True)
class If(Node):
    branches: list[Branch]
    otherwise: list[Statement]


@dataclass(slots=True)
class For(Node):
    target: Target
    iterable: Expr
    body: list[Statement]


@dataclass(slots=True)
class Pass(Node):
    """`pass`, for a body that does nothing."""


Statement = ExprStatement | Assign | Input | Output | Weight | Require | Asset | If | For | Pass


# Declarations of a file --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Parameter(Node):
    name: str
    default: Expr | None


@dataclass(slots=True)
class Body(Node):
    """`model` or `block`. The place is the header line's, `name_place` the name's."""

    kind: str  # "model" or "block"
    name: str
    name_place: Place
    parameters: list[Parameter]
    documentation: str | None  # dedented as inspect.cleandoc does
    statements: list[Statement]


@dataclass(slots=True)
class Variant(Node):
    """`model NAME = MODEL(arguments)`."""

    name: str
    name_place: Place
    call: Call


@dataclass(slots=True)
class Def(Node):
    name: str
    name_place: Place
    parameters: list[Parameter]
    value: Expr


@dataclass(slots=True)
class Imported(Node):
    name: str
    alias: str  # the name itself where no `as` was written


@dataclass(slots=True)
class Import(Node):
    """`from "path" import ...` or `from zoo.resnet import ...`."""

    path: str  # the string, or the dotted name
    dotted: bool
    path_place: Place
    names: list[Imported]


@dataclass(slots=True)
class Defaults(Node):
    """`defaults LAYER(arguments)`."""

    call: Call


Declaration = Body | Variant | Def | Import | Defaults | Assign


@dataclass(slots=True)
class File(Node):
    """One source file. `text` is what the places point into."""

    name: str
    text: str
    declarations: list[Declaration]

    def line(self, number: int) -> str:
        """One line of the text, counted from 1. U+2028 and form feeds end none, as they do for `str.splitlines`."""
        return self.text.split("\n")[number - 1]
