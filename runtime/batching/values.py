"""What is known of a value of a graph, whose inputs hold rows: which axis holds them, or that none does, or why neither
is sure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.runtime.batching.extents import Size, named

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class Blame:
    """The node that mixes rows, or is not known not to, and why."""

    node: str
    operator: str
    why: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a small value of whole numbers holds: sizes, steps, axes. scalar: whether it has no axis, else it has
    one."""

    sizes: tuple[Size, ...]
    scalar: bool = False

    @property
    def batch(self) -> bool:
        """Whether one of them grows with the number of rows."""
        return any(size.batch for size in self.sizes)

    @property
    def shape(self) -> Shape:
        return () if self.scalar else (Size(len(self.sizes)),)

    @property
    def known(self) -> list[int] | None:
        """The numbers, where all are known."""
        found = [size.known for size in self.sizes]
        return None if None in found else [number for number in found if number is not None]


@dataclass(frozen=True, slots=True)
class Value:
    """One of four:

    - rows: axis `axis` holds the rows one after the other, each as many places as the rest of that size says, and what
      a row's places hold follows from that row of the inputs alone, however many rows there are;
    - same (axis None): its shape and all that it holds are the same whatever the rows are and however many;
    - counts: `numbers` has sizes that grow with the number of rows, and it depends on the rows in nothing else;
    - mixed: `blame` tells the node that made it none of these.

    stride: where rows hold numbers of places, computed of the row's own number: how far those of one row lie from those
    of the next, beginning with 0; then nothing but `ordinals` may look at them. below: what is added to that stays
    below this, and so all that a value that is the same for all holds, none of it less than nothing.
    shape: None where the rank is not known, which of rows it always is. numbers: what it holds, where that is known
    and not the rows' own; constant: the same as an array, where the file holds it.
    """

    shape: Shape | None
    axis: int | None = None
    numbers: Numbers | None = None
    constant: np.ndarray[Any, Any] | None = field(default=None, compare=False)
    blame: Blame | None = None
    stride: Size | None = None
    below: Size | None = None

    @property
    def mixed(self) -> bool:
        return self.blame is not None

    @property
    def rows(self) -> bool:
        return self.axis is not None

    @property
    def counts(self) -> bool:
        return self.numbers is not None and self.numbers.batch

    @property
    def same(self) -> bool:
        return not (self.mixed or self.rows or self.counts)


class Unprovable(Exception):
    """A node is not known to keep the rows apart. Says why; caught where the graph is walked."""


def unknown(value: str, axis: int) -> Size:
    """The name of an axis of which nothing is known but that it does not grow with the rows."""
    return named(f"{value}.{axis}")


def holding(array: np.ndarray[Any, Any]) -> Value:
    """A constant."""
    shape = tuple(Size(size) for size in array.shape)
    numbers = None
    if array.ndim <= 1 and array.size <= MOST and array.dtype.kind in "iub":
        numbers = Numbers(tuple(Size(int(each)) for each in array.reshape(-1)), array.ndim == 0)
    return Value(shape, numbers=numbers, constant=array if array.size <= MOST else None)


def counted(numbers: Numbers) -> Value:
    """A value that holds these numbers."""
    import numpy as np

    known = numbers.known
    array = None if known is None else np.array(known[0] if numbers.scalar else known, np.int64)
    return Value(numbers.shape, numbers=numbers, constant=array)


MOST = 64  # elements that are looked at
NOWHERE = Value(None, blame=Blame("", "", "a value of it is made nowhere"))
