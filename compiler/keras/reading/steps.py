"""What was read of a model, before it is text.

Body    a model or block: inputs, weights of its own, steps in order, outputs
Step    an expression over tensors, or a layer or block applied to what an expression gives
Text    an expression: words, and tensors with how tightly they must be bound where they stand
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# How tightly an expression holds together, loosest first: the language's precedence.
FLOW, COMPARISON, OR, XOR, AND, SHIFT, SUM, PRODUCT, SIGN, POWER, ATOM = range(11)


@dataclass(slots=True, eq=False)
class Tensor:
    """A tensor of the model. `hint` is what it may be called."""

    dtype: str
    shape: tuple[int | None, ...]
    hint: str = "x"

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass(frozen=True, slots=True)
class Slot:
    """A tensor in a text, which stands in brackets where it is looser than `level`."""

    tensor: Tensor
    level: int = FLOW


@dataclass(frozen=True, slots=True)
class Text:
    """An expression. `widened`: this is `inner` cast down from that type, which a cast back undoes."""

    parts: tuple[str | Slot, ...]
    level: int = ATOM
    widened: tuple[Text, str] | None = None

    def tensors(self) -> Iterator[Tensor]:
        for part in self.parts:
            if isinstance(part, Slot):
                yield part.tensor


def text(*parts: str | Slot | Tensor | Text, level: int = ATOM) -> Text:
    """A text of words, tensors and other texts, the latter two as operands that nothing around them can tear apart."""
    found: list[str | Slot] = []
    for part in parts:
        if isinstance(part, Tensor):
            found.append(Slot(part))
        elif isinstance(part, Text):
            found.extend(part.parts)
        else:
            found.append(part)
    return Text(tuple(found), level)


class Argument(NamedTuple):
    """An argument as it is written; `alone` by its position, without its name."""

    key: str
    value: str
    alone: bool = False

    def __str__(self) -> str:
        return self.value if self.alone else f"{self.key}={self.value}"


@dataclass(slots=True, eq=False)
class Applied:
    """A layer or block. One that is applied several times is one object.

    name: the last part of its path; None where nothing depends on it. keras: Keras' layer, which has its weights.
    body: a block's; its constructor and arguments are found when it is written. inside: the block that is run on each
    step, of TimeDistributed.
    """

    constructor: str
    name: str | None = None
    arguments: list[Argument] = field(default_factory=list)
    keras: Any = None
    frozen: bool = False
    body: Body | None = None
    inside: Applied | None = None
    uses: int = 0


@dataclass(slots=True, eq=False)
class Step:
    """`results = text -> applied`, or `results = text`. A result that nothing reads is None."""

    results: Sequence[Tensor | None]
    text: Text
    applied: Applied | None = None
    operation: Any = None

    def tensors(self) -> list[Tensor]:
        """The tensors that it reads."""
        return list(self.text.tensors())


@dataclass(slots=True, eq=False)
class Held:
    """A weight of a body itself. `variable` is Keras'."""

    tensor: Tensor
    name: str
    variable: Any
    initializer: str
    trainable: bool = True


@dataclass(slots=True, eq=False)
class Body:
    """The body of a model or block. `outputs` are names and tensors; names matter in a model alone."""

    name: str
    inputs: list[tuple[str, Tensor]] = field(default_factory=list)
    weights: list[Held] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    outputs: list[tuple[str, Tensor]] = field(default_factory=list)

    def reads(self) -> dict[int, int]:
        """How often each tensor is read, by its identity."""
        found: dict[int, int] = {}
        for step in self.steps:
            for tensor in step.tensors():
                found[id(tensor)] = found.get(id(tensor), 0) + 1
        for _, tensor in self.outputs:
            found[id(tensor)] = found.get(id(tensor), 0) + 1
        return found


def ordered(steps: Sequence[Step], outputs: Sequence[Tensor]) -> list[Step] | None:
    """The steps that the outputs need, each behind what it reads, what an output reads first; None in a circle."""
    made = {id(tensor): step for step in steps for tensor in step.results if tensor is not None}
    state: dict[int, bool] = {}  # whether a step is finished, by its identity
    found: list[Step] = []
    for output in outputs:
        stack: list[tuple[Step, bool]] = [(made[id(output)], False)] if id(output) in made else []
        while stack:
            step, ready = stack.pop()
            if ready:
                state[id(step)] = True
                found.append(step)
                continue
            if id(step) in state:
                if not state[id(step)]:
                    return None
                continue
            state[id(step)] = False
            stack.append((step, True))
            for tensor in reversed(step.tensors()):
                below = made.get(id(tensor))
                if below is not None and not state.get(id(below), False):
                    stack.append((below, False))
    return found
