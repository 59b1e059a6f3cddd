"""A node as the rules see it: what is known of its inputs, and what a rule finds of its outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from archonnx.runtime.batching.extents import Size
from archonnx.runtime.batching.values import Numbers, Unprovable, Value

Dims = Sequence[Size | None]


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule finds of an output. axis: that of the rows, None where there is none; dims: its sizes, None for one
    that does not grow with the rows and of which no more is known; None for all where not even the rank is."""

    axis: int | None
    dims: Dims | None
    numbers: Numbers | None = None


Rule = Callable[["Node"], "Found | list[Found]"]


@dataclass(slots=True)
class Node:
    """A node. opset: the version of its domain; inputs: None for one that is left out; outputs: "" for one that is;
    label: no other node's."""

    operator: str
    opset: int
    label: str
    inputs: list[Value | None]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)

    def given(self, place: int) -> Value | None:
        """An input, None where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else None

    def input(self, place: int) -> Value:
        found = self.given(place)
        if found is None:
            raise Unprovable(f"its input {place} is left out")
        return found

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def shape(self, place: int) -> tuple[Size, ...]:
        """The shape of an input, whose rank must be known."""
        found = self.input(place).shape
        if found is None:
            raise Unprovable(f"the rank of its input {place} is not known")
        return found

    def rank(self, place: int) -> int:
        return len(self.shape(place))

    def axis(self, place: int) -> int:
        """The axis of the rows of an input that has them."""
        found = self.input(place).axis
        if found is None:
            raise Unprovable(f"its input {place} holds no rows where others do")
        return found

    def extent(self, place: int) -> Size:
        """The size of the axis of the rows."""
        return self.shape(place)[self.axis(place)]

    def ints(self, name: str, place: int | None = None, default: list[int] | None = None) -> list[int]:
        """Whole numbers of an attribute, or of an input where newer opsets have them; all must be known."""
        if name in self.attributes:
            found = self.attributes[name]
            return [int(each) for each in found] if isinstance(found, list | tuple) else [int(found)]
        value = self.given(place) if place is not None else None
        if value is None:
            if default is None:
                raise Unprovable(f"it has no {name}")
            return default
        known = value.numbers.known if value.numbers else None
        if known is None:
            raise Unprovable(f"its {name} are not known before it runs")
        return known

    def only_rows(self, *places: int) -> None:
        """That no other input depends on the rows."""
        for place, value in enumerate(self.inputs):
            if value is not None and place not in places and not value.same:
                raise Unprovable(f"its input {place} depends on the batch")

    def normal(self, axis: int, rank: int) -> int:
        """An axis counted from the front."""
        return axis + rank if axis < 0 else axis

    def row_axis(self) -> int:
        """The axis of the first input, which alone holds rows."""
        self.only_rows(0)
        return self.axis(0)

    def apart(self, axis: int) -> None:
        """That an axis that it works along is not that of the rows."""
        if axis == self.axis(0):
            raise Unprovable(f"it works along axis {axis}, which holds the rows")
