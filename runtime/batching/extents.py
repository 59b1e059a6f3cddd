"""Sizes of axes as products: a number times names, one of which may be the number of rows of the batch.

A name stands for a size that is the same however many rows there are: an axis of an input, or what was computed of
such sizes. Names that may stand for less than nothing begin with `~`. The size of an axis that holds all rows several
times over, step by step, begins with `<`: `<5` says five times.
"""

from __future__ import annotations

from dataclasses import dataclass

_OVER = "<"
BATCH = ""  # the number of rows: no axis is called so


@dataclass(frozen=True, slots=True)
class Size:
    """number * names[0] * names[1] ...; names are in order, one may stand there several times."""

    number: int
    names: tuple[str, ...] = ()

    @property
    def batch(self) -> bool:
        """Whether it grows with the number of rows."""
        return BATCH in self.names

    @property
    def known(self) -> int | None:
        """The number, where it is one alone."""
        return None if self.names else self.number

    @property
    def signed(self) -> bool:
        """Whether it may be less than nothing."""
        return self.number < 0 or any(name.startswith("~") for name in self.names)

    @property
    def plain(self) -> Size:
        """The number of places, in whichever order the rows lie there."""
        found = Size(self.number, tuple(name for name in self.names if not name.startswith(_OVER)))
        return found * self.over_all

    @property
    def over_all(self) -> Size:
        """How many times over the axis holds all rows."""
        found = ONE
        for name in self.names:
            if name.startswith(_OVER):
                text = name.removeprefix(_OVER)
                found = found * (Size(int(text)) if text.isdecimal() else Size(1, (text,)))
        return found

    def times_over(self, times: Size) -> Size:
        """This size of an axis, where it holds all rows so many times over."""
        marks = [f"{_OVER}{name}" for name in times.names]
        marks += [f"{_OVER}{times.number}"] if times.number != 1 else []
        return Size(self.number, tuple(sorted([*self.names, *marks])))

    def __mul__(self, other: Size) -> Size:
        if not self.number or not other.number:
            return Size(0)
        return Size(self.number * other.number, tuple(sorted(self.names + other.names)))

    def over(self, other: Size) -> Size | None:
        """This size divided by another, None where it is not seen to be a whole number."""
        names = list(self.names)
        for name in other.names:
            if name not in names:
                return None
            names.remove(name)
        if not other.number or self.number % other.number:
            return None
        return Size(self.number // other.number, tuple(names))

    def __str__(self) -> str:
        parts = ["rows" if name == BATCH else name for name in self.names]
        return "*".join(([] if self.number == 1 and parts else [str(self.number)]) + parts)


ONE = Size(1)


def named(name: str) -> Size:
    """The size that a name stands for."""
    return Size(1, (name,))


ROWS = named(BATCH)


def product(sizes: tuple[Size, ...] | list[Size]) -> Size:
    """All of them multiplied; 1 for none."""
    found = ONE
    for size in sizes:
        found = found * size
    return found


def computed(operator: str, *sizes: Size, signed: bool = False) -> Size | None:
    """The name of what an operator makes of sizes, the same wherever it is made of the same; None where one of them
    grows with the rows."""
    if any(size.batch for size in sizes):
        return None
    mark = "~" if signed or any(size.signed for size in sizes) else ""
    return named(f"{mark}{operator}({', '.join(map(str, sizes))})")


def plus(a: Size, b: Size) -> Size | None:
    """The sum, None where only one of them grows with the rows."""
    if a.names == b.names:
        return Size(a.number + b.number, a.names)
    if a.known == 0:
        return b
    return a if b.known == 0 else computed("Add", *sorted((a, b), key=str))


def minus(a: Size, b: Size) -> Size | None:
    """The difference, None where only one of them grows with the rows."""
    if a.names == b.names:
        return Size(a.number - b.number, a.names) if a.number != b.number else Size(0)
    return a if b.known == 0 else computed("Sub", a, b, signed=True)
