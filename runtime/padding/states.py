"""What is known of a value of a graph that runs twice: with as many tokens as a call has, and with more, which its mask
hides.

The two runs hold the same at every place that the shorter one has. Of the longer one's own places, ranges are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archonnx.runtime.batching.extents import ONE, ROWS, Size
from archonnx.runtime.batching.nodes import Dims, Node
from archonnx.runtime.batching.values import Unprovable, Value
from archonnx.runtime.padding.ranges import ANYTHING, Function, Range

TOKENS = ROWS  # the size of an axis of tokens: what batching calls so is the number that grows


@dataclass(frozen=True, slots=True)
class Grain:
    """How an axis holds the tokens: outer times all of them in order, each `inner` places long."""

    outer: Size = ONE
    inner: Size = ONE


PLAIN = Grain()


@dataclass(frozen=True, slots=True)
class Origin:
    """What a value was computed of: `kind` of the value `base`, over `count` places. Kinds: "square", "mean" (of
    squares, or more), "root" (of that), "inverse" (of that)."""

    kind: str
    base: str
    count: float = 1.0


@dataclass(frozen=True, slots=True)
class State(Value):
    """A value whose axes of tokens are those whose sizes grow with their number.

    whole: the range of all its places, in both runs; tails: by axis of tokens, the range of the places that only the
    longer run has along it; fronts: by axis, the range of the places at its first token. Along the other axes these
    may lie anywhere, behind the mask too. grains: by axis, where it holds more than one place a token.
    steps: whether it holds the number of the token along its only axis of tokens; level: whether it is the same all
    along that axis; columns: of values joined along the last axis, whether each is the one or the other.
    flat: whether it holds places that are counted over all rows, which differ in the two runs: then nothing but
    `ordinals` may look at them.
    dtype: onnx's number, 0 where unknown; label: its name; elements: reads a constant that is not small.
    """

    label: str = ""
    dtype: int = 0
    whole: Range = ANYTHING
    tails: Mapping[int, Range] = field(default_factory=dict)
    fronts: Mapping[int, Range] = field(default_factory=dict)
    grains: Mapping[int, Grain] = field(default_factory=dict)
    origin: Origin | None = None
    steps: bool = False
    level: bool = False
    columns: tuple[str, ...] = ()
    flat: bool = False
    elements: Callable[[], Any] | None = field(default=None, compare=False)

    @property
    def carries(self) -> bool:
        """Whether an axis of it holds tokens."""
        return bool(self.tails)

    def grain(self, axis: int) -> Grain:
        return self.grains.get(axis, PLAIN)

    def from_end(self, back: int) -> int:
        """The axis so many from the end, below 0 where there are fewer."""
        if self.shape is None:
            raise Unprovable("the rank of an input is not known")
        return len(self.shape) - back

    def tail(self, axis: int | None) -> Range:
        """The range of the places behind the mask along an axis, which may hold no tokens."""
        return self.whole if axis is None else self.tails.get(axis, self.whole)

    def front(self, axis: int | None) -> Range:
        return self.whole if axis is None else self.fronts.get(axis, self.whole)

    def array(self) -> Any:
        """The elements of a constant; None where it is none, or where nobody can read them."""
        if self.constant is not None:
            return self.constant
        return None if self.elements is None else self.elements()


@dataclass(slots=True)
class Made:
    """What a rule finds of an output. dims: as in batching; axes of tokens are the keys of `tails` and `fronts`."""

    dims: Dims | None
    whole: Range
    tails: dict[int, Range] = field(default_factory=dict)
    fronts: dict[int, Range] = field(default_factory=dict)
    grains: dict[int, Grain] = field(default_factory=dict)
    origin: Origin | None = None
    flat: bool = False
    elements: Callable[[], Any] | None = None


# The inputs that are shapes, or bounds of places.
_SIZES = {"ConstantOfShape": (0,), "Expand": (1,), "Range": (0, 1, 2), "Reshape": (1,), "Slice": (1, 2), "Tile": (1,)}
Rule = Callable[["Step"], "Made | list[Made]"]
Links = Sequence[Mapping[int, int]]


@dataclass(slots=True)
class Step(Node):
    """A node, of which all inputs are known. most: the most tokens that a run has; least: gathers how many a call must
    have to be filled up at all."""

    most: int = 1
    least: list[int] = field(default_factory=list)

    def state(self, place: int) -> State:
        found = self.input(place)
        assert isinstance(found, State)
        return found

    def maybe(self, place: int) -> State | None:
        """An input, None where it is left out."""
        return None if self.given(place) is None else self.state(place)

    def states(self) -> list[State]:
        return [value for value in self.inputs if isinstance(value, State)]

    def fixed(self, *places: int) -> None:
        """That these inputs, where they are given, hold no tokens and do not grow with their number."""
        for place in places:
            value = self.maybe(place)
            if value is not None and (value.carries or value.counts):
                raise Unprovable(f"its input {place} depends on the number of tokens")

    def check_counts(self) -> None:
        """That numbers that grow with the tokens come in as shapes and bounds alone: what else is made of them is not
        followed."""
        sizes = _SIZES.get(self.operator, ())
        for place, value in enumerate(self.inputs):
            if value is not None and value.counts and place not in sizes:
                raise Unprovable("it computes with the number of tokens")

    def apart(self, *axes: int) -> None:
        """That the axes of its first input that it works along hold no tokens."""
        for axis in axes:
            if axis in self.state(0).tails:
                raise Unprovable(f"it works along axis {axis}, which holds the tokens")

    def count(self, size: Size | None) -> float:
        """The most places that an axis may have; infinite where nobody knows."""
        if size is None or size.signed:
            return float("inf")
        names = list(size.names)
        found = float(size.number)
        while "" in names:
            names.remove("")
            found *= self.most
        return float("inf") if names else found


def spread(states: Sequence[State], links: Links, function: Function, dims: Dims | None) -> Made:
    """The ranges of what is computed of several values. links: for each, the axes of the result that hold tokens, with
    its own axis that they come from; function: of ranges, one for each value."""
    made = Made(dims, function(*(state.whole for state in states)))
    for axis in sorted({axis for link in links for axis in link}):
        own = [link.get(axis) for link in links]
        made.tails[axis] = function(*(state.tail(at) for state, at in zip(states, own, strict=True)))
        made.fronts[axis] = function(*(state.front(at) for state, at in zip(states, own, strict=True)))
        grains = {state.grain(at) for state, at in zip(states, own, strict=True) if at is not None}
        if len(grains) != 1:
            raise Unprovable("its inputs hold different numbers of places for a token")
        if (grain := grains.pop()) != PLAIN:
            made.grains[axis] = grain
    return made


def same(a: Range) -> Range:
    """Of a function that moves what it is given, and changes none of it."""
    return a


def moved(state: State, axes: Mapping[int, int], dims: Dims | None) -> Made:
    """The same elements elsewhere. axes: of the result -> where they were; of those that hold tokens none may lack."""
    link = {new: old for new, old in axes.items() if old in state.tails}
    if set(link.values()) != set(state.tails):
        raise Unprovable("it takes an axis away that holds the tokens")
    return spread([state], [link], same, dims)


def joint(node: Step, states: Sequence[State], skipped: int = 0) -> tuple[list[dict[int, int]], list[Size | None]]:
    """How values lie on one another, as numpy broadcasts them: the links of each and the sizes of the result. skipped:
    so many of the last axes are left alone, and out of the sizes."""
    if any(state.shape is None for state in states):
        raise Unprovable("the rank of an input is not known")
    shapes = [(state.shape or ())[: len(state.shape or ()) - skipped] for state in states]
    rank = max(map(len, shapes), default=0)
    links: list[dict[int, int]] = [{} for _ in states]
    dims: list[Size | None] = []
    for place in range(rank):
        here = [(n, at) for n, shape in enumerate(shapes) if (at := place - rank + len(shape)) >= 0]
        sizes = {shapes[n][at] for n, at in here} - {ONE}
        holding = [(n, at) for n, at in here if at in states[n].tails]
        if holding and len(sizes) > 1:
            raise Unprovable("an input may have another number of places along the axis that holds the tokens")
        for n, at in holding:
            links[n][place] = at
        known = [size for size in sizes if size.known is not None]
        dims.append(ONE if not sizes else sizes.pop() if len(sizes) == 1 else known[0] if len(known) == 1 else None)
    return links, dims
