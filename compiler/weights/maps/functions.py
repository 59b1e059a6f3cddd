"""The functions of maps: their parameters and what each says of itself. evaluate.py knows what they do.

Kinds of parameters: "tensor", "tensors" (one or more, all that stand there), "number", "numbers" (any number of them),
"text" (in quotes). Parameters with a default come last and may be given by name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    default: int | None = None

    @property
    def required(self) -> bool:
        return self.default is None and self.kind != "numbers"


@dataclass(frozen=True, slots=True)
class Function:
    """`example` is how a message shows it; `parts`: it gives several tensors, one of which `[k]` chooses."""

    parameters: tuple[Parameter, ...]
    example: str
    summary: str
    parts: bool = False


_X = Parameter("x", "tensor")
_XS = Parameter("tensors", "tensors")
_AXIS = Parameter("axis", "number", 0)

FUNCTIONS = {
    "transpose": Function(
        (_X, Parameter("axes", "numbers")),
        "transpose(x, 1, 0)",
        "The axes in this order, as numpy.transpose; without numbers in reverse.",
    ),
    "reshape": Function(
        (_X, Parameter("shape", "numbers")),
        "reshape(x, 4, -1)",
        "The same elements under another shape; one extent may be -1.",
    ),
    "split": Function(
        (_X, Parameter("count", "number"), _AXIS),
        "split(x, 3, axis=0)[1]",
        "One of `count` equal parts along an axis, counted from 0.",
        parts=True,
    ),
    "concat": Function((_XS, _AXIS), "concat(a, b, axis=0)", "One after another along an axis."),
    "stack": Function((_XS, _AXIS), "stack(a, b, axis=0)", "One beside another along a new axis."),
    "gates": Function(
        (_X, Parameter("source", "text"), Parameter("target", "text"), _AXIS),
        'gates(x, "ifgo", "iofg", axis=0)',
        "Equal blocks along an axis, named by letters, in another order; c and g name the same gate.",
    ),
    "unpermute_rotary": Function(
        (_X, Parameter("heads", "number")),
        "unpermute_rotary(x, 32)",
        "Rows of queries or keys as llama.cpp interleaves them, back in halves for each head.",
    ),
    "cast": Function((_X,), "cast(x)", "In the weight's own type, though bits are lost."),
    "as_is": Function((_X,), "as_is(x)", "Laid out as the weight is already: the layout's conversion is left out."),
}
