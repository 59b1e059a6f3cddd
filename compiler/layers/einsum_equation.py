"""The equation of EinsumDense, `abc,cde->abde`, taken apart into the letters of its axes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from archonnx.compiler.layers.base import LayerError

_FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")
_FORMS = "letters for axes: input,kernel->result, ...input,kernel->...result or input...,kernel->result..."


@dataclass(frozen=True)
class Equation:
    """The letters of the input's, the kernel's and the result's axes. `before`, `after`: where the ellipsis stands."""

    given: str
    kernel: str
    result: str
    before: bool
    after: bool

    @cached_property
    def contracted(self) -> list[str]:
        """Axes of input and kernel that are summed over."""
        return [a for a in self.given if a in self.kernel and a not in self.result]

    @cached_property
    def shared(self) -> list[str]:
        """Axes of input, kernel and result: a kernel for each place."""
        return [a for a in self.given if a in self.kernel and a in self.result]

    @cached_property
    def summed(self) -> list[str]:
        """Axes of the input alone."""
        return [a for a in self.given if a not in self.kernel and a not in self.result]

    @cached_property
    def new(self) -> list[str]:
        """Axes of the kernel that only the result has, in the kernel's order."""
        return [a for a in self.kernel if a not in self.given]

    def input_axes(self, rank: int) -> list[str]:
        """A name for each axis of an input of that rank; those of the ellipsis are numbers."""
        others = [str(i) for i in range(rank - len(self.given))]
        return [*others, *self.given] if self.before else [*self.given, *others]

    def result_axes(self, rank: int) -> list[str]:
        """A name for each axis of the result for an input of that rank."""
        others = [str(i) for i in range(rank - len(self.given))]
        return [*others, *self.result] if self.before else [*self.result, *others]

    @property
    def least_rank(self) -> int:
        """The ellipsis in front holds the batch at least."""
        return len(self.given) + self.before

    @property
    def open(self) -> bool:
        """Whether inputs may have more axes than that."""
        return self.before or self.after


def parse_equation(text: str) -> Equation:
    """The equation taken apart. E0325, at the argument `equation`, where it is none that a layer can stand for."""

    def fail(what: str, help: str | None = None) -> LayerError:
        return LayerError("E0325", f'the equation "{text}" of EinsumDense {what}', argument="equation", help=help)

    found = _FORM.fullmatch(text)
    if found is None:
        if "->" not in text:
            raise fail("has no `->` before the axes of the result", _mend_arrow(text))
        raise fail(f"cannot be read: it is {_FORMS}", 'for example "abc,cd->abd"')
    before, given, after, kernel, result_before, result, result_after = found.groups()
    if (before, after) != (result_before, result_after) or (before and after):
        raise fail("has `...` in input and result at the same end, or in neither", f"it is {_FORMS}")
    for what, letters in (("input", given), ("kernel", kernel), ("result", result)):
        twice = next((a for a in letters if letters.count(a) > 1), None)
        if twice is not None:
            raise fail(f"names the axis {twice} of the {what} twice")
    unknown = next((a for a in result if a not in given + kernel), None)
    if unknown is not None:
        raise fail(f"has the axis {unknown} in the result, and neither input nor kernel has it")
    unknown = next((a for a in kernel if a not in given + result), None)
    if unknown is not None:
        raise fail(f"has the axis {unknown} of the kernel alone: its size would be unknown")
    if not before and given[0] != result[0]:
        raise fail(
            f"moves the batch: the first axis of the input is {given[0]}, that of the result {result[0]}",
            "begin input and result with the same letter, or with `...`",
        )
    if after and len(given) < 2:
        raise fail("names one axis before `...`, the batch, and none for the kernel")
    return Equation(given, kernel, result, bool(before), bool(after))


def _mend_arrow(text: str) -> str:
    given, comma, kernel = text.partition(",")
    if not comma or not (given + kernel).isalpha():
        return 'for example "abc,cd->abd"'
    once = [a for a in given if a not in kernel] + [a for a in kernel if a not in given]
    return f'write "{text}->{"".join(once)}"'


def order(axes: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The places of the axes that are wanted, for Transpose."""
    return [axes.index(a) for a in wanted]
